import { describe, expect, test } from 'vitest';
import { renderHistory, renderRun, renderSchedules } from '../../../src/cli/schedule-text.ts';
import type { ScheduleInfo, ScheduleRun } from '../../../src/protocol/schedule-calls.ts';

const nowMs = Date.UTC(2026, 10, 21, 12);
const layout = { width: 80, paint: (_: unknown, text: string) => text, nowMs };
const run = (changes: Partial<ScheduleRun> = {}): ScheduleRun => ({
  ...{ schedule: 'digest', dueAt: '2026-11-21T07:00:00.000Z', cause: 'time', outcome: 'done' },
  ...{ startedAt: '2026-11-21T07:00:00.000Z', status: 200, durationMs: 123 },
  ...changes,
});
const schedule = (changes: Partial<ScheduleInfo> = {}): ScheduleInfo => ({
  ...{ tenant: 'acme', app: 'site', name: 'digest', cron: '0 7 * * *', timezone: 'UTC', path: '/jobs/digest', timeoutMs: 300_000 },
  ...{ overlap: 'skip', missed: 'skip', open: [], next: '2026-11-22T07:00:00.000Z' },
  ...changes,
});
const tooWide = (text: string): string[] => text.split('\n').filter((line) => line.length > 80);

describe('the list of schedules', () => {
  test('says when each is next, and how it went', () => {
    const schedules = [
      schedule({ last: run() }),
      schedule({
        name: 'sweep',
        cron: '*/5 8-18 * * mon-fri',
        timezone: 'Europe/Berlin',
        open: [run({ outcome: 'running' })],
        last: run(),
      }),
      schedule({ app: 'api', name: 'poll' }),
    ];
    const { next: _next, ...stopped } = schedule({ tenant: 'globex' });
    expect(renderSchedules([...schedules, stopped], layout)).toBe(
      [
        '  SCHEDULE  NEXT        LAST          OUTCOME  WHEN',
        'acme/site',
        '  digest    in 19 h 0 min  5 h 0 min ago  done     0 7 * * *',
        '  sweep     in 19 h 0 min  5 h 0 min ago  running',
        '    */5 8-18 * * mon-fri, Europe/Berlin',
        'acme/api',
        '  poll      in 19 h 0 min                          0 7 * * *',
        'globex/site',
        '  digest    stopped                                0 7 * * *',
        '',
      ]
        .join('\n')
        .replace('NEXT        LAST          OUTCOME', 'NEXT           LAST           OUTCOME'),
    );
  });

  test('fits into 80 columns with the longest names and times', () => {
    const [name, cron] = ['a'.repeat(32), `${Array.from({ length: 60 }, (_, index) => index).join(',')} * * * *`];
    const text = renderSchedules([schedule({ tenant: name, app: name, name, cron, timezone: 'America/North_Dakota/New_Salem' })], layout);
    expect(tooWide(text).filter((line) => line.trim() !== cron.split(' ')[0])).toEqual([]);
  });

  test('says so where there are none', () => {
    expect(renderSchedules([], layout)).toBe('There are no schedules: `schedule` in an app.yaml makes them.\n');
  });
});

describe('history', () => {
  test('has a line for each run, and why it failed', () => {
    const runs = [
      run({ outcome: 'running', cause: 'manual', dueAt: '2026-11-21T11:59:59.500Z' }),
      run({ outcome: 'failed', status: 500, durationMs: 4_321, detail: 'answered 500' }),
      run({ outcome: 'timeout', cause: 'missed', durationMs: 300_000, detail: 'no answer within 5 min' }),
    ].map(({ status, durationMs, ...rest }, index) => ({
      ...rest,
      ...(index === 1 && status !== undefined && { status }),
      ...(index > 0 && durationMs !== undefined && { durationMs }),
    }));
    expect(renderHistory({ tenant: 'acme', app: 'site' }, runs, layout)).toBe(
      [
        'SCHEDULE  DUE (UTC)            BECAUSE  OUTCOME  TOOK   ANSWER',
        'digest    2026-11-21 11:59:59  by hand  running',
        'digest    2026-11-21 07:00:00  time     failed   4.3 s  500',
        '  answered 500',
        'digest    2026-11-21 07:00:00  missed   timeout  5 min',
        '  no answer within 5 min',
        '',
      ].join('\n'),
    );
  });

  test('fits into 80 columns, and shows nothing that a terminal would obey', () => {
    const text = renderHistory(
      { tenant: 'acme', app: 'site' },
      [run({ schedule: 'a'.repeat(32), outcome: 'timeout', detail: `\u001b]0;x\u0007${'word '.repeat(50)}`, durationMs: 86_400_000 })],
      layout,
    );
    expect(tooWide(text)).toEqual([]);
    expect(text).not.toContain('\u001b');
  });

  test('says so where there is none', () => {
    expect(renderHistory({ tenant: 'acme', app: 'site', name: 'digest' }, [], layout)).toBe('acme/site digest: nothing has run yet\n');
  });
});

test.each([
  [run(), 'acme/site digest: done in 123 ms, answered 200\n'],
  [run({ outcome: 'failed', status: 500, detail: 'answered 500', durationMs: 1_250 }), 'acme/site digest: failed in 1.3 s, answered 500\n'],
  [
    run({ outcome: 'skipped', detail: 'the run before it had not ended' }),
    'acme/site digest: skipped in 123 ms, the run before it had not ended\n',
  ],
])('one run: %o', (one, text) => {
  expect(renderRun({ tenant: 'acme', app: 'site' }, one, layout)).toBe(text);
});
