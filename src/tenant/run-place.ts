import type { WorkerId } from '../base/ids.ts';
import { isWanted } from './plan-pool.ts';
import { freshWorkers, isReady, type Pool } from './pool.ts';
import { reportPool } from './report-pool.ts';

/** Where a run of a schedule can take place now. */
export type RunPlace =
  | { at: 'worker'; id: WorkerId; socket: string }
  /** No worker is ready yet. */
  | { at: 'later' }
  | { at: 'nowhere'; reason: string };

/** Where the fewest runs go on already. `socketOf`: undefined for a worker that is not watched. */
export function placeOfRun(pool: Pool, socketOf: (id: WorkerId) => string | undefined, nowMs: number): RunPlace {
  if (!isWanted(pool)) return { at: 'nowhere', reason: 'the app is not to run' };
  const byRuns = freshWorkers(pool)
    .filter(isReady)
    .toSorted((a, b) => a.runs - b.runs);
  for (const { id } of byRuns) {
    const socket = socketOf(id);
    if (socket !== undefined) return { at: 'worker', id, socket };
  }
  const { state, reason } = reportPool(pool, nowMs);
  return state === 'quarantined' ? { at: 'nowhere', reason: `the app is quarantined: it ${reason}` } : { at: 'later' };
}
