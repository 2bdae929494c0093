import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import {
  isBusy,
  judgeSchedule,
  mostSetBackMs,
  type OpenRun,
  pickStarts,
  type PlannedSchedule,
  punctualMs,
  spreadMs,
  type Verdict,
} from '../../../src/daemon/schedule-plan.ts';
import { dueTimes as times } from '../../../src/daemon/schedule-times.ts';

const minute = 60_000;
const hour = 60 * minute;
const seven = Date.parse('2026-11-21T07:00:00Z');
const daily = { cron: '0 7 * * *', timezone: 'UTC', overlap: 'skip', missed: 'skip' } as const;
const none = { waiting: 0, running: 0 };

function judge(spec: PlannedSchedule['spec'], handledMs: number, nowMs: number, open = none): Verdict {
  return judgeSchedule({ spec, handledMs, dueAtMs: times.after(spec, handledMs) }, () => open, nowMs);
}

describe('a schedule', () => {
  const yesterday = seven - 24 * hour;

  test('waits for its time', () => {
    expect(judge(daily, yesterday, seven - 1)).toEqual({ do: 'wait' });
    expect(judge(daily, seven, seven + 1)).toEqual({ do: 'wait' });
  });

  test.each([0, 1, punctualMs])('runs at its time, %d ms later at most', (lateMs) => {
    expect(judge(daily, yesterday, seven + lateMs)).toEqual({ do: 'run', dueAtMs: seven, cause: 'time' });
  });

  test('that was missed is passed over, or runs once by choice', () => {
    const late = seven + punctualMs + 1;
    expect(judge(daily, yesterday, late)).toEqual({ do: 'pass', dueAtMs: seven, outcome: 'missed' });
    expect(judge({ ...daily, missed: 'run' }, yesterday, late)).toEqual({ do: 'run', dueAtMs: seven, cause: 'missed' });
  });

  test('that was missed a hundred times counts once, under its last time', () => {
    const now = seven + 100 * 24 * hour + hour;
    const last = seven + 100 * 24 * hour;
    expect(judge(daily, yesterday, now)).toEqual({ do: 'pass', dueAtMs: last, outcome: 'missed' });
    expect(judge({ ...daily, missed: 'run' }, yesterday, now)).toEqual({ do: 'run', dueAtMs: last, cause: 'missed' });
    expect(judge(daily, last, now)).toEqual({ do: 'wait' });
  });

  test('of every minute is in time again at once', () => {
    const now = seven + 10 * hour + 30_000;
    expect(judge({ ...daily, cron: '* * * * *' }, seven, now)).toEqual({ do: 'run', dueAtMs: now - 30_000, cause: 'time' });
  });

  test('whose times never come waits', () => {
    const spec = { ...daily, cron: '0 0 31 12 *' };
    expect(judgeSchedule({ spec, handledMs: seven, dueAtMs: undefined }, () => none, seven + 1e12)).toEqual({ do: 'wait' });
  });

  test.each<[number, number, 'skip' | 'allow', 'run' | 'pass']>([
    [0, 1, 'skip', 'pass'],
    [1, 0, 'skip', 'pass'],
    [0, 1, 'allow', 'run'],
    [0, 3, 'allow', 'run'],
    [1, 0, 'allow', 'pass'],
    [1, 2, 'allow', 'pass'],
  ])('with %d waiting and %d running, overlap: %s: %s', (waiting, running, overlap, expected) => {
    const verdict = judge({ ...daily, overlap }, yesterday, seven, { waiting, running });
    expect(verdict).toEqual(
      expected === 'run' ? { do: 'run', dueAtMs: seven, cause: 'time' } : { do: 'pass', dueAtMs: seven, outcome: 'skipped' },
    );
    expect(isBusy({ overlap }, { waiting, running })).toBe(expected === 'pass');
  });

  test('that is missed is missed, whether one runs or not', () => {
    expect(judge(daily, yesterday, seven + hour, { waiting: 0, running: 1 })).toMatchObject({ outcome: 'missed' });
    expect(judge({ ...daily, missed: 'run' }, yesterday, seven + hour, { waiting: 0, running: 1 })).toMatchObject({ outcome: 'skipped' });
  });
});

describe('a clock that is set', () => {
  test('back a little runs into times that were handled, and nothing is due twice', () => {
    expect(judge(daily, seven, seven - 30 * minute)).toEqual({ do: 'wait' });
    expect(judge(daily, seven, seven)).toEqual({ do: 'wait' });
    expect(judge({ ...daily, cron: '* * * * *' }, seven, seven - mostSetBackMs)).toEqual({ do: 'wait' });
  });

  test('back by hours was wrong before: schedules do not wait for it', () => {
    expect(judge(daily, seven, seven - mostSetBackMs - 1)).toEqual({ do: 'start-over' });
  });

  test('forward by years has missed times, which count once', () => {
    const now = seven + 4 * 365 * 24 * hour + 2 * hour;
    expect(judge(daily, seven, now)).toMatchObject({ do: 'pass', outcome: 'missed' });
  });

  /** Every walk of a clock, step by step, as the daemon goes along: what is due, and how often. */
  test.each<[string, number[]]>([
    ['forth', [minute]],
    ['forth with jumps', [minute, 2 * hour, minute, 26 * hour]],
    ['forth and back', [20 * minute, -10 * minute]],
    ['back more than forth', [20 * minute, -21 * minute]],
    ['to and fro over days', [3 * hour, -2 * hour, 40 * hour, -hour]],
    ['slowly', [1_000, 7_777, -500]],
  ])('%s: no time is due twice, none is due before it comes, and none that comes is left out', (_name, steps) => {
    for (const cron of ['*/10 * * * *', '0 7 * * *', '30 * * * *']) {
      const spec = { ...daily, cron };
      let [nowMs, handledMs] = [seven - 90 * minute, seven - 90 * minute];
      const dues: number[] = [];
      for (let index = 0; index < 400; index++) {
        nowMs += steps[index % steps.length] ?? 0;
        const verdict = judge(spec, handledMs, nowMs);
        if (verdict.do !== 'run' && verdict.do !== 'pass') continue;
        expect(verdict.dueAtMs).toBeLessThanOrEqual(nowMs);
        expect(verdict.dueAtMs).toBe(times.until(spec, nowMs));
        dues.push(verdict.dueAtMs);
        handledMs = verdict.dueAtMs;
      }
      expect(new Set(dues).size).toBe(dues.length);
      expect(dues).toEqual(dues.toSorted((a, b) => a - b));
    }
  });
});

describe('starts', () => {
  const now = 1_000_000;
  const run = (tenant: string, changes: Partial<OpenRun> = {}): OpenRun => ({
    ...{ tenant: tenant as TenantName, phase: 'waiting', readyAtMs: 0, startedAtMs: 0 },
    ...changes,
  });
  const running = (tenant: string, startedAtMs: number): OpenRun => run(tenant, { phase: 'running', startedAtMs });
  const tenants = Array.from({ length: 1_000 }, (_, index) => `t${index}`);

  test('of nothing are none', () => {
    expect(pickStarts([], now)).toEqual({ starts: [], lookAtMs: undefined });
  });

  test('of a thousand tenants at once are eight, in order', () => {
    const open = tenants.map((tenant) => run(tenant));
    expect(pickStarts(open, now)).toEqual({ starts: open.slice(0, 8), lookAtMs: now + 30_000 });
  });

  test('go on when one ended', () => {
    const open = [...tenants.slice(0, 7).map((tenant) => running(tenant, now - 5_000)), run('a'), run('b')];
    expect(pickStarts(open, now)).toEqual({ starts: [open[7]], lookAtMs: now + 25_000 });
  });

  test('do not wait for what runs for long', () => {
    const open = [...tenants.slice(0, 100).map((tenant) => running(tenant, now - 30_000)), run('a')];
    expect(pickStarts(open, now).starts).toEqual([open[100]]);
  });

  test('of one tenant are four; the others come first', () => {
    const open = [...Array.from({ length: 6 }, () => run('greedy')), run('other')];
    expect(pickStarts(open, now)).toEqual({ starts: [...open.slice(0, 4), open[6]], lookAtMs: undefined });
    const long = Array.from({ length: 4 }, () => running('greedy', 0));
    expect(pickStarts([...long, ...open], now).starts).toEqual([open[6]]);
  });

  test('come when they are ready', () => {
    const open = [run('a', { readyAtMs: now + 1 }), run('b', { readyAtMs: now }), run('c', { readyAtMs: Infinity })];
    expect(pickStarts(open, now)).toEqual({ starts: [open[1]], lookAtMs: now + 1 });
  });

  test('of one or a few are spread over nothing, of thousands over a minute', () => {
    expect([1, 2, 11, 601, 10_000].map((count) => spreadMs(count, () => 0.999999))).toEqual([0, 99, 999, 59_999, 59_999]);
    expect(spreadMs(1_000, () => 0)).toBe(0);
  });
});
