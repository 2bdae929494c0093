import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';
import type { WorkerId } from '../base/ids.ts';
import type { AppSpec, WorkerInfo } from '../protocol/host.ts';

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
  /** `stopping`: the daemon was asked to end it; from then on nothing it does is a failure. */
  phase: 'starting' | 'ready' | 'stopping';
  startedAtMs: number;
  readyAtMs?: number;
  /** It stopped to answer its health path: it serves on until another is ready in its place. */
  unhealthy: boolean;
}

/** One app's workers and what went wrong with them: plain values, changed only by the functions below. */
export interface Pool {
  spec: AppSpec;
  workers: readonly PoolWorker[];
  /** Starts that the daemon was asked for and has not answered. */
  asked: number;
  /** The last failure, until all workers of the current generation are ready. */
  failure?: Failure;
  /** Failures in a row. */
  failures: number;
  failedAtMs: number;
  nextTryAtMs: number;
  /** Starts that make up for a failure: those to come, and those done since the host first saw the app. */
  owedRestarts: number;
  restarts: number;
}

const backoff: BackoffPolicy = { firstMs: 500, maxMs: 60_000, healthyMs: 60_000 };

export function createPool(spec: AppSpec): Pool {
  return { spec, workers: [], asked: 0, failures: 0, failedAtMs: 0, nextTryAtMs: 0, owedRestarts: 0, restarts: 0 };
}

/** Another generation, or a new wish to run, gets a first try at once, whatever happened before. */
export function withSpec(pool: Pool, spec: AppSpec): Pool {
  const { failure: _, ...rest } = pool;
  const isAnother = spec.generation !== pool.spec.generation || spec.desired !== pool.spec.desired;
  return isAnother ? { ...rest, spec, failures: 0, nextTryAtMs: 0, owedRestarts: 0 } : { ...pool, spec };
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
  const worker = { id, generation, startedAtMs, unhealthy: false };
  return {
    ...pool,
    workers: [...pool.workers, info.ready ? { ...worker, phase: 'ready', readyAtMs: nowMs } : { ...worker, phase: 'starting' }],
  };
}

export function withReady(pool: Pool, id: WorkerId, nowMs: number): Pool {
  const next = change(pool, id, (worker) => (worker.phase === 'starting' ? { ...worker, phase: 'ready', readyAtMs: nowMs } : worker));
  const { failure: _, ...healed } = next;
  return freshWorkers(next).filter(isReady).length >= next.spec.workers ? healed : next;
}

export function withStopping(pool: Pool, id: WorkerId): Pool {
  return change(pool, id, (worker) => ({ ...worker, phase: 'stopping' }));
}

/** It is gone. A failure, unless it was to end, was of an older generation, or its failing was counted when it fell ill. */
export function withoutWorker(pool: Pool, id: WorkerId, failure: Failure, nowMs: number): Pool {
  const gone = pool.workers.find((worker) => worker.id === id);
  const counts = gone && freshWorkers(pool).includes(gone);
  const next = { ...pool, workers: pool.workers.filter((worker) => worker.id !== id) };
  return counts ? withFailure(next, failure, nowMs, gone) : next;
}

export function withUnhealthy(pool: Pool, id: WorkerId, failure: Failure, nowMs: number): Pool {
  const ill = freshWorkers(pool).find((worker) => worker.id === id);
  if (!ill) return pool;
  return withFailure(
    change(pool, id, (worker) => ({ ...worker, unhealthy: true })),
    failure,
    nowMs,
    ill,
  );
}

/**
 * The next try comes at once after a first failure, later and later after those that follow. Workers that were there
 * when another failed fail with it: together they count once.
 */
export function withFailure(pool: Pool, failure: Failure, nowMs: number, worker?: PoolWorker): Pool {
  const owedRestarts = pool.owedRestarts + 1;
  const sameWave = worker !== undefined && pool.failures > 0 && worker.startedAtMs <= pool.failedAtMs;
  if (sameWave) return { ...pool, failure, owedRestarts };
  const wasHealthy = worker?.readyAtMs !== undefined && nowMs - worker.readyAtMs >= backoff.healthyMs;
  const failures = (wasHealthy ? 0 : pool.failures) + 1;
  return { ...pool, failure, failures, failedAtMs: nowMs, nextTryAtMs: nowMs + backoffDelayMs(backoff, failures - 1), owedRestarts };
}

/** Those that the spec asks for: of its generation, healthy, not to end. */
export function freshWorkers(pool: Pool): PoolWorker[] {
  return pool.workers.filter((worker) => worker.phase !== 'stopping' && !isStale(pool, worker));
}

export function isStale(pool: Pool, worker: PoolWorker): boolean {
  return worker.generation !== pool.spec.generation || worker.unhealthy;
}

export function isReady(worker: PoolWorker): boolean {
  return worker.phase === 'ready';
}

function change(pool: Pool, id: WorkerId, edit: (worker: PoolWorker) => PoolWorker): Pool {
  return { ...pool, workers: pool.workers.map((worker) => (worker.id === id ? edit(worker) : worker)) };
}
