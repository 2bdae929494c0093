import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatDuration } from '../../../src/cli/quantities.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [10_189, '10 KiB'],
  [40_000_000, '38 MiB'],
  [3 * 2 ** 30, '3.0 GiB'],
  [2 ** 40, '1.0 TiB'],
  [2 ** 53, '8192 TiB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [-5, '0 s'],
  [400, '0 s'],
  [8_000, '8 s'],
  [59_400, '59 s'],
  [59_600, '1 min'],
  [3_599_000, '59 min'],
  [11_520_000, '3 h 12 min'],
  [86_400_000, '1 d 0 h'],
  [439_200_000, '5 d 2 h'],
])('%i ms are %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test('counts agree with their word', () => {
  expect([0, 1, 2].map((count) => formatCount(count, 'app'))).toEqual(['0 apps', '1 app', '2 apps']);
  expect(formatCount(2, 'process', 'processes')).toBe('2 processes');
});
