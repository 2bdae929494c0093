import { createHook, executionAsyncResource } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import { type StallReadings, StallWatch, type StallWatchOptions, tickMs } from './stall-watch.ts';

/** For the main thread, until the process ends. */
export function watchStalls(onCulprit: StallWatchOptions['onCulprit']): StallWatch {
  const watch: StallWatch = new StallWatch({
    readings,
    soon: (call) => void setImmediate(call),
    onCulprit,
    setLooking: (looking) => void (looking ? hook.enable() : hook.disable()),
  });
  const hook = createHook({ before: () => watch.enter(executionAsyncResource), after: () => watch.leave() });
  setInterval(() => watch.tick(), tickMs).unref();
  return watch;
}

const readings: StallReadings = {
  nowMs: () => performance.now(),
  idleMs: () => performance.nodeTiming.idleTime,
  workMs: () => process.threadCpuUsage().user / 1_000,
  queuedMs: readQueuedMs,
  majorFaults: () => process.resourceUsage().majorPageFault,
};

/** The main thread's, from the kernel's scheduler. */
function readQueuedMs(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1]) / 1_000_000;
  } catch {
    // A kernel without figures of the scheduler: then a busy machine is not excused, but hits everyone.
    return 0;
  }
}
