import type { WorkerId } from '../base/ids.ts';
import type { AppSpec, WorkerInfo } from '../protocol/host.ts';
import { clampTarget, type LoadSample, planScale, type Scale, type ScaleBounds } from './plan-scale.ts';
import { afterFailure, type Attempts, healthyMs, noAttempts } from './restart-policy.ts';
import { type WorkerEvent, type WorkerPhase, workerPhases } from './worker-phases.ts';

export type FailureCode = 'TENANTD_E_APP_FAILED' | 'TENANTD_E_APP_NOT_LISTENING' | 'TENANTD_E_APP_MEMORY';

export interface Failure {
  code: FailureCode;
  /** Without its subject: "exited with code 1 after 80 ms". */
  reason: string;
  lastLines: string[];
}

export interface PoolWorker {
  id: WorkerId;
  generation: number;
  phase: WorkerPhase;
  startedAtMs: number;
  readyAtMs?: number;
  /** Runs of schedules that go on in it. */
  runs: number;
}

/** One app's workers and what went wrong with them: plain values, changed only by the functions below. */
export interface Pool {
  spec: AppSpec;
  workers: readonly PoolWorker[];
  /** Starts that the daemon was asked for and has not answered. */
  asked: number;
  /** The last failure, until all workers of the current generation are ready. */
  failure?: Failure;
  attempts: Attempts;
  /** How many workers there should be. */
  scale: Scale;
  /** Starts that make up for a failure: those to come, and those done since the host first saw the app. */
  owedRestarts: number;
  restarts: number;
}

export function createPool(spec: AppSpec): Pool {
  return { spec, workers: [], asked: 0, attempts: noAttempts, scale: { target: spec.workers }, owedRestarts: 0, restarts: 0 };
}

export function boundsOf({ workers, maxWorkers = workers }: AppSpec): ScaleBounds {
  return { least: workers, most: Math.max(workers, maxWorkers) };
}

/** Another generation, or a new wish to run, gets a first try at once, whatever happened before. */
export function withSpec(pool: Pool, spec: AppSpec): Pool {
  const { failure: _, ...rest } = pool;
  const hasNewWish = spec.desired !== pool.spec.desired;
  const target = hasNewWish ? spec.workers : clampTarget(pool.scale.target, boundsOf(spec));
  const scale = { ...pool.scale, target };
  const isAnother = hasNewWish || spec.generation !== pool.spec.generation;
  return isAnother ? { ...rest, spec, scale, attempts: noAttempts, owedRestarts: 0 } : { ...pool, spec, scale };
}

/** While the app is failing its load says nothing: it is that of the workers that are missing. */
export function withLoad(pool: Pool, sample: Omit<LoadSample, 'ready'>, nowMs: number): Pool {
  const ready = freshWorkers(pool).filter(isReady).length;
  const isTelling = pool.failure === undefined && ready > 0;
  return { ...pool, scale: planScale(pool.scale, isTelling ? { ...sample, ready } : undefined, boundsOf(pool.spec), nowMs) };
}

export function withAsked(pool: Pool): Pool {
  const owed = Math.min(pool.owedRestarts, 1);
  return { ...pool, asked: pool.asked + 1, owedRestarts: pool.owedRestarts - owed, restarts: pool.restarts + owed };
}

export function withAnswered(pool: Pool): Pool {
  return { ...pool, asked: Math.max(0, pool.asked - 1) };
}

export function withWorker(pool: Pool, info: WorkerInfo, nowMs: number): Pool {
  if (pool.workers.some((worker) => worker.id === info.workerId)) return pool;
  const { workerId: id, generation, startedAtMs } = info;
  const worker = { id, generation, startedAtMs, runs: 0 };
  return {
    ...pool,
    workers: [...pool.workers, info.ready ? { ...worker, phase: 'ready', readyAtMs: nowMs } : { ...worker, phase: 'starting' }],
  };
}

export function withReady(pool: Pool, id: WorkerId, nowMs: number): Pool {
  const next = change(pool, id, (worker) => (worker.phase === 'starting' ? { ...after(worker, 'is-ready'), readyAtMs: nowMs } : worker));
  const { failure: _, ...healed } = next;
  return isComplete(next) ? healed : next;
}

/** It is to end, and asked for no more; or, where a run goes on in it, it is to end after that. */
export function withEnding(pool: Pool, id: WorkerId, event: 'stop' | 'retire'): Pool {
  return change(pool, id, (worker) => after(worker, event));
}

export function withRun(pool: Pool, id: WorkerId, count: 1 | -1): Pool {
  return change(pool, id, (worker) => ({ ...worker, runs: Math.max(0, worker.runs + count) }));
}

/** It is gone. A failure, unless it was to end, was of an older generation, or its failing was counted when it fell ill. */
export function withoutWorker(pool: Pool, id: WorkerId, failure: Failure, nowMs: number): Pool {
  const gone = pool.workers.find((worker) => worker.id === id);
  const counts = gone && freshWorkers(pool).includes(gone);
  const next = { ...pool, workers: pool.workers.filter((worker) => worker.id !== id) };
  return counts ? withFailure(next, failure, nowMs, gone) : next;
}

/** It does not serve as it should. A failure, as above. */
export function withIll(pool: Pool, id: WorkerId, event: 'is-unhealthy' | 'is-deaf' | 'is-hung', failure: Failure, nowMs: number): Pool {
  const ill = pool.workers.find((worker) => worker.id === id);
  const next = change(pool, id, (worker) => after(worker, event));
  return ill && freshWorkers(pool).includes(ill) ? withFailure(next, failure, nowMs, ill) : next;
}

/** Workers that were there when another failed fail with it: together they count once. */
export function withFailure(pool: Pool, failure: Failure, nowMs: number, worker?: PoolWorker, random = Math.random): Pool {
  const { attempts } = pool;
  const next = { ...pool, failure, owedRestarts: pool.owedRestarts + 1 };
  const isSameWave = worker !== undefined && attempts.failures > 0 && worker.startedAtMs <= attempts.failedAtMs;
  if (isSameWave) return next;
  const wasHealthy = worker?.readyAtMs !== undefined && nowMs - worker.readyAtMs >= healthyMs;
  const othersServe = pool.workers.some(isServing);
  return { ...next, attempts: afterFailure(attempts, { nowMs, wasHealthy, othersServe }, random) };
}

/** When what went wrong is to be forgotten, if all goes on as it is. */
export function forgetAtMs(pool: Pool): number | undefined {
  if (pool.attempts.failures === 0 || !isComplete(pool)) return undefined;
  return Math.max(...freshWorkers(pool).map(({ readyAtMs = 0 }) => readyAtMs)) + healthyMs;
}

export function withHealthyTime(pool: Pool, nowMs: number): Pool {
  return nowMs >= (forgetAtMs(pool) ?? Infinity) ? { ...pool, attempts: noAttempts, owedRestarts: 0 } : pool;
}

/** Those that the spec asks for: of its generation, well, not to end. */
export function freshWorkers(pool: Pool): PoolWorker[] {
  return pool.workers.filter(({ phase, generation }) => generation === pool.spec.generation && (phase === 'starting' || phase === 'ready'));
}

export function isReady(worker: PoolWorker): boolean {
  return worker.phase === 'ready';
}

/** The edge sends it requests, and it answers at least some. */
export function isServing({ phase }: PoolWorker): boolean {
  return phase === 'ready' || phase === 'unhealthy';
}

function isComplete(pool: Pool): boolean {
  return freshWorkers(pool).filter(isReady).length >= pool.scale.target;
}

function after(worker: PoolWorker, event: WorkerEvent): PoolWorker {
  return { ...worker, phase: workerPhases[worker.phase][event] };
}

function change(pool: Pool, id: WorkerId, edit: (worker: PoolWorker) => PoolWorker): Pool {
  return { ...pool, workers: pool.workers.map((worker) => (worker.id === id ? edit(worker) : worker)) };
}
