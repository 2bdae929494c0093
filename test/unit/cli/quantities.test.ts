import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatDistance, formatDuration, formatWhen } from '../../../src/cli/quantities.ts';

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

test.each([
  [0, '1 s ago'],
  [90_000, 'in 1 min'],
  [-11_520_000, '3 h 12 min ago'],
  [439_200_000, 'in 5 d 2 h'],
  [60 * 86_400_000 - 1, 'in 59 d'],
  [-400 * 86_400_000, '400 d ago'],
])('%i ms from now are %s', (distanceMs, text) => {
  const nowMs = Date.parse('2026-01-01T12:00:00Z');
  expect(formatDistance(nowMs + distanceMs, nowMs)).toBe(text);
});

test('a moment is told with its date', () => {
  expect(formatWhen(Date.parse('2026-01-02T00:00:00Z'), Date.parse('2026-01-01T12:00:00Z'))).toBe('in 12 h 0 min (2026-01-02)');
});
