import { expect, test } from 'vitest';
import { parseMoment } from '../../../src/cli/parse-moment.ts';

const now = new Date(2026, 10, 21, 15, 30, 5).getTime();
const local = (year: number, month: number, day: number, hour = 0, minute = 0, second = 0): string =>
  new Date(year, month, day, hour, minute, second).toISOString();

test.each([
  ['90s', new Date(now - 90_000).toISOString()],
  ['10m', new Date(now - 600_000).toISOString()],
  ['2h', new Date(now - 7_200_000).toISOString()],
  ['3d', new Date(now - 3 * 86_400_000).toISOString()],
  ['1w', new Date(now - 7 * 86_400_000).toISOString()],
  ['today', local(2026, 10, 21)],
  ['yesterday', local(2026, 10, 20)],
  ['2026-11-21', local(2026, 10, 21)],
  ['2026-11-21T10:00', local(2026, 10, 21, 10)],
  ['2026-11-21 10:00:30', local(2026, 10, 21, 10, 0, 30)],
  ['2026-11-21T10:00:00.250Z', '2026-11-21T10:00:00.250Z'],
  ['2026-11-21T10:00+02:00', '2026-11-21T08:00:00.000Z'],
])('%s', (text, moment) => {
  expect(parseMoment(text, now)).toBe(moment);
});

test.each([
  '',
  '10',
  'm',
  '-5m',
  '10y',
  'tomorrow',
  '2026-02-31',
  '2026-13-01',
  '2026-1-1',
  '2026-11-21T25:00',
  '2026-11-21T10',
  '12:00',
  '1e3m',
  '9999999d',
])('%o is no time', (text) => {
  expect(() => parseMoment(text, now)).toThrow('Give 10m');
});
