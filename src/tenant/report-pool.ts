import type { hostEvents } from '../protocol/host.ts';
import { isWanted } from './plan-pool.ts';
import { freshWorkers, isServing, type Pool, type PoolWorker } from './pool.ts';

/** The message `app-state`, without the app's name. */
export type AppReport = Omit<(typeof hostEvents)['app-state']['_output'], 'app'>;

export function reportPool(pool: Pool, nowMs: number): AppReport {
  const { restarts, failure, attempts, spec } = pool;
  const told = { state: stateOf(pool), generation: spec.generation, restarts };
  if (!failure || told.state === 'stopped') return told;
  const { code, reason, lastLines } = failure;
  const serving = pool.workers.filter(isServing);
  return {
    ...told,
    ...{ code, reason: describe(reason, serving, pool), lastLines, failures: attempts.failures },
    ...(attempts.nextTryAtMs > nowMs && { nextTryAtMs: attempts.nextTryAtMs }),
  };
}

/** The first that holds. */
function stateOf(pool: Pool): AppReport['state'] {
  if (!isWanted(pool)) return 'stopped';
  if (pool.workers.some(isServing)) return 'running';
  if (pool.asked + freshWorkers(pool).length > 0) return 'starting';
  if (pool.attempts.isQuarantined) return 'quarantined';
  return pool.failure ? 'failed' : 'starting';
}

function describe(reason: string, serving: PoolWorker[], { spec }: Pool): string {
  if (serving.length === 0) return reason;
  const onlyOlder = serving.every((worker) => worker.generation !== spec.generation);
  return onlyOlder ? `the new version ${reason}; the one before it goes on serving` : `a worker ${reason}`;
}
