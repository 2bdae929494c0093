import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';

/**
 * When an app that failed is started again; all of the policy is here.
 *
 * - A first failure: at once. Those that follow without a healthy time between: after 0.5 s, 1 s, 2 s, up to a minute.
 * - The fifth in a row, when nothing of the app serves: a crash loop. It is quarantined for a minute, then tried once, with one
 *   worker; each failure from there on is another quarantine, twice as long, up to an hour.
 * - What serves on, workers of an older generation too, keeps the app out of quarantine.
 * - A healthy minute of all its workers, or of the one that then fails, and all is forgotten. So it is with another generation, and with
 *   an app that is stopped and started (`withSpec`).
 */
export interface Attempts {
  /** In a row: without a healthy time between. */
  failures: number;
  failedAtMs: number;
  nextTryAtMs: number;
  /** In a row, the present one included. */
  quarantines: number;
  /** From its failure until something fails while others serve, or all is forgotten. */
  isQuarantined: boolean;
}

export const crashLoopFailures = 5;
export const healthyMs = 60_000;
const backoff: BackoffPolicy = { firstMs: 500, maxMs: 60_000, healthyMs };
const quarantine: BackoffPolicy = { firstMs: 60_000, maxMs: 3_600_000, healthyMs };

export const noAttempts: Readonly<Attempts> = { failures: 0, failedAtMs: 0, nextTryAtMs: 0, quarantines: 0, isQuarantined: false };

export interface AppFailure {
  nowMs: number;
  /** What failed had been ready for a healthy time. */
  wasHealthy: boolean;
  /** A worker of the app, of whichever generation, still answers requests. */
  othersServe: boolean;
}

export function afterFailure(before: Attempts, { nowMs, wasHealthy, othersServe }: AppFailure, random: () => number): Attempts {
  const { quarantines, ...past } = wasHealthy ? noAttempts : before;
  const failures = past.failures + 1;
  if (failures < crashLoopFailures || othersServe) {
    const nextTryAtMs = nowMs + backoffDelayMs(backoff, failures - 1, random);
    return { failures, failedAtMs: nowMs, nextTryAtMs, quarantines, isQuarantined: false };
  }
  const nextTryAtMs = nowMs + backoffDelayMs(quarantine, quarantines + 1, random);
  return { failures, failedAtMs: nowMs, nextTryAtMs, quarantines: quarantines + 1, isQuarantined: true };
}
