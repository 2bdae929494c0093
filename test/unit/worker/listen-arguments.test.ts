import { expect, test } from 'vitest';
import { readListenArguments } from '../../../src/worker/listen-arguments.ts';

const callback = (): void => undefined;
const signal = AbortSignal.abort();

test.each([
  [[], { target: { port: 0 } }],
  [[callback], { target: { port: 0 }, callback }],
  [[undefined, callback], { target: { port: 0 }, callback }],
  [[null], { target: { port: 0 } }],
  [[3000], { target: { port: 3000 } }],
  [['3000', callback], { target: { port: 3000 }, callback }],
  [[3000, 'localhost'], { target: { port: 3000, host: 'localhost' } }],
  [[3000, '::', 64, callback], { target: { port: 3000, host: '::' }, backlog: 64, callback }],
  [[3000, 64, callback], { target: { port: 3000 }, backlog: 64, callback }],
  [['/tmp/app.sock', callback], { target: { path: '/tmp/app.sock' }, callback }],
  [
    [{ port: 3000, host: '0.0.0.0', backlog: 9, signal }, callback],
    { target: { port: 3000, host: '0.0.0.0' }, backlog: 9, signal, callback },
  ],
  [[{ port: '80', exclusive: true, ipv6Only: false }], { target: { port: 80 } }],
  [[{ path: '/tmp/app.sock' }], { target: { path: '/tmp/app.sock' } }],
  [[{ host: 'localhost' }], { target: { port: 0, host: 'localhost' } }],
])('listen(...%j) is understood', (args, request) => {
  expect(readListenArguments(args)).toEqual(request);
});

test.each([[[70_000]], [[-1]], [[1.5]], [[{ fd: 5 }]], [[{ handle: {} }]], [[{ _handle: {} }]], [[new Map()]]])(
  'listen(...%j) is left to Node',
  (args) => {
    expect(readListenArguments(args)).toBeUndefined();
  },
);
