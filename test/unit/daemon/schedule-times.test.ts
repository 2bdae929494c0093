import { Cron } from 'croner';
import { describe, expect, test } from 'vitest';
import { parseCron, readCronFields } from '../../../src/config/schedule-values.ts';
import { dueTimes as times } from '../../../src/daemon/schedule-times.ts';

/** The first times after `from`, in UTC without seconds. */
function timesAfter(cron: string, timezone: string, from: string, count: number): string[] {
  const found: string[] = [];
  for (let at = times.after({ cron, timezone }, Date.parse(from)); at !== undefined && found.length < count;) {
    found.push(new Date(at).toISOString().slice(0, 16).replace('T', ' '));
    at = times.after({ cron, timezone }, at);
  }
  return found;
}

describe('times of a schedule', () => {
  test.each([
    ['0 7 * * *', '2026-11-21T07:00:00Z', ['2026-11-22 07:00', '2026-11-23 07:00']],
    ['*/20 8 * * *', '2026-11-21T08:00:01Z', ['2026-11-21 08:20', '2026-11-21 08:40', '2026-11-22 08:00']],
    ['0 0 29 2 *', '2026-11-21T00:00:00Z', ['2028-02-29 00:00', '2032-02-29 00:00']],
    ['0 12 * * sun', '2026-11-21T00:00:00Z', ['2026-11-22 12:00', '2026-11-29 12:00']],
    ['0 12 * * 7', '2026-11-21T00:00:00Z', ['2026-11-22 12:00']],
    ['0 12 * * fri-sun', '2026-11-21T12:00:00Z', ['2026-11-22 12:00', '2026-11-27 12:00', '2026-11-28 12:00']],
    ['0 0 1 jan *', '2026-11-21T00:00:00Z', ['2027-01-01 00:00']],
  ])('%s after %s', (cron, from, expected) => {
    expect(timesAfter(cron, 'UTC', from, expected.length)).toEqual(expected);
  });

  test('either day will do where both are given', () => {
    const first = ['2026-11-23 00:00', '2026-11-30 00:00', '2026-12-01 00:00', '2026-12-07 00:00'];
    expect(timesAfter('0 0 1 * 1', 'UTC', '2026-11-21T00:00:00Z', 4)).toEqual(first);
  });

  test('both days must fit where one begins with a star', () => {
    // Mondays of an odd day.
    expect(timesAfter('0 0 */2 * 1', 'UTC', '2026-11-21T00:00:00Z', 3)).toEqual([
      '2026-11-23 00:00',
      '2026-12-07 00:00',
      '2026-12-21 00:00',
    ]);
    // First days on a Sunday, Tuesday, Thursday or Saturday.
    expect(timesAfter('0 0 1 * */2', 'UTC', '2026-11-21T00:00:00Z', 2)).toEqual(['2026-12-01 00:00', '2027-04-01 00:00']);
  });

  test('a time zone is that of its days, too', () => {
    expect(timesAfter('0 7 * * 1', 'Asia/Tokyo', '2026-11-21T00:00:00Z', 2)).toEqual(['2026-11-22 22:00', '2026-11-29 22:00']);
  });
});

describe('in Berlin, when clocks go from 02:00 to 03:00,', () => {
  const after = (cron: string, count: number): string[] => timesAfter(cron, 'Europe/Berlin', '2026-03-28T22:59:00Z', count);

  test('what falls into the gap is due right after it', () => {
    expect(after('30 2 * * *', 2)).toEqual(['2026-03-29 01:00', '2026-03-30 00:30']);
  });

  test('several times in the gap are one', () => {
    expect(after('*/10 2 * * *', 2)).toEqual(['2026-03-29 01:00', '2026-03-30 00:00']);
    expect(after('0,30 1-3 * * *', 5)).toEqual(
      ['2026-03-29 00:00', '2026-03-29 00:30', '2026-03-29 01:00', '2026-03-29 01:30', '2026-03-30 23:00'].with(4, '2026-03-29 23:00'),
    );
  });

  test('every hour is every hour', () => {
    expect(after('0 * * * *', 4)).toEqual(['2026-03-28 23:00', '2026-03-29 00:00', '2026-03-29 01:00', '2026-03-29 02:00']);
  });
});

describe('in Berlin, when clocks go from 03:00 to 02:00,', () => {
  const after = (cron: string, count: number): string[] => timesAfter(cron, 'Europe/Berlin', '2026-10-24T21:59:00Z', count);

  test('a time that comes twice is due once', () => {
    expect(after('30 2 * * *', 2)).toEqual(['2026-10-25 00:30', '2026-10-26 01:30']);
    expect(after('*/30 2 * * *', 3)).toEqual(['2026-10-25 00:00', '2026-10-25 00:30', '2026-10-26 01:00']);
    expect(after('0 */2 * * *', 4)).toEqual(['2026-10-24 22:00', '2026-10-25 00:00', '2026-10-25 03:00', '2026-10-25 05:00']);
  });

  test('every hour is every hour', () => {
    expect(after('30 * * * *', 5)).toEqual([
      '2026-10-24 22:30',
      '2026-10-24 23:30',
      '2026-10-25 00:30',
      '2026-10-25 01:30',
      '2026-10-25 02:30',
    ]);
  });
});

describe('the last time until now', () => {
  const patterns = ['*/25 * * * *', '30 2 * * *', '*/30 2 * * *', '0 */2 * * *', '0,59 1-3 * * *', '0 0 1 * 1'];
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'];
  const cases = patterns.flatMap((cron) => zones.map((timezone) => ({ cron, timezone })));

  /** Both changes of a year, in both halves of the world. */
  const days = ['2026-03-28', '2026-10-24', '2026-03-07', '2026-10-31', '2026-04-03', '2026-10-02'];

  test.each(cases)('$cron $timezone is the one before the next, whenever clocks change', (when) => {
    for (const day of days) {
      let at = times.after(when, Date.parse(`${day}T00:00:00Z`));
      const end = Date.parse(`${day}T00:00:00Z`) + 2 * 86_400_000;
      while (at !== undefined && at < end) {
        const next: number = times.after(when, at) ?? Infinity;
        expect(next).toBeGreaterThan(at);
        const between = [at, at + 999, next - 1];
        expect(between.map((ms) => times.until(when, ms))).toEqual(between.map(() => at));
        at = next;
      }
    }
  });

  test('can be as old as four years', () => {
    expect(times.until({ cron: '0 0 29 2 *', timezone: 'UTC' }, Date.parse('2027-11-21T00:00:00Z'))).toBe(
      Date.parse('2024-02-29T00:00:00Z'),
    );
  });
});

test('whatever app.yaml takes has a next time', () => {
  const minutes = ['*', '*/59', '0', '1-59/7,3'];
  const hours = ['*', '*/23', '23', '0-23/5'];
  const days = ['*', '*/31', '31', '29-30', '1-31/15'];
  const months = ['*', '*/12', 'feb', '2,4', '1-12/6'];
  const weekdays = ['*', '*/7', 'sun', '5-7', 'mon-fri/2', '0-7/3'];
  let taken = 0;
  for (const minute of minutes)
    for (const hour of hours)
      for (const day of days)
        for (const month of months)
          for (const weekday of weekdays) {
            const parsed = parseCron(`${minute} ${hour} ${day} ${month} ${weekday}`);
            if (!('value' in parsed)) continue;
            taken += 1;
            expect(times.after({ cron: parsed.value, timezone: 'UTC' }, Date.parse('2026-11-21T00:00:00Z'))).toBeGreaterThan(0);
          }
  expect(taken).toBeGreaterThan(2_000);
});

describe('another program', () => {
  const patterns = [
    ...['*/25 * * * *', '30 2 * * *', '*/30 2 * * *', '0 */2 * * *', '0,59 1-3 * * *', '15 * * * sun', '0 0 1 * 1', '0 0 */2 * 1'],
    ...['0 0 29 2 *', '59 23 31 */2 *', '7 * 13 * 5', '* 2 * * *', '0 0 * * *', '45 23 28-31 * mon-fri'],
  ];
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Africa/Cairo', 'America/Havana'];

  /** As croner is to be told to follow the rules of ours. */
  function cronerOf(cron: string, timezone: string): Cron {
    const [fields, words] = [readCronFields(cron), cron.split(' ')];
    if (!fields) throw new Error(cron);
    const { minutes, hours, daysOfMonth, months, daysOfWeek, everyHour, anyDayOfMonth, anyDayOfWeek } = fields;
    const time = everyHour ? words.slice(0, 2) : [minutes, hours];
    return new Cron([...time, daysOfMonth, months, daysOfWeek].map(String).join(' '), {
      ...{ mode: '5-part', fixedTimeRule: 'no-wildcard', timezone, domAndDow: anyDayOfMonth || anyDayOfWeek },
    });
  }

  test.each(patterns.flatMap((cron) => zones.map((timezone) => [cron, timezone] as const)))(
    'finds the same times for %s in %s',
    (cron, timezone) => {
      const other = cronerOf(cron, timezone);
      for (const from of ['2026-03-28', '2026-10-24', '2026-03-07', '2026-10-31', '2026-04-03', '2026-10-02', '2026-04-23', '2026-12-31']) {
        let at = Date.parse(`${from}T00:00:00Z`);
        for (let count = 0; count < 30 && at < Date.parse(`${from}T00:00:00Z`) + 3 * 86_400_000; count++) {
          const next = times.after({ cron, timezone }, at) ?? 0;
          expect([new Date(next).toISOString(), `after ${at}`]).toEqual([other.nextRun(new Date(at))?.toISOString(), `after ${at}`]);
          at = next;
        }
      }
    },
  );
});
