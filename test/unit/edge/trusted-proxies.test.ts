import { expect, test } from 'vitest';
import { createTrustedProxies } from '../../../src/edge/trusted-proxies.ts';

test.each([
  ['10.0.0.0/8', '10.255.1.2', '11.0.0.1'],
  ['10.1.2.3/8', '10.9.9.9', '11.0.0.1'],
  ['192.0.2.1', '192.0.2.1', '192.0.2.2'],
  ['fd00::/8', 'fdab::1', 'fe00::1'],
  ['2001:db8::1', '2001:db8::1', '2001:db8::2'],
  ['::ffff:10.0.0.0/104', '10.1.1.1', '11.1.1.1'],
  ['::ffff:10.1.1.1', '10.1.1.1', '10.1.1.2'],
  ['0.0.0.0/0', '203.0.113.1', '2001:db8::1'],
  ['::/0', '2001:db8::1', '203.0.113.1'],
])('%s has %s, and not %s', (block, within, outside) => {
  const { trusts } = createTrustedProxies([block]);
  expect(trusts(within)).toBe(true);
  expect(trusts(outside)).toBe(false);
});

test('each of several blocks counts', () => {
  const { trusts } = createTrustedProxies(['10.0.0.0/8', '192.0.2.0/24', 'fd00::/8']);
  expect(['10.1.1.1', '192.0.2.9', 'fd00::9', '192.0.3.1'].map(trusts)).toEqual([true, true, true, false]);
});

test('without blocks nobody is trusted', () => {
  expect(createTrustedProxies([]).trusts('127.0.0.1')).toBe(false);
});

test('who has no address is not trusted', () => {
  expect(createTrustedProxies(['0.0.0.0/0', '::/0']).trusts('unknown')).toBe(false);
});
