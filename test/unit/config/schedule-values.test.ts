import { describe, expect, test } from 'vitest';
import { appSchema } from '../../../src/config/app-schema.ts';
import { parseCron, parseTimezone, readCronFields } from '../../../src/config/schedule-values.ts';
import { checkSchema } from '../../../src/config/schema-problems.ts';
import type { Parsed } from '../../../src/config/values.ts';
import { parseYaml } from '../../../src/config/yaml-source.ts';

const valueOf = <T>(parsed: Parsed<T>): T | undefined => ('value' in parsed ? parsed.value : undefined);

describe('times of day', () => {
  test.each([
    '0 7 * * *',
    '*/5 * * * *',
    '0,30 8-18 1 1-6 0',
    '0-59/59 */23 1-31/2,5 */12 0-7/7',
    '0 0 29 2 *',
    '0 0 31 2 1',
    '0 0 30 1,2 *',
  ])('%s is one', (text) => {
    expect(valueOf(parseCron(text))).toBe(text);
  });

  test.each([
    ['  0   7 * *  * ', '0 7 * * *'],
    ['0 7 * JAN Mon-FRI', '0 7 * jan mon-fri'],
  ])('%j is written as %j', (text, written) => {
    expect(valueOf(parseCron(text))).toBe(written);
  });

  test.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * 32 * *',
    '* * * 0 *',
    '* * * 13 *',
    '* * * * 8',
    '*/0 * * * *',
    '*/60 * * * *',
    '5/10 * * * *',
    '10-5 * * * *',
    '1,,2 * * * *',
    '1- * * * *',
    '-1 * * * *',
    '1.5 * * * *',
    '٣ * * * *',
    '* * * * fri-mon',
    '* * * mon *',
    '* * * * jan',
    '* * * * monday',
    '* * L * *',
    '* * 15W * *',
    '* * * * 1#2',
    '? * * * *',
    '@daily',
    '@reboot',
    '0\t7 * * *',
    '0 7 * * *\n0 8 * * *',
    `${'1,'.repeat(100)}1 * * * *`,
  ])('%j is none', (text) => {
    expect(parseCron(text)).toMatchObject({ fault: { message: 'must be five fields as in crontab' } });
  });

  test.each(['0 0 30 2 *', '0 0 31 2,4,6,9,11 *', '0 0 31 4 */2'])('%s never comes', (text) => {
    expect(parseCron(text)).toMatchObject({ fault: { message: 'must be a time that comes' } });
  });

  test('stand for numbers; 7 is Sunday, and a range of names may end there', () => {
    expect(readCronFields('10-20/5 */12 * dec fri-sun')).toEqual({
      ...{ minutes: [10, 15, 20], hours: [0, 12], months: [12], daysOfWeek: [0, 5, 6] },
      daysOfMonth: Array.from({ length: 31 }, (_, index) => index + 1),
      ...{ everyHour: false, anyDayOfMonth: true, anyDayOfWeek: false },
    });
    expect(readCronFields('0 0 * * sun-tue')?.daysOfWeek).toEqual([0, 1, 2]);
    expect(readCronFields('0 0 * * 0-7')?.daysOfWeek).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('time zones', () => {
  test.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['europe/BERLIN', 'Europe/Berlin'],
    ['UTC', 'UTC'],
    ['Etc/UTC', 'UTC'],
    ['America/Argentina/Buenos_Aires', 'America/Buenos_Aires'],
    ['Etc/GMT+5', 'Etc/GMT+5'],
  ])('%s is %s', (text, name) => {
    expect(valueOf(parseTimezone(text))).toBe(name);
  });

  test.each(['', 'Berlin', '+01:00', 'Europe/Berlin ', 'Mars/Olympus', 'x'.repeat(100)])('%j is none', (text) => {
    expect(parseTimezone(text)).toMatchObject({ fault: { message: 'must be the name of a time zone' } });
  });
});

describe('schedules of an app.yaml', () => {
  const problemsOf = (schedule: unknown): string[] => {
    const { source } = parseYaml(JSON.stringify({ schedule }), 'app.yaml');
    if (!source) throw new Error('unreachable');
    return checkSchema(appSchema, source).problems.map(({ message }) => message);
  };
  const least = { name: 'digest', cron: '0 7 * * *', path: '/jobs/digest' };

  test('need a name, a time and a path; the rest is decided', () => {
    expect(appSchema.parse({ schedule: [least] }).schedule).toEqual([
      { ...least, timeout: 300_000, overlap: 'skip', missed: 'skip', timezone: 'UTC' },
    ]);
  });

  test('take everything else by choice', () => {
    const all = { ...least, timeout: '24h', overlap: 'allow', missed: 'run', timezone: 'Asia/Tokyo' };
    expect(appSchema.parse({ schedule: [all] }).schedule).toEqual([{ ...all, timeout: 86_400_000 }]);
  });

  test.each<[object, string]>([
    [{ name: 'Digest' }, '`schedule[0].name` must be a name of a-z, 0-9 and "-" that begins with a letter, not "Digest"'],
    [{ name: undefined }, '`schedule[0].name` is missing'],
    [{ cron: undefined }, '`schedule[0].cron` is missing'],
    [{ path: undefined }, '`schedule[0].path` is missing'],
    [{ path: 'jobs' }, '`schedule[0].path` must have a plain path, not "jobs"'],
    [{ path: '/a?b' }, '`schedule[0].path` must have a plain path, not "/a?b"'],
    [{ cron: 7 }, '`schedule[0].cron` must be text, not 7'],
    [{ timeout: '500ms' }, '`schedule[0].timeout` must be between 1s and 24h, not "500ms"'],
    [{ timeout: '25h' }, '`schedule[0].timeout` must be between 1s and 24h, not "25h"'],
    [{ timeout: 60 }, '`schedule[0].timeout` must be text, not 60'],
    [{ overlap: 'wait' }, '`schedule[0].overlap` must be one of skip, allow, not "wait"'],
    [{ missed: true }, '`schedule[0].missed` must be one of skip, run, not true'],
    [{ timezone: 'Berlin' }, '`schedule[0].timezone` must be the name of a time zone, not "Berlin"'],
    [{ tz: 'UTC' }, 'there is no key "tz" in `schedule[0]`'],
  ])('%j is refused', (change, message) => {
    expect(problemsOf([{ ...least, ...change }])).toEqual([message]);
  });

  test('have names of their own', () => {
    expect(problemsOf([least, { ...least, name: 'other' }, least])).toEqual([
      '`schedule[2].name` must have a name of its own, not "digest"',
    ]);
  });

  test('are sixteen at most', () => {
    const many = Array.from({ length: 17 }, (_, index) => ({ ...least, name: `s${index}` }));
    expect(problemsOf(many)).toEqual(['`schedule` must have at most 16 entries, not 17']);
    expect(problemsOf(many.slice(1))).toEqual([]);
  });
});
