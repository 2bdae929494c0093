export interface BackoffPolicy {
  /** The delay after the first failure. */
  firstMs: number;
  maxMs: number;
  /** A run of at least this length counts as healthy and resets the count. */
  healthyMs: number;
}

/** Delay before try `failures + 1`: doubled each time, with up to a quarter of jitter taken off so that many do not start at once. */
export function backoffDelayMs(policy: BackoffPolicy, failures: number, random: () => number = Math.random): number {
  if (failures <= 0) return 0;
  const full = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (1 - 0.25 * random()));
}
