import { messageOf, TenantdError } from '../base/errors.ts';
import type { WorkerId } from '../base/ids.ts';
import type { AppSpec, WorkerInfo } from '../protocol/host.ts';
import type { AppLogs } from './app-logs.ts';
import type { Daemon } from './daemon.ts';
import { describeExit, formatDuration, type WorkerExit } from './exit-reason.ts';
import { planPool, type PoolStep } from './plan-pool.ts';
import { createPool, type Failure, type Pool, withAnswered, withAsked, withFailure, withoutWorker, withReady } from './pool.ts';
import { withSpec, withStopping, withUnhealthy, withWorker } from './pool.ts';
import { reportPool } from './report-pool.ts';
import { unhealthyAfter, type WatchedWorker, watchWorker, type WorkerEvents, type WorkerPaths } from './watch-worker.ts';

export interface SupervisorOptions {
  daemon: Daemon;
  /** The daemon has said over the present connection what there is: only then may it be asked for anything. */
  mayAct: () => boolean;
  logs: AppLogs;
  pathsOf: (info: WorkerInfo) => WorkerPaths;
  /** Unix time. */
  nowMs: () => number;
}

/**
 * Keeps one app's workers as its spec asks. All decisions are in `planPool`; here they are carried out, and what
 * happens becomes the next pool. It holds no process: when the daemon or the host is away, workers go on.
 */
export interface AppSupervisor {
  spec(): AppSpec;
  /** `living`: this app's workers as the daemon knows them. `reconnected`: it knows nothing of what was told before. */
  configure(spec: AppSpec, living: WorkerInfo[], reconnected: boolean): void;
  knows(id: WorkerId): boolean;
  workerExited(id: WorkerId, exit: WorkerExit): void;
  isEmpty(): boolean;
  close(): void;
}

export function superviseApp(initial: AppSpec, options: SupervisorOptions): AppSupervisor {
  const { daemon, logs, nowMs } = options;
  const watched = new Map<WorkerId, WatchedWorker>();
  let pool: Pool = createPool(initial);
  let lastReport = '';
  let timer: NodeJS.Timeout | undefined;

  function become(next: Pool): void {
    pool = next;
    evaluate();
  }

  function evaluate(): void {
    clearTimeout(timer);
    if (!options.mayAct()) return;
    const steps = planPool(pool, nowMs());
    for (const step of steps) carryOut(step);
    if (steps.some(({ step }) => step === 'give-up')) return evaluate();
    const waits = steps.flatMap((step) => (step.step === 'wait' ? [step.untilMs] : []));
    if (waits.length > 0) timer = setTimeout(evaluate, Math.max(1, Math.min(...waits) - nowMs()));
    report();
  }

  function carryOut(step: PoolStep): void {
    switch (step.step) {
      case 'start-worker':
        return start();
      case 'stop-worker':
        return stop(step.workerId, step.reason);
      case 'give-up':
        return giveUp(step.workerId);
      case 'wait':
        return undefined;
    }
  }

  function start(): void {
    pool = withAsked(pool);
    daemon.request('start-worker', { app: pool.spec.app }).then(
      (info) => {
        pool = withAnswered(pool);
        adopt(info as WorkerInfo);
        evaluate();
      },
      (error: unknown) => {
        pool = withAnswered(pool);
        // When the daemon is back, it says first what lives.
        if (!isUnreachable(error)) become(withFailure(pool, refusalOf(error), nowMs()));
      },
    );
  }

  function stop(id: WorkerId, reason: string): void {
    pool = withStopping(pool, id);
    daemon.request('stop-worker', { workerId: id, reason: reason.slice(0, 500) }).catch((error: unknown) => {
      // Asked again when the daemon is back; and one that it does not know has ended.
      if (!isUnreachable(error)) daemon.tell('log', { level: 'warn', message: `stop-worker ${id}: ${messageOf(error)}` });
    });
  }

  function giveUp(id: WorkerId): void {
    const worker = pool.workers.find((one) => one.id === id);
    const reason = `${watched.get(id)?.whyNotReady() ?? 'did not listen'} within ${formatDuration(pool.spec.startTimeoutMs)}`;
    pool = withFailure(pool, failureOf('TENANTD_E_APP_NOT_LISTENING', reason, id), nowMs(), worker);
    note(id, reason);
    stop(id, reason);
  }

  function failureOf(code: Failure['code'], reason: string, id: WorkerId): Failure {
    return { code, reason, lastLines: watched.get(id)?.lastLines() ?? [] };
  }

  /** A line of ours among those of the app. */
  function note(id: WorkerId, message: string): void {
    logs.print(pool.spec.app, id, `[tenantd] ${message}`);
  }

  function adopt(info: WorkerInfo): void {
    if (watched.has(info.workerId)) return;
    const id = info.workerId;
    pool = withWorker(pool, info, nowMs());
    const { app, health } = pool.spec;
    const watch = tryWatch(info, {
      onPrinted: (line) => logs.print(app, id, line),
      onNote: (message) => note(id, message),
      onReady() {
        if (pool.workers.find((one) => one.id === id)?.phase !== 'starting') return;
        daemon.tell('worker-ready', { workerId: id });
        become(withReady(pool, id, nowMs()));
      },
      onUnhealthy() {
        const reason = `did not answer its health check ${health?.path} ${unhealthyAfter} times in a row`;
        note(id, reason);
        become(withUnhealthy(pool, id, failureOf('TENANTD_E_APP_FAILED', reason, id), nowMs()));
      },
    });
    if (watch) watched.set(id, watch);
  }

  function tryWatch(info: WorkerInfo, events: WorkerEvents): WatchedWorker | undefined {
    try {
      return watchWorker(info, pool.spec.health, options.pathsOf(info), events);
    } catch (error) {
      // Tried again at the next `configure`; until then it is a worker that does not become ready.
      daemon.tell('log', { level: 'error', message: `the pipes of ${info.workerId} can not be read: ${messageOf(error)}` });
      return undefined;
    }
  }

  function workerExited(id: WorkerId, exit: WorkerExit): void {
    const worker = pool.workers.find((one) => one.id === id);
    if (!worker) return;
    watched.get(id)?.finish();
    const failure = describeExit(exit, nowMs() - worker.startedAtMs, worker.readyAtMs !== undefined, watched.get(id)?.lastLines() ?? []);
    watched.delete(id);
    if (worker.phase !== 'stopping') note(id, failure.reason);
    pool = withoutWorker(pool, id, failure, nowMs());
    setImmediate(evaluate); // After the daemon has had its answer, so that it has forgotten this one when it is asked for another.
  }

  function reconcile(living: WorkerInfo[]): void {
    const listed = new Map(living.map((info) => [info.workerId, info]));
    for (const { id, phase } of pool.workers) {
      const info = listed.get(id);
      if (!info) workerExited(id, { exitCode: null, outOfMemory: false, detail: 'it ended while the daemon was away' });
      else if (phase === 'stopping') stop(id, 'asked for before the daemon was away');
      else if (phase === 'ready' && !info.ready) daemon.tell('worker-ready', { workerId: id });
    }
  }

  function report(): void {
    if (pool.spec.kind === 'static') return;
    const state = reportPool(pool, nowMs());
    if (state.reason !== undefined) state.reason = state.reason.replaceAll(/\s+/g, ' ').slice(0, 1_000);
    const text = JSON.stringify(state);
    if (text === lastReport) return;
    lastReport = text;
    daemon.tell('app-state', { app: pool.spec.app, ...state });
  }

  return {
    spec: () => pool.spec,
    configure(spec, living, reconnected) {
      pool = withSpec(pool, spec);
      for (const info of living) adopt(info);
      if (reconnected) {
        lastReport = '';
        reconcile(living);
      }
      evaluate();
    },
    knows: (id) => pool.workers.some((worker) => worker.id === id),
    workerExited,
    isEmpty: () => pool.workers.length + pool.asked === 0,
    close() {
      clearTimeout(timer);
      for (const watch of watched.values()) watch.close();
    },
  };
}

function refusalOf(error: unknown): Failure {
  return { code: 'TENANTD_E_APP_FAILED', reason: `could not be started: ${messageOf(error)}`, lastLines: [] };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof TenantdError && error.code === 'TENANTD_E_UNREACHABLE';
}
