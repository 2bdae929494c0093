import { DatabaseSync } from 'node:sqlite';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { ScheduleSpec } from '../../../src/config/app-manifest.ts';
import { createSchedules, type Schedules } from '../../../src/daemon/schedule-keeper.ts';
import { createScheduleRows, type ScheduleRows, scheduleTables } from '../../../src/daemon/schedule-rows.ts';
import type { ScheduledTenant } from '../../../src/daemon/schedule-runs.ts';
import { wrapDatabase } from '../../../src/daemon/state-database.ts';
import { createWaiters } from '../../../src/daemon/waiters.ts';
import { createRecordingLog } from './recording-log.ts';

export const start = Date.parse('2026-11-21T06:59:30Z');
export const seven = Date.parse('2026-11-21T07:00:00Z');

export function scheduleSpec(changes: Partial<ScheduleSpec> = {}): ScheduleSpec {
  return {
    ...{ name: 'digest', cron: '0 7 * * *', path: '/jobs/digest', timeoutMs: 300_000 },
    ...{ overlap: 'skip', missed: 'skip', timezone: 'UTC' },
    ...changes,
  };
}

/** A clock on the wall that can be set, and one that nobody sets; timers go by the second. */
export function createFakeClock(wallMs: number) {
  let steadyMs = 5_000;
  let offsetMs = wallMs - steadyMs;
  const timers = new Set<{ atMs: number; callback: () => void }>();

  return {
    wallMs: () => steadyMs + offsetMs,
    steadyMs: () => steadyMs,
    random: () => 0.5,
    setTimer(callback: () => void, delayMs: number) {
      const timer = { atMs: steadyMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    timers: () => timers.size,
    forgetTimers: () => timers.clear(),
    set(ms: number) {
      offsetMs = ms - steadyMs;
    },
    /** Time goes by, and with it whatever is to be done meanwhile. */
    async advance(ms: number) {
      const endMs = steadyMs + ms;
      for (;;) {
        await settled();
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (!next) break;
        timers.delete(next);
        steadyMs = Math.max(steadyMs, next.atMs);
        next.callback();
      }
      steadyMs = endMs;
      await settled();
    },
  };
}

/** What promises that are settled lead to has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

interface Asked {
  app: AppName;
  runId: string;
  schedule: string;
  path: string;
  timeoutMs: number;
}

/** A tenant whose host is a stand-in: it keeps what it was asked, and tells of no end by itself. */
export function createFakeTenant() {
  const asked: Asked[] = [];
  const state = { pid: 4_711, alive: true, configured: true, awake: 0, woken: 0, ready: (): Promise<void> => Promise.resolve() };
  const known = new Set<string>();
  const refusals: Error[] = [];
  const waiters = createWaiters();
  const tenant: ScheduledTenant = {
    keepAwake() {
      state.awake += 1;
      state.woken += 1;
      const { promise, resolve } = Promise.withResolvers<void>();
      resolve(state.ready());
      let held = true;
      return {
        ready: promise,
        release() {
          if (held) state.awake -= 1;
          held = false;
        },
      };
    },
    isConfigured: () => state.configured,
    waiters,
    host: {
      isAlive: () => state.alive,
      pid: () => (state.alive ? state.pid : 0),
      request(_method, params) {
        const refusal = refusals.shift();
        if (refusal) return Promise.reject(refusal);
        // A host knows what it was asked for.
        const { runId } = params as Asked;
        if (!known.has(`${state.pid} ${runId}`)) asked.push(params as Asked);
        known.add(`${state.pid} ${runId}`);
        return Promise.resolve(null);
      },
    },
  };
  return { tenant, asked, state, refusals, waiters };
}

interface Life {
  stepsLeft: number;
}

function createLife(): Life {
  return { stepsLeft: Infinity };
}

/** What a daemon does, until it is killed: the step that kills it is done, and nobody hears of it. */
function mortal<Parts extends object>(parts: Parts, life: Life): Parts {
  return new Proxy(parts, {
    get(target, name) {
      const part: unknown = Reflect.get(target, name);
      if (typeof part !== 'function') return part;
      return (...args: unknown[]): unknown => {
        if (life.stepsLeft <= 0) throw new Error('killed');
        life.stepsLeft -= 1;
        const result: unknown = Reflect.apply(part, target, args);
        if (life.stepsLeft > 0) return result;
        throw new Error('killed');
      };
    },
  });
}

export type FakeTenant = ReturnType<typeof createFakeTenant>;
export type FakeApps = Record<string, { schedules: ScheduleSpec[]; enabled?: boolean }>;

/** A daemon's schedules over a store, tenants and a clock that all outlive it. */
export function createScheduleWorld(wallMs: number = start) {
  const database = new DatabaseSync(':memory:');
  database.exec(scheduleTables);
  const rows: ScheduleRows = createScheduleRows(wrapDatabase(database));
  const clock = createFakeClock(wallMs);
  const tenants = new Map<string, FakeTenant>();
  const apps = new Map<string, FakeApps>();
  const { log, entries } = createRecordingLog();
  let life = createLife();
  let schedules = create();

  function create(): Schedules {
    return createSchedules({
      ...{ rows: mortal(rows, life), log, clock },
      findTenant(name) {
        const tenant = tenants.get(name)?.tenant;
        return tenant && { ...mortal(tenant, life), host: mortal(tenant.host, life) };
      },
      appsOf(name) {
        const known = apps.get(name);
        if (!known) return undefined;
        return new Map(
          Object.entries(known).map(([app, { schedules: specs, enabled = true }]) => [app as AppName, { schedules: specs, enabled }]),
        );
      },
    });
  }

  const world = {
    ...{ rows, clock, entries, tenants },
    schedules: () => schedules,
    tenantOf(name: string): FakeTenant {
      const known = tenants.get(name) ?? createFakeTenant();
      tenants.set(name, known);
      return known;
    },
    /** What the daemon finds wanted of a tenant from now on. */
    want(name: string, wanted: FakeApps | undefined) {
      if (wanted) {
        apps.set(name, wanted);
        world.tenantOf(name);
      } else {
        apps.delete(name);
        tenants.delete(name);
      }
      schedules.sync(name as TenantName);
    },
    start() {
      for (const name of apps.keys()) schedules.sync(name as TenantName);
      schedules.start();
    },
    /** As SIGKILL does it, at once or in the middle of the nth thing that the daemon does from now on: from there it does nothing more. */
    kill(step?: number) {
      life.stepsLeft = step ?? 0;
      if (step === undefined) clock.forgetTimers();
    },
    /** What is to be stored in this way can't be, until the answer is called. */
    fillDisk(way: 'claim' | 'end') {
      const before = { ...rows };
      rows[way] = () => {
        throw new Error('database or disk is full');
      };
      return () => Object.assign(rows, before);
    },
    isKilled: () => life.stepsLeft <= 0,
    /** The next daemon over the same store; `isEarly`: it begins before it knows what is wanted of its tenants. */
    restart(isEarly = false) {
      life.stepsLeft = 0;
      schedules.close();
      life = createLife();
      schedules = create();
      if (isEarly) schedules.start();
      else world.start();
    },
    /** The newest first: `done`, `running` and the like. */
    outcomes: (tenant = 'acme', app = 'site', name?: string) =>
      rows.history(tenant as TenantName, app as AppName, name, 1_000).map(({ outcome }) => outcome),
    /** The tenant's host says how the run that it was asked for ended. */
    tell(tenant: string, result: { outcome: 'done' | 'failed' | 'timeout'; status?: number; detail?: string }, index = -1) {
      const run = world.tenantOf(tenant).asked.at(index);
      if (!run) throw new Error(`${tenant} was asked for nothing`);
      return schedules.ended(tenant as TenantName, { app: run.app, runId: run.runId, durationMs: 12, ...result });
    },
  };
  return world;
}
