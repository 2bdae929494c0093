import type { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { ScheduleSpec } from '../config/app-manifest.ts';
import type { hostCalls } from '../protocol/host.ts';
import { type OpenRun, pickStarts } from './schedule-plan.ts';
import { isFailure, type RunEnd, type RunRow, type ScheduleRef, type ScheduleRows } from './schedule-rows.ts';
import type { Waiters } from './waiters.ts';

export type ScheduleEnded = z.infer<(typeof hostCalls)['schedule-ended']>;

/** What runs of schedules need of a tenant. */
export interface ScheduledTenant {
  keepAwake(app: AppName): { ready: Promise<unknown>; release: () => void };
  /** Its host knows what to run. */
  isConfigured(): boolean;
  readonly waiters: Pick<Waiters, 'until'>;
  readonly host: { isAlive(): boolean; pid(): number; request(method: string, params: unknown): Promise<unknown> };
}

/** What a run is to ask of its app. */
export type RunOrder = Pick<ScheduleSpec, 'path' | 'timeoutMs' | 'missed'>;

export interface Run extends ScheduleRef, OpenRun {
  row: RunRow;
  /** Of the host that was asked; 0 before that. */
  hostPid: number;
  /** The daemon before this one began it; whether its host was asked, the host knows. */
  isUnsure: boolean;
  /** How it ended, while that can't be stored. */
  untold?: Omit<RunEnd, 'endedAtMs'>;
  /** By the clock that nobody sets. After that nobody will tell how it ended. */
  deadlineMs: number;
  release: () => void;
  readonly ended: PromiseWithResolvers<RunRow>;
}

export interface ScheduleClock {
  /** Unix time; people, and programs, may set it. */
  wallMs: () => number;
  /** Nobody sets it. */
  steadyMs: () => number;
}

export interface ScheduleRunsParts {
  rows: ScheduleRows;
  log: Log;
  clock: ScheduleClock;
  findTenant: (name: TenantName) => ScheduledTenant | undefined;
  /** Undefined when the app has no such schedule now, or is stopped. */
  orderOf: (ref: ScheduleRef) => RunOrder | undefined;
  onEnd: (ref: ScheduleRef, row: RunRow) => void;
  /** Others may begin, or the time to look again is another. */
  onChange: () => void;
}

/**
 * Runs that wait or have begun.
 *
 * Invariants:
 * - A run is `running` in the store before its app is woken, and one host alone is asked for it: that host knows what it was asked for,
 *   and outlives the daemon. When it is gone the run is `lost`.
 * - What tells of a run's end is its host alone.
 */
export interface ScheduleRuns {
  /** Claimed: to begin `afterMs` from now, when there is room. */
  add(ref: ScheduleRef, row: RunRow, afterMs: number): Run;
  of(ref: ScheduleRef): readonly Run[];
  /** Those that were open when the daemon before this one ended; called when all that lives was taken up. */
  takeUp(): void;
  /** Begins what may begin, ends what nobody will tell of. Answers when to look again, by the steady clock. */
  look(): number;
  /** A tenant was moved on: its schedules are known, and its host may be another, or gone. */
  check(tenant: TenantName): void;
  /** Told by the tenant's host. */
  hear(tenant: TenantName, event: ScheduleEnded): void;
  close(): void;
}

/** A start may take ten minutes; a host that is busy tells late. */
const wakeLimitMs = 900_000;
const hostLimitMs = 60_000;
const tellLimitMs = 120_000;
const retryMs = 30_000;
/** What waited for longer is not what it was meant to be: as if tenantd had not been there. */
const mostWaitMs = 3_600_000;
const mostDetailCharacters = 300;

export function createScheduleRuns(parts: ScheduleRunsParts): ScheduleRuns {
  const { rows, log, clock, findTenant, orderOf, onEnd, onChange } = parts;
  /** In the order in which they came. */
  const open = new Map<string, Run>();
  const bySchedule = new Map<string, Run[]>();
  let closed = false;

  function add({ tenant, app, name }: ScheduleRef, row: RunRow, afterMs: number): Run {
    const phase = row.outcome === 'running' ? 'running' : 'waiting';
    const ended = Promise.withResolvers<RunRow>();
    // Not everybody who begins one waits for its end.
    ended.promise.catch(() => {});
    const times = { readyAtMs: clock.steadyMs() + afterMs, startedAtMs: clock.steadyMs(), deadlineMs: Infinity };
    const run: Run = { tenant, app, name, phase, row, ...times, hostPid: 0, isUnsure: false, release: () => {}, ended };
    open.set(keyOf(run, runIdOf(run)), run);
    bySchedule.set(keyOf(run, name), [...of(run), run]);
    return run;
  }

  function of(ref: ScheduleRef): readonly Run[] {
    return bySchedule.get(keyOf(ref, ref.name)) ?? [];
  }

  async function begin(run: Run): Promise<void> {
    const tenant = findTenant(run.tenant);
    const order = orderOf(run);
    const startedAtMs = clock.wallMs();
    if (!tenant || !order) return end(run, { outcome: 'skipped', detail: 'the app was stopped, or has no such schedule any more' });
    if (run.row.cause === 'time' && order.missed === 'skip' && startedAtMs - run.row.dueAtMs > mostWaitMs)
      return end(run, { outcome: 'missed', detail: 'others had to begin first for too long' });
    const { timeoutMs } = order;
    if (!rows.begin(run, run.row.dueAtMs, { startedAtMs, timeoutMs })) return forget(run);
    run.row = { ...run.row, outcome: 'running', startedAtMs, timeoutMs };
    run.phase = 'running';
    run.startedAtMs = clock.steadyMs();
    run.deadlineMs = run.startedAtMs + wakeLimitMs;
    log.info(fieldsOf(run), 'a schedule runs');
    await carryOut(run, tenant, order);
  }

  async function carryOut(run: Run, tenant: ScheduledTenant, order: RunOrder): Promise<void> {
    try {
      const awake = tenant.keepAwake(run.app);
      run.release = awake.release;
      await awake.ready;
      // A worker may serve before the host is there that asks it.
      await tenant.waiters.until(() => tenant.isConfigured() || undefined, "the tenant's host", hostLimitMs);
    } catch (error) {
      return end(run, { outcome: 'failed', detail: `the app did not start: ${messageOf(error)}` });
    }
    if (!isOpen(run)) return;
    run.hostPid = tenant.host.pid();
    run.deadlineMs = clock.steadyMs() + order.timeoutMs + tellLimitMs;
    onChange();
    await ask(run, tenant, order);
  }

  async function ask(run: Run, tenant: ScheduledTenant, { path, timeoutMs }: RunOrder): Promise<void> {
    const asked = { app: run.app, runId: runIdOf(run), schedule: run.name, path, timeoutMs };
    await tenant.host.request('run-schedule', asked).catch((error: unknown) => {
      // It may have begun all the same: then its host tells of its end.
      if (error instanceof TenantdError && unansweredCodes.has(error.code)) return;
      end(run, { outcome: 'failed', detail: `the tenant's host refused it: ${messageOf(error)}` });
    });
  }

  /** What can't be stored is tried again at each look, and by the next daemon: its host tells it once more. */
  function end(run: Run, result: Omit<RunEnd, 'endedAtMs'>): void {
    if (!isOpen(run)) return;
    try {
      settle(run, result);
    } catch (error) {
      log.error({ ...fieldsOf(run), error: messageOf(error) }, 'the end of a schedule could not be stored');
      run.untold = result;
      run.deadlineMs = clock.steadyMs() + retryMs;
      run.release();
    }
  }

  function settle(run: Run, { detail, ...result }: Omit<RunEnd, 'endedAtMs'>): void {
    const told = { ...result, endedAtMs: clock.wallMs(), ...(detail !== undefined && { detail: detail.slice(0, mostDetailCharacters) }) };
    rows.end(run, run.row.dueAtMs, told);
    run.row = { ...run.row, ...told };
    log[isFailure(told.outcome) ? 'warn' : 'info']({ ...fieldsOf(run), ...told }, 'a schedule ended');
    onEnd(run, run.row);
    forget(run);
  }

  function forget(run: Run): void {
    const others = of(run).filter((other) => other !== run);
    open.delete(keyOf(run, runIdOf(run)));
    if (others.length > 0) bySchedule.set(keyOf(run, run.name), others);
    else bySchedule.delete(keyOf(run, run.name));
    run.release();
    run.ended.resolve(run.row);
    onChange();
  }

  function isOpen(run: Run): boolean {
    return open.get(keyOf(run, runIdOf(run))) === run;
  }

  /** A host that is there still runs what it was asked for; one that is not will never tell. */
  function check(name: TenantName): void {
    const tenant = findTenant(name);
    const host = tenant?.host;
    for (const run of [...open.values()].filter((one) => one.tenant === name && one.untold === undefined)) {
      if (run.readyAtMs === Infinity) run.readyAtMs = clock.steadyMs();
      if (run.isUnsure) askOnceMore(run);
      if (run.hostPid !== 0 && !(host?.isAlive() && host.pid() === run.hostPid))
        end(run, { outcome: 'lost', detail: "the tenant's host ended meanwhile" });
    }
  }

  function askOnceMore(run: Run): void {
    const tenant = findTenant(run.tenant);
    const order = orderOf(run);
    if (!order || !tenant?.isConfigured()) return;
    run.isUnsure = false;
    void ask(run, tenant, order);
  }

  function takeUpRunning(run: Run): void {
    const tenant = findTenant(run.tenant);
    if (!tenant?.host.isAlive()) return end(run, { outcome: 'lost', detail: 'tenantd, or the machine, was stopped meanwhile' });
    const awake = tenant.keepAwake(run.app);
    awake.ready.catch(() => {}); // its host says how the run ended
    run.release = awake.release;
    run.hostPid = tenant.host.pid();
    run.deadlineMs = clock.steadyMs() + (run.row.timeoutMs ?? 0) + tellLimitMs;
    run.isUnsure = true;
    askOnceMore(run);
  }

  function beginAll(starts: readonly Run[]): void {
    for (const run of starts) {
      begin(run).catch((error: unknown) => {
        log.error({ ...fieldsOf(run), error: messageOf(error) }, 'a schedule could not be begun');
        run.readyAtMs = clock.steadyMs() + tellLimitMs;
      });
    }
  }

  // Those that wait do so until their tenant's schedules are known.
  for (const row of rows.open()) add(row, row, Infinity);

  return {
    add,
    of,
    takeUp() {
      for (const run of [...open.values()].filter(({ phase }) => phase === 'running')) takeUpRunning(run);
      for (const run of [...open.values()].filter(({ tenant }) => !findTenant(tenant))) run.readyAtMs = clock.steadyMs();
    },
    look() {
      if (closed) return Infinity;
      const nowMs = clock.steadyMs();
      for (const run of [...open.values()].filter(({ deadlineMs }) => deadlineMs <= nowMs))
        end(run, run.untold ?? { outcome: 'lost', detail: 'nothing was heard of it in time' });
      const { starts, lookAtMs = Infinity } = pickStarts(open.values(), nowMs);
      beginAll(starts);
      return [...open.values()].reduce((least, { deadlineMs }) => Math.min(least, deadlineMs), lookAtMs);
    },
    check,
    hear(tenant, { app, runId, outcome, status, durationMs, detail }) {
      const run = open.get(keyOf({ tenant, app }, runId));
      if (run?.phase !== 'running') return;
      const optional = { ...(status !== undefined && { status }), ...(detail !== undefined && { detail }) };
      end(run, { outcome, durationMs: Math.round(durationMs), ...optional });
    },
    close() {
      closed = true;
      for (const { ended } of open.values())
        ended.reject(new TenantdError('TENANTD_E_UNREACHABLE', 'tenantd ends; the run may go on', 'see tenantctl schedule history'));
    },
  };
}

const unansweredCodes = new Set(['TENANTD_E_TIMEOUT', 'TENANTD_E_UNREACHABLE']);

/** Names a run to its tenant's host, and is the same after a restart. */
function runIdOf({ app, name, row }: Pick<Run, 'app' | 'name' | 'row'>): string {
  return `${app}.${name}.${row.dueAtMs}`;
}

function keyOf({ tenant, app }: Pick<ScheduleRef, 'tenant' | 'app'>, what: string): string {
  return `${tenant}/${app}/${what}`;
}

function fieldsOf({ tenant, app, name, row }: Run) {
  return { tenant, app, schedule: name, due: new Date(row.dueAtMs).toISOString(), cause: row.cause };
}
