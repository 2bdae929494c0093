import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { beatMs, loadBeatMs, type WorkerReport } from '../protocol/worker.ts';

export interface HeartbeatSite {
  /** The FIFO of reports. */
  fd: number;
  /** Say how busy the event loop is, too. */
  withLoad: boolean;
  everyMs?: number;
}

/**
 * Tells the host now and then that this event loop turns.
 *
 * Invariants: it keeps no process alive; it never waits, nobody need read; it writes to that FIFO and to nothing else, also when the app
 * has closed the descriptor and opened something of its own under its number.
 */
export function startHeartbeat({ fd, withLoad, everyMs = withLoad ? loadBeatMs : beatMs }: HeartbeatSite): void {
  const inode = inodeOf(fd);
  const measure = withLoad ? createLoopMeasure(everyMs) : undefined;
  let isOpened = false;

  function beat(): void {
    if (inode === undefined || inodeOf(fd) !== inode) return clearInterval(timer);
    // Node knows no other way to have the kernel answer EAGAIN for a descriptor that was inherited. It is never read nor closed.
    if (!isOpened) new Socket({ fd, readable: false }).unref();
    isOpened = true;
    const report: WorkerReport = { event: 'beat', ...measure?.() };
    try {
      writeSync(fd, `${JSON.stringify(report)}\n`);
    } catch {
      // Full, since no host reads: the next one is as good.
    }
  }

  const timer = setInterval(beat, everyMs).unref();
}

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino;
  } catch {
    return undefined; // The app has closed it.
  }
}

/** The share of time that the loop was busy since it was asked last, and by how much it is late now. */
function createLoopMeasure(everyMs: number): () => { busy: number; lateMs: number } {
  let before = performance.eventLoopUtilization();
  let dueMs = performance.now() + everyMs;
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const nowMs = performance.now();
    const lateMs = Math.max(0, Math.round(nowMs - dueMs));
    dueMs = nowMs + everyMs;
    return { busy: Number(utilization.toFixed(2)), lateMs };
  };
}
