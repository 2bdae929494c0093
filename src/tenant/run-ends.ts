import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { hostCalls } from '../protocol/host.ts';
import type { Daemon } from './daemon.ts';

export type RunEnd = (typeof hostCalls)['schedule-ended']['_output'];

/**
 * How runs of schedules ended. Each is told until the daemon has answered, over its restarts.
 *
 * Invariant: no more than `maxRemembered` that were told are kept.
 */
export interface RunEnds {
  has(runId: string): boolean;
  add(end: RunEnd): void;
  /** Of a run that is known. */
  tellOnceMore(runId: string): void;
  /** The daemon may be asked again. */
  tellAll(): void;
}

const maxRemembered = 1_000;
const retryMs = 5_000;

/** `mayAct`: the daemon may be asked now. */
export function createRunEnds(daemon: Daemon, mayAct: () => boolean): RunEnds {
  const ends = new Map<string, RunEnd>();
  const untold = new Set<string>();
  const telling = new Set<string>();

  async function tell(runId: string): Promise<void> {
    if (telling.has(runId)) return;
    telling.add(runId);
    // It may be asked for once more while it is told.
    while (mayAct() && untold.delete(runId)) {
      if (await daemon.request('schedule-ended', ends.get(runId)).then(() => true, wasAnswered)) continue;
      untold.add(runId);
      await delay(retryMs);
    }
    telling.delete(runId);
  }

  /** A refusal is an answer: the daemon knows of no such run. */
  function wasAnswered(error: unknown): boolean {
    if (error instanceof TenantdError && (error.code === 'TENANTD_E_UNREACHABLE' || error.code === 'TENANTD_E_TIMEOUT')) return false;
    daemon.tell('log', { level: 'warn', message: `schedule-ended: ${messageOf(error)}`.slice(0, 4_096) });
    return true;
  }

  function tellOnceMore(runId: string): void {
    untold.add(runId);
    void tell(runId);
  }

  return {
    has: (runId) => ends.has(runId),
    add(end) {
      const told = ends.keys().filter((runId) => !untold.has(runId) && !telling.has(runId));
      for (const runId of told.take(Math.max(0, ends.size - maxRemembered)).toArray()) ends.delete(runId);
      ends.set(end.runId, end);
      tellOnceMore(end.runId);
    },
    tellOnceMore,
    tellAll() {
      for (const runId of untold) void tell(runId);
    },
  };
}
