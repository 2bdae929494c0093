import type { Room } from './order-budgets.ts';

/** A name with something to do. */
export interface Candidate {
  name: string;
  tenant: string;
  /** Now or earlier: it may start. */
  dueMs: number;
  /** An edge had a handshake for it, or somebody asked. */
  isHinted: boolean;
  /** Of the certificate there is. */
  notAfterMs: number | undefined;
  failures: number;
}

export interface PlanInput {
  nowMs: number;
  /** Those that are not being worked on. */
  candidates: Iterable<Candidate>;
  concurrentNames: number;
  /** Names being worked on, by tenant; only tenants that have some. */
  running: ReadonlyMap<string, number>;
  /** When a tenant's name was started last, as a number that grows. */
  lastStart: ReadonlyMap<string, number>;
  /** When an order for it may be placed: budgets, and CAs that are on pause. */
  roomFor(candidate: Candidate): Room;
}

export interface Choice {
  start: Candidate | undefined;
  /** When to look again, should nothing happen before. */
  nextMs: number;
}

/**
 * What to start next, one at a time. Tenants take turns: the one with the fewest names at work, then the one that waited longest;
 * so one tenant's dead names delay its own alone. Within a tenant: what was asked for, then what expires first, then what failed least.
 */
export function chooseNext(input: PlanInput): Choice {
  const { nowMs, candidates, running, concurrentNames } = input;
  const busy = [...running.values()].reduce((sum, count) => sum + count, 0);
  const ofOneTenant = Math.max(1, Math.floor(concurrentNames / 2));
  const choice: Choice = { start: undefined, nextMs: Infinity };
  for (const candidate of candidates) {
    if (candidate.dueMs > nowMs) {
      choice.nextMs = Math.min(choice.nextMs, candidate.dueMs);
      continue;
    }
    // The end of what runs is a reason to look again, too.
    if (busy >= concurrentNames || (running.get(candidate.tenant) ?? 0) >= ofOneTenant) continue;
    if (choice.start && compare(candidate, choice.start, input) >= 0) continue;
    const { atMs } = input.roomFor(candidate);
    if (atMs > nowMs) choice.nextMs = Math.min(choice.nextMs, atMs);
    else choice.start = candidate;
  }
  return choice;
}

const never = Number.MAX_SAFE_INTEGER;

/** Negative: `a` goes first. */
function compare(a: Candidate, b: Candidate, { running, lastStart }: PlanInput): number {
  return (
    (running.get(a.tenant) ?? 0) - (running.get(b.tenant) ?? 0) ||
    (lastStart.get(a.tenant) ?? 0) - (lastStart.get(b.tenant) ?? 0) ||
    compareText(a.tenant, b.tenant) ||
    Number(b.isHinted) - Number(a.isHinted) ||
    (a.notAfterMs ?? never) - (b.notAfterMs ?? never) ||
    a.failures - b.failures ||
    a.dueMs - b.dueMs ||
    compareText(a.name, b.name)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
