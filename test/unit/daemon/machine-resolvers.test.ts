import { isIP } from 'node:net';
import { expect, test } from 'vitest';
import { machineResolvers, splitServer } from '../../../src/daemon/machine-resolvers.ts';

test.each([
  ['9.9.9.9', '9.9.9.9', 53],
  ['127.0.0.1:8053', '127.0.0.1', 8_053],
  ['2620:fe::fe', '2620:fe::fe', 53],
  ['[2620:fe::fe]:8053', '2620:fe::fe', 8_053],
])('%s is %s, port %d', (text, host, port) => {
  expect(splitServer(text)).toEqual({ host, port });
});

test("the machine's own are addresses", () => {
  for (const { host } of machineResolvers()) expect(isIP(host)).not.toBe(0);
});
