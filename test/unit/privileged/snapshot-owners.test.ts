import { expect, test } from 'vitest';
import { mapOf } from '../../../src/privileged/snapshot-owners.ts';

test('users that follow one another are one line of a map', () => {
  expect(mapOf([200_000, 200_001, 200_002, 200_010, 200_009])).toBe('0 200000 3\n3 200010 1\n4 200009 1\n');
});

test.each([[[]], [[0]], [[200_000, 33]], [[1.5]], [Array.from({ length: 251 }, (_, index) => 200_000 + 2 * index)]])(
  'no map is made for users that no tenant has: %j',
  (uids) => {
    expect(() => mapOf(uids)).toThrow('no namespace of users');
  },
);
