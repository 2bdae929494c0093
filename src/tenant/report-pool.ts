import type { hostEvents } from '../protocol/host.ts';
import { isWanted } from './plan-pool.ts';
import { freshWorkers, isReady, type Pool, type PoolWorker } from './pool.ts';

/** The message `app-state`, without the app's name. */
export type AppReport = Omit<(typeof hostEvents)['app-state']['_output'], 'app'>;

export function reportPool(pool: Pool, nowMs: number): AppReport {
  const { restarts, failure } = pool;
  if (!isWanted(pool)) return { state: 'stopped', restarts };
  const ready = pool.workers.filter(isReady);
  const isStarting = pool.asked + freshWorkers(pool).length > 0;
  const state = ready.length > 0 ? 'running' : failure && !isStarting ? 'failed' : 'starting';
  if (!failure) return { state, restarts };
  const { code, reason, lastLines } = failure;
  const told = { state, restarts, code, reason: describe(reason, ready, pool), lastLines } as const;
  return pool.nextTryAtMs > nowMs ? { ...told, nextTryAtMs: pool.nextTryAtMs } : told;
}

function describe(reason: string, ready: PoolWorker[], { spec }: Pool): string {
  if (ready.length === 0) return reason;
  const onlyOlder = ready.every((worker) => worker.generation !== spec.generation);
  return onlyOlder ? `the new version ${reason}; the one before it goes on serving` : `a worker ${reason}`;
}
