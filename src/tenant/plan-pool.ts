import type { WorkerId } from '../base/ids.ts';
import { freshWorkers, isReady, isStale, type Pool, type PoolWorker } from './pool.ts';

export type PoolStep =
  | { step: 'start-worker' }
  | { step: 'stop-worker'; workerId: WorkerId; reason: string }
  /** It was to listen by now: a failure, and it is stopped. */
  | { step: 'give-up'; workerId: WorkerId }
  /** Plan again then, if nothing happens before. */
  | { step: 'wait'; untilMs: number };

/**
 * What to do now for the pool to become what its spec asks for.
 *
 * Invariants: a ready worker is stopped only when enough others are ready in its place, or the app is to stop; no more
 * than twice the asked number of workers live at a time (the daemon refuses more); nothing is started before its time.
 */
export function planPool(pool: Pool, nowMs: number): PoolStep[] {
  if (!isWanted(pool)) return living(pool).map((worker) => stop(worker, 'the app is to stop'));
  return [...planGivingUp(pool, nowMs), ...planStarts(pool, nowMs), ...planStops(pool)];
}

export function isWanted({ spec }: Pool): boolean {
  return spec.desired === 'running' && spec.kind !== 'static' && spec.workers > 0;
}

function planGivingUp(pool: Pool, nowMs: number): PoolStep[] {
  return freshWorkers(pool)
    .filter((worker) => worker.phase === 'starting')
    .map((worker) => {
      const untilMs = worker.startedAtMs + pool.spec.startTimeoutMs;
      return untilMs <= nowMs ? { step: 'give-up', workerId: worker.id } : { step: 'wait', untilMs };
    });
}

function planStarts(pool: Pool, nowMs: number): PoolStep[] {
  const { spec, asked, workers, nextTryAtMs } = pool;
  const missing = spec.workers - freshWorkers(pool).length - asked;
  const room = 2 * spec.workers - workers.length - asked;
  const count = Math.min(missing, room);
  if (count <= 0) return [];
  if (nowMs < nextTryAtMs) return [{ step: 'wait', untilMs: nextTryAtMs }];
  return Array.from({ length: count }, () => ({ step: 'start-worker' }));
}

function planStops(pool: Pool): PoolStep[] {
  const { spec } = pool;
  const fresh = freshWorkers(pool);
  const stale = living(pool).filter((worker) => isStale(pool, worker));
  const replaced = fresh.filter(isReady).length >= spec.workers;
  // Where the number went down too, what is over it must go first, or there would be no room for new ones.
  const kept = replaced ? 0 : spec.workers;
  return [
    ...stale.filter((worker) => !isReady(worker)).map((worker) => stop(worker, 'a newer one is started')),
    ...stale
      .filter(isReady)
      .slice(kept)
      .map((worker) => stop(worker, worker.unhealthy ? 'it failed its health check' : 'a newer one is ready')),
    ...readyFirst(fresh)
      .slice(spec.workers)
      .map((worker) => stop(worker, 'the app has more workers than it asks for')),
  ];
}

function living(pool: Pool): PoolWorker[] {
  return pool.workers.filter((worker) => worker.phase !== 'stopping');
}

function readyFirst(workers: PoolWorker[]): PoolWorker[] {
  return workers.toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)) || a.startedAtMs - b.startedAtMs);
}

function stop(worker: PoolWorker, reason: string): PoolStep {
  return { step: 'stop-worker', workerId: worker.id, reason };
}
