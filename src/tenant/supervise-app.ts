import { messageOf } from '../base/errors.ts';
import type { WorkerId } from '../base/ids.ts';
import type { AppSpec, WorkerInfo } from '../protocol/host.ts';
import { createAppLoad, type EdgeLoad } from './app-load.ts';
import type { AppLogs } from './app-logs.ts';
import type { Daemon } from './daemon.ts';
import { describeExit, formatDuration, type WorkerExit } from './exit-reason.ts';
import { planPool, type PoolStep } from './plan-pool.ts';
import { createPool, type Failure, freshWorkers, isReady, type Pool, withAnswered, withAsked, withEnding, withFailure } from './pool.ts';
import { withHealthyTime, withIll, withLoad, withoutWorker, withReady, withRun, withSpec, withWorker } from './pool.ts';
import { reportPool } from './report-pool.ts';
import { placeOfRun, type RunPlace } from './run-place.ts';
import { createStateTeller } from './tell-state.ts';
import { createWorkerCalls } from './worker-calls.ts';
import { type Illness, type WatchedWorker, watchWorker, type WorkerEvents, type WorkerPaths } from './watch-worker.ts';

export interface SupervisorOptions {
  daemon: Daemon;
  /** The daemon has said over the present connection what there is: only then may it be asked for anything. */
  mayAct: () => boolean;
  logs: AppLogs;
  pathsOf: (info: WorkerInfo) => WorkerPaths;
  /** Workers came, became ready or went. */
  onChange: () => void;
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
  /** Those that the daemon was asked for until now, if the worker may be one of them. */
  startsAnswered(id: WorkerId): Promise<void>;
  workerExited(id: WorkerId, exit: WorkerExit): void;
  hearLoad(load: EdgeLoad): void;
  /** Where a schedule can be run now. */
  placeOfRun(): RunPlace;
  /** A run in the worker begins, or has ended. */
  countRun(id: WorkerId, count: 1 | -1): void;
  isEmpty(): boolean;
  close(): void;
}

export function superviseApp(initial: AppSpec, options: SupervisorOptions): AppSupervisor {
  const { daemon, logs, nowMs } = options;
  const watched = new Map<WorkerId, WatchedWorker>();
  const starts = new Set<Promise<void>>();
  const load = createAppLoad(nowMs);
  const calls = createWorkerCalls(daemon);
  const state = createStateTeller(daemon, initial.app);
  let pool: Pool = createPool(initial);
  let timer: NodeJS.Timeout | undefined;

  function become(next: Pool): void {
    pool = next;
    evaluate();
  }

  function evaluate(): void {
    clearTimeout(timer);
    options.onChange();
    if (!options.mayAct()) return;
    const ready = freshWorkers(pool).filter(isReady);
    pool = withHealthyTime(withLoad(pool, load.sample(ready.map(({ id }) => id)), nowMs()), nowMs());
    const steps = planPool(pool, nowMs());
    for (const step of steps) carryOut(step);
    if (steps.some(({ step }) => step === 'give-up')) return evaluate();
    const waits = steps.flatMap((step) => (step.step === 'wait' ? [step.untilMs] : []));
    if (waits.length > 0) timer = setTimeout(evaluate, Math.max(1, Math.min(...waits) - nowMs()));
    if (pool.spec.kind !== 'static') state.tell(reportPool(pool, nowMs()));
  }

  function carryOut(step: PoolStep): void {
    switch (step.step) {
      case 'start-worker':
        return begin();
      case 'stop-worker':
        return stop(step.workerId, step.reason, step.hung);
      case 'retire-worker':
        return retire(step.workerId);
      case 'give-up':
        return giveUp(step.workerId);
      case 'wait':
        return undefined;
    }
  }

  function begin(): void {
    const start = startOne().finally(() => starts.delete(start));
    starts.add(start);
  }

  async function startOne(): Promise<void> {
    pool = withAsked(pool);
    const answer = await calls.start(pool.spec.app);
    pool = withAnswered(pool);
    if (answer && 'refusal' in answer) pool = withFailure(pool, answer.refusal, nowMs());
    if (answer && 'info' in answer) adopt(answer.info);
    if (answer) evaluate();
  }

  function stop(id: WorkerId, reason: string, hung?: true): void {
    pool = withEnding(pool, id, 'stop');
    calls.stop(id, reason, hung);
  }

  function retire(id: WorkerId): void {
    pool = withEnding(pool, id, 'retire');
    calls.unlist(id);
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
    const { app } = pool.spec;
    const watch = tryWatch(info, {
      onPrinted: (line) => logs.print(app, id, line),
      onNote: (message) => note(id, message),
      onReady() {
        if (pool.workers.find((one) => one.id === id)?.phase !== 'starting') return;
        daemon.tell('worker-ready', { workerId: id });
        become(withReady(pool, id, nowMs()));
      },
      onIll: (illness, reason) => fallIll(id, illness, reason),
      onLoad: (told) => load.hearWorker(id, told),
    });
    if (watch) watched.set(id, watch);
  }

  function fallIll(id: WorkerId, illness: Illness, reason: string): void {
    // One that ends closes its listener on the way.
    if (pool.workers.find((one) => one.id === id)?.phase === 'stopping') return;
    note(id, reason);
    become(withIll(pool, id, illness, failureOf('TENANTD_E_APP_FAILED', reason, id), nowMs()));
  }

  function tryWatch(info: WorkerInfo, events: WorkerEvents): WatchedWorker | undefined {
    try {
      return watchWorker(info, pool.spec, options.pathsOf(info), events);
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
    load.forget(id);
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
      else if (phase === 'retired') retire(id);
      else if (phase === 'ready' && !info.ready) daemon.tell('worker-ready', { workerId: id });
    }
  }

  return {
    spec: () => pool.spec,
    configure(spec, living, reconnected) {
      pool = withSpec(pool, spec);
      for (const info of living) adopt(info);
      if (reconnected) {
        state.forget();
        reconcile(living);
      }
      evaluate();
    },
    knows: (id) => pool.workers.some((worker) => worker.id === id),
    startsAnswered: async (id) => {
      if (id.startsWith(`${initial.app}.`)) await Promise.all(starts);
    },
    workerExited,
    hearLoad(told) {
      load.hearEdge(told);
      evaluate();
    },
    placeOfRun: () => placeOfRun(pool, (id) => watched.get(id)?.socket, nowMs()),
    countRun: (id, count) => become(withRun(pool, id, count)),
    isEmpty: () => pool.workers.length + pool.asked === 0,
    close() {
      clearTimeout(timer);
      for (const watch of watched.values()) watch.close();
    },
  };
}
