import { setTimeout as delay } from 'node:timers/promises';
import type { TenantName } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { Check } from '../protocol/verify.ts';
import { createTurns } from './in-turn.ts';
import { type DriftBook, isFailure } from './verify-drift.ts';
import { type Found, lookAround, type LookParts } from './verify-look.ts';
import { mend } from './verify-mending.ts';
import { ownerOf } from './verify-owner.ts';

/**
 * Looks by itself whether all that runs is as promised: what has just started, everything every few minutes, and what was
 * not as promised again and again until it is.
 *
 * Invariants:
 * - One look at a time.
 * - Nobody is alarmed by what lasted less than a second: something that was just being started or stopped.
 */
export interface Verifier {
  /** Looks now, at one tenant or at everything; what is wrong becomes a problem, and is mended where that is safe. */
  look(only?: TenantName): Promise<Check[]>;
  start(): void;
  stop(): Promise<void>;
}

/** Waits before it looks again at what seemed wrong. */
const secondLooksAfterMs = [100, 200, 400];
const tickMs = 1_000;
/** So old is a sandbox when it is looked at first: its program has begun. */
const settledMs = 500;
const longestPauseMs = 60_000;

export function createVerifier(parts: LookParts & { book: DriftBook; intervalMs: number }): Verifier {
  const { machine, book, intervalMs } = parts;
  const inTurn = createTurns();
  const seenOnce = new WeakSet<object>();
  let lastFullLookMs = Date.now();
  let lastDriftLookMs = 0;
  let driftPauseMs = tickMs;
  let timer: NodeJS.Timeout | undefined;
  let ticking: Promise<unknown> = Promise.resolve();

  async function lookTwice(isWanted: (tenant: string) => boolean): Promise<Found[]> {
    let found = await lookAround(parts, isWanted);
    for (const pauseMs of secondLooksAfterMs) {
      const doubtful = new Set(found.filter(({ check }) => isFailure(check)).map(({ check }) => check.tenant));
      if (doubtful.size === 0) break;
      await delay(pauseMs);
      const again = await lookAround(parts, (tenant) => doubtful.has(tenant));
      found = [...found.filter(({ check }) => !doubtful.has(check.tenant)), ...again];
    }
    return found;
  }

  async function lookAt(isWanted: (tenant: string) => boolean): Promise<Found[]> {
    const found = await lookTwice(isWanted);
    const fresh = book.note(isWanted, found);
    await mend(parts, fresh);
    for (const [sandbox, own] of Map.groupBy(found, (one) => one.sandbox)) {
      if (!sandbox) continue;
      seenOnce.add(sandbox);
      if (!sandbox.verified && !own.some(({ check }) => isFailure(check))) sandbox.markVerified();
    }
    return found;
  }

  function dueNow(nowMs: number): (tenant: string) => boolean {
    if (nowMs - lastFullLookMs >= intervalMs) {
      lastFullLookMs = nowMs;
      return () => true;
    }
    const settled = machine.registry.all().filter((sandbox) => !seenOnce.has(sandbox) && nowMs - sandbox.startedAtMs >= settledMs);
    const due = new Set<string>(settled.map((sandbox) => ownerOf(sandbox).tenant));
    for (const tenant of tenantsToSeeAgain(nowMs)) due.add(tenant);
    return (tenant) => due.has(tenant);
  }

  /** Soon at first, then with growing pauses: what stays wrong is known. */
  function tenantsToSeeAgain(nowMs: number): string[] {
    const wrong = book.tenantsWithDrift();
    if (wrong.length === 0) driftPauseMs = tickMs;
    if (wrong.length === 0 || nowMs - lastDriftLookMs < driftPauseMs) return [];
    lastDriftLookMs = nowMs;
    driftPauseMs = Math.min(driftPauseMs * 2, longestPauseMs);
    return wrong;
  }

  async function tick(): Promise<void> {
    const isDue = dueNow(Date.now());
    const names = ['', ...parts.tenants().map(({ name }) => name)];
    if (names.some(isDue)) await inTurn(() => lookAt(isDue));
  }

  function scheduleTick(): void {
    timer = setTimeout(() => {
      ticking = tick()
        .catch((error: unknown) => machine.log.error({ error: messageOf(error) }, 'what runs could not be verified'))
        .finally(() => timer && scheduleTick());
    }, tickMs).unref();
  }

  return {
    look: (only) => inTurn(async () => (await lookAt((tenant) => only === undefined || tenant === only)).map(({ check }) => check)),
    start: scheduleTick,
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await ticking;
    },
  };
}
