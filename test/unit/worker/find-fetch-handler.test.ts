import { expect, test } from 'vitest';
import { findFetchHandler } from '../../../src/worker/run-entry.ts';

const app = {
  greeting: 'hello',
  fetch(): string {
    return this.greeting;
  },
};

test.each([
  ['export default { fetch }', { default: app }],
  ['module.exports = { fetch }', app],
  ['exports.default = { fetch }, as compilers write it, then imported', { default: { default: app } }],
])('%s is a fetch handler that keeps its this', (_, exported) => {
  expect(findFetchHandler(exported)?.(new Request('http://x/'), {})).toBe('hello');
});

test('export default function fetch() {} is one too', () => {
  const fetch = (): string => 'plain';
  expect(findFetchHandler({ default: fetch })).toBe(fetch);
});

test.each([undefined, null, 'fetch', {}, { default: {} }, { default: (): void => undefined }, { fetch: 'text' }])(
  '%j is none',
  (exported) => {
    expect(findFetchHandler(exported)).toBeUndefined();
  },
);
