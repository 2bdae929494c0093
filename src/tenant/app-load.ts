import type { WorkerId } from '../base/ids.ts';
import type { LoadSample } from './plan-scale.ts';
import type { LoopLoad } from './watch-worker.ts';

export interface EdgeLoad {
  open: number;
  waiting: number;
}

/** What was told last of an app's load: by the edge, and by its workers' event loops. */
export interface AppLoad {
  hearEdge(load: EdgeLoad): void;
  hearWorker(id: WorkerId, load: LoopLoad): void;
  forget(id: WorkerId): void;
  sample(readyWorkers: readonly WorkerId[]): Omit<LoadSample, 'ready'>;
}

/** The edge tells once a second, of apps that are used. */
const edgeWordMs = 3_000;
/** Heartbeats come once a second: a loop that missed two is busy. */
const loopWordMs = 2_500;

export function createAppLoad(nowMs: () => number): AppLoad {
  const loops = new Map<WorkerId, LoopLoad & { atMs: number }>();
  let edge = { open: 0, waiting: 0, atMs: -Infinity };

  function loopOf(id: WorkerId): LoopLoad[] {
    const loop = loops.get(id);
    if (!loop) return [];
    const silentMs = nowMs() - loop.atMs;
    return [silentMs > loopWordMs ? { busy: 1, lateMs: silentMs } : loop];
  }

  return {
    hearEdge: ({ open, waiting }) => void (edge = { open, waiting, atMs: nowMs() }),
    hearWorker: (id, load) => void loops.set(id, { ...load, atMs: nowMs() }),
    forget: (id) => void loops.delete(id),
    sample(readyWorkers) {
      const { open, waiting } = nowMs() - edge.atMs <= edgeWordMs ? edge : { open: 0, waiting: 0 };
      const told = readyWorkers.flatMap(loopOf);
      if (told.length === 0) return { open, waiting };
      return { open, waiting, loop: { busy: mean(told.map(({ busy }) => busy)), lateMs: mean(told.map(({ lateMs }) => lateMs)) } };
    },
  };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
