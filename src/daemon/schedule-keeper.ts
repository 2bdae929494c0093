import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { ScheduleInfo, ScheduleStatus } from '../protocol/schedule-calls.ts';
import { type BookedSchedule, createScheduleBook, type SchedulingApp, timingOf } from './schedule-book.ts';
import { isBusy, judgeSchedule, type OpenCount, spreadMs, type Verdict } from './schedule-plan.ts';
import type { Claim, RunRow, ScheduleRef, ScheduleRows } from './schedule-rows.ts';
import { createScheduleRuns, type ScheduleClock, type ScheduledTenant, type ScheduleEnded } from './schedule-runs.ts';
import { toScheduleInfo, toScheduleStatus } from './schedule-words.ts';

export interface SchedulesParts {
  rows: ScheduleRows;
  log: Log;
  findTenant: (name: TenantName) => ScheduledTenant | undefined;
  /** Undefined when the tenant is gone, or nothing is known of it yet. */
  appsOf: (name: TenantName) => ReadonlyMap<AppName, SchedulingApp> | undefined;
  onEnd?: (ref: ScheduleRef, row: RunRow) => void;
  clock?: ScheduleClock & { random: () => number; setTimer: (callback: () => void, delayMs: number) => () => void };
}

/**
 * Asks apps at the times of their schedules, with one timer for all of them.
 *
 * Invariants:
 * - A time is claimed in the store, under itself, before anything is done about it: it is due once, whatever is killed, deployed or set back.
 * - One look does so much at most, and the next one the rest.
 */
export interface Schedules {
  /** Of a tenant that was moved on as far as it goes. */
  sync(tenant: TenantName): void;
  /** From now on what is due begins; after all that lives was taken up. */
  start(): void;
  /** Answers when it was stored. */
  ended(tenant: TenantName, event: ScheduleEnded): null;
  /** Now, whatever its time; resolves with how it ended. */
  runNow(ref: ScheduleRef): { row: RunRow; ended: Promise<RunRow> };
  problems(tenant: TenantName): Problem[];
  statusOf(tenant: TenantName, app: AppName): ScheduleStatus[];
  list(tenant: TenantName, app?: AppName): ScheduleInfo[];
  close(): void;
}

/** A clock that is set, or a machine that slept, is noticed by then. */
const longestPauseMs = 30_000;
const mostClaimsAtOnce = 200;
const syncPauseMs = 100;

const realClock: NonNullable<SchedulesParts['clock']> = {
  wallMs: Date.now,
  steadyMs: () => performance.now(),
  random: Math.random,
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

type Due = { schedule: BookedSchedule; verdict: Extract<Verdict, { do: 'run' | 'pass' }> };

export function createSchedules({ rows, log, findTenant, appsOf, onEnd, clock = realClock }: SchedulesParts): Schedules {
  const book = createScheduleBook({ rows, nowMs: clock.wallMs });
  const runs = createScheduleRuns({
    rows,
    log,
    clock,
    findTenant,
    orderOf,
    onEnd(ref, row) {
      book.noteEnd(ref, row);
      onEnd?.(ref, row);
    },
    onChange: () => lookWithin(0),
  });
  let isStarted = false;
  /** The first time that is due; and when all are looked at, whatever time it is. */
  let nextDueMs = -Infinity;
  let scanAtMs = -Infinity;
  let lookAtMs = Infinity;
  let stopTimer = (): void => {};

  function orderOf(ref: ScheduleRef) {
    const schedule = book.get(ref);
    return schedule?.enabled ? schedule.spec : undefined;
  }

  function lookWithin(delayMs: number): void {
    if (!isStarted || lookAtMs <= clock.steadyMs() + delayMs) return;
    lookAtMs = clock.steadyMs() + delayMs;
    stopTimer();
    stopTimer = clock.setTimer(look, Math.max(0, Math.ceil(delayMs)));
  }

  function look(): void {
    lookAtMs = Infinity;
    if (clock.wallMs() >= nextDueMs || clock.steadyMs() >= scanAtMs) claimDue(clock.wallMs());
    const runsAtMs = runs.look();
    lookWithin(Math.min(nextDueMs - clock.wallMs(), scanAtMs - clock.steadyMs(), runsAtMs - clock.steadyMs()));
  }

  function claimDue(nowMs: number): void {
    const due: Due[] = [];
    nextDueMs = Infinity;
    scanAtMs = clock.steadyMs() + longestPauseMs;
    for (const schedule of book.all()) {
      if (!schedule.enabled) continue;
      const verdict = judgeSchedule(schedule, () => countOf(schedule), nowMs);
      if (verdict.do === 'start-over') book.handle(schedule, nowMs);
      if (verdict.do === 'run' || verdict.do === 'pass') due.push({ schedule, verdict });
      else nextDueMs = Math.min(nextDueMs, schedule.dueAtMs ?? Infinity);
    }
    if (!claim(due.slice(0, mostClaimsAtOnce), due.length, nowMs)) return;
    // The rest is due still.
    for (const { schedule } of due) nextDueMs = Math.min(nextDueMs, schedule.dueAtMs ?? Infinity);
  }

  function countOf(ref: ScheduleRef): OpenCount {
    const open = runs.of(ref);
    const running = open.filter(({ phase }) => phase === 'running').length;
    return { running, waiting: open.length - running };
  }

  /** What is not in the store does not run. */
  function claim(due: readonly Due[], dueAtOnce: number, nowMs: number): boolean {
    try {
      const claims = due.map((one) => toClaim(one, nowMs));
      const isNew = rows.claim(claims);
      for (const [index, { schedule, verdict }] of due.entries()) {
        book.handle(schedule, verdict.dueAtMs);
        const run = claims[index]?.run;
        if (verdict.do === 'run' && isNew[index] && run) runs.add(schedule, run, spreadMs(dueAtOnce, clock.random));
      }
      return true;
    } catch (error) {
      log.error({ schedules: due.length, error: messageOf(error) }, 'schedules are due, and can not be stored: they do not run');
      return false;
    }
  }

  function runNow(ref: ScheduleRef): { row: RunRow; ended: Promise<RunRow> } {
    const schedule = book.get(ref);
    if (!schedule) throw noSuchSchedule(ref);
    if (!schedule.enabled) throw stopped(ref);
    if (isBusy(schedule.spec, countOf(ref))) {
      const row = claimNow(schedule, { cause: 'manual', outcome: 'skipped', ...skipped(clock.wallMs()) });
      return { row, ended: Promise.resolve(row) };
    }
    const run = runs.add(ref, claimNow(schedule, { cause: 'manual', outcome: 'waiting' }), 0);
    runs.look();
    return { row: run.row, ended: run.ended.promise };
  }

  /** Under a time of its own: the one that it was asked for at, or the next that is free. */
  function claimNow(schedule: BookedSchedule, row: Omit<RunRow, 'dueAtMs'>): RunRow {
    for (let dueAtMs = clock.wallMs(); ; dueAtMs++) {
      const run = { ...row, dueAtMs };
      if (rows.claim([{ ...schedule, timing: timingOf(schedule.spec), run }])[0]) return run;
    }
  }

  return {
    sync(tenant) {
      try {
        book.set(tenant, appsOf(tenant));
        runs.check(tenant);
        nextDueMs = -Infinity;
        // Many tenants are moved on at the daemon's start.
        lookWithin(syncPauseMs);
      } catch (error) {
        log.error({ tenant, error: messageOf(error) }, 'the schedules of a tenant could not be read or stored');
      }
    },
    start() {
      isStarted = true;
      runs.takeUp();
      lookWithin(0);
    },
    ended(tenant, event) {
      runs.hear(tenant, event);
      return null;
    },
    runNow,
    problems: (tenant) => book.problems(tenant),
    statusOf: (tenant, app) => book.of(tenant, app).map(toScheduleStatus),
    list: (tenant, app) => book.of(tenant, app).map((schedule) => toScheduleInfo(schedule, runs.of(schedule))),
    close() {
      isStarted = false;
      stopTimer();
      runs.close();
    },
  };
}

function toClaim({ schedule, verdict }: Due, nowMs: number): Claim {
  const { tenant, app, name, spec } = schedule;
  const { dueAtMs } = verdict;
  const ref = { tenant, app, name, timing: timingOf(spec) };
  if (verdict.do === 'run') return { ...ref, run: { dueAtMs, cause: verdict.cause, outcome: 'waiting' } };
  const passed = verdict.outcome === 'skipped' ? skipped(nowMs) : { endedAtMs: nowMs };
  return { ...ref, run: { dueAtMs, cause: 'time', outcome: verdict.outcome, ...passed } };
}

function skipped(nowMs: number): { endedAtMs: number; detail: string } {
  return { endedAtMs: nowMs, detail: 'the run before it had not ended' };
}

function noSuchSchedule({ tenant, app, name }: ScheduleRef): TenantdError {
  const fix = `see tenantctl schedule list ${tenant}/${app}`;
  return new TenantdError('TENANTD_E_NO_SUCH_SCHEDULE', `${tenant}/${app} has no schedule ${name}`, fix);
}

function stopped({ tenant, app }: ScheduleRef): TenantdError {
  return new TenantdError('TENANTD_E_NO_SUCH_SCHEDULE', `${tenant}/${app} is stopped`, `tenantctl app start ${tenant}/${app}`);
}
