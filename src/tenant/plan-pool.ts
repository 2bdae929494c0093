import type { WorkerId } from '../base/ids.ts';
import { lookAtScaleMs } from './plan-scale.ts';
import { boundsOf, forgetAtMs, freshWorkers, isReady, type Pool, type PoolWorker } from './pool.ts';

export type PoolStep =
  | { step: 'start-worker' }
  | { step: 'stop-worker'; workerId: WorkerId; reason: string; hung?: true }
  /** It is to end, but a run goes on in it: no new requests until then. */
  | { step: 'retire-worker'; workerId: WorkerId }
  /** It was to listen by now: a failure, and it is stopped. */
  | { step: 'give-up'; workerId: WorkerId }
  /** Plan again then, if nothing happens before. */
  | { step: 'wait'; untilMs: number };

/**
 * What to do now for the pool to become what its spec and its load ask for.
 *
 * Invariants: a ready worker is stopped only when enough others are ready in its place, or the app is to stop; no more
 * than twice the asked number of workers, and one for runs of schedules, live at a time (the daemon refuses more); nothing is started
 * before its time; a worker with a run in it is stopped only when it is hung or the app is to stop.
 */
export function planPool(pool: Pool, nowMs: number): PoolStep[] {
  if (!isWanted(pool)) return living(pool).map((worker) => stop(worker, 'the app is to stop'));
  return [...planGivingUp(pool, nowMs), ...planStarts(pool, nowMs), ...planStops(pool), ...planLooks(pool, nowMs)];
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
  const { asked, workers, attempts } = pool;
  const fresh = freshWorkers(pool);
  // After a quarantine one worker is tried, however many there should be.
  const wanted = attempts.isQuarantined && !fresh.some(isReady) ? 1 : pool.scale.target;
  const heldByRuns = Math.min(1, workers.filter(({ phase }) => phase === 'retired').length);
  const room = 2 * pool.scale.target + heldByRuns - workers.length - asked;
  const count = Math.min(wanted - fresh.length - asked, room);
  if (count <= 0) return [];
  if (nowMs < attempts.nextTryAtMs) return [{ step: 'wait', untilMs: attempts.nextTryAtMs }];
  return Array.from({ length: count }, () => ({ step: 'start-worker' }));
}

function planStops(pool: Pool): PoolStep[] {
  const { target } = pool.scale;
  const fresh = freshWorkers(pool);
  const all = living(pool);
  const older = all.filter(({ generation }) => generation !== pool.spec.generation);
  const unhealthy = all.filter(({ phase }) => phase === 'unhealthy');
  const isReplaced = fresh.filter(isReady).length >= target;
  return [
    ...all.filter(({ phase }) => phase === 'hung').map((worker) => ({ ...stop(worker, 'its event loop is blocked'), hung: true as const })),
    ...all.filter(({ phase }) => phase === 'deaf').map((worker) => end(worker, 'it does not listen any more')),
    ...all.filter(({ phase, runs }) => phase === 'retired' && runs === 0).map((worker) => stop(worker, 'its last run has ended')),
    ...older.filter(({ phase }) => phase === 'starting').map((worker) => end(worker, 'a newer one is started')),
    // Where the number went down too, what is over it must go first, or there would be no room for new ones.
    ...older
      .filter(isReady)
      .slice(isReplaced ? 0 : target)
      .map((worker) => end(worker, 'a newer one is ready')),
    // It gets no more requests as soon as there is another one for them.
    ...unhealthy.slice(all.some(isReady) ? 0 : target).map((worker) => end(worker, 'it failed its health check')),
    ...inOrderOfWorth(fresh)
      .slice(target)
      .map((worker) => end(worker, 'the app has more workers than it asks for')),
  ];
}

function planLooks(pool: Pool, nowMs: number): PoolStep[] {
  const times = [forgetAtMs(pool), lookAtScaleMs(pool.scale, boundsOf(pool.spec), nowMs)];
  return times.flatMap((untilMs) => (untilMs === undefined ? [] : [{ step: 'wait', untilMs }]));
}

function living(pool: Pool): PoolWorker[] {
  return pool.workers.filter((worker) => worker.phase !== 'stopping');
}

function inOrderOfWorth(workers: PoolWorker[]): PoolWorker[] {
  return workers.toSorted(
    (a, b) => Number(isReady(b)) - Number(isReady(a)) || Number(b.runs > 0) - Number(a.runs > 0) || a.startedAtMs - b.startedAtMs,
  );
}

function end(worker: PoolWorker, reason: string): PoolStep {
  return worker.runs > 0 ? { step: 'retire-worker', workerId: worker.id } : stop(worker, reason);
}

function stop(worker: PoolWorker, reason: string): Extract<PoolStep, { step: 'stop-worker' }> {
  return { step: 'stop-worker', workerId: worker.id, reason };
}
