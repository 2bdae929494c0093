import { expect, test } from 'vitest';
import { AddressCounts, countingKey } from '../../../src/edge/address-counts.ts';

test('a client may have so many connections at once, whatever others have', () => {
  const counts = new AddressCounts();
  expect([1, 2, 3].map(() => counts.tryAdd('192.0.2.1', 2))).toEqual([true, true, false]);
  expect(counts.tryAdd('192.0.2.2', 2)).toBe(true);
  counts.remove('192.0.2.1');
  expect([1, 2].map(() => counts.tryAdd('192.0.2.1', 2))).toEqual([true, false]);
});

test('a limit of 0 is none, and what came under it counts for a limit that comes later', () => {
  const counts = new AddressCounts();
  for (let index = 0; index < 1_000; index++) expect(counts.tryAdd('192.0.2.1', 0)).toBe(true);
  expect(counts.tryAdd('192.0.2.1', 1_000)).toBe(false);
});

test('nothing is kept of clients that have no connection any more', () => {
  const counts = new AddressCounts();
  for (let index = 0; index < 100_000; index++) {
    counts.tryAdd(`${index}`, 0);
    counts.tryAdd(`${index}`, 0);
    counts.remove(`${index}`);
    counts.remove(`${index}`);
  }
  expect(counts.size).toBe(0);
});

test('what was refused leaves nothing behind', () => {
  const counts = new AddressCounts();
  counts.tryAdd('192.0.2.1', 1);
  counts.tryAdd('192.0.2.1', 1);
  counts.remove('192.0.2.1');
  expect(counts.size).toBe(0);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['2001:db8:0:1::', '2001:db8:0:1::/64'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3::/64'],
  ['1:2::3:4:5:6:7', '1:2:0:3::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['::2:3:4:5:6:7', '0:0:2:3::/64'],
  ['::1:2:3:192.0.2.1', '0:0:0:1::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['unknown', 'unknown'],
])('%s counts as %s', (address, key) => {
  expect(countingKey(address)).toBe(key);
});
