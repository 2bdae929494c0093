import type { Validity } from './renewal-time.ts';

export type ExpiryStage = 'fine' | 'soon' | 'very-soon' | 'expired';

const dayMs = 86_400_000;

/**
 * 14 and 3 days before the end, for lifetimes of which that is less than a third and a ninth; else at a third and a ninth of what
 * there is. Renewal begins at two thirds, so a `soon` of a short certificate says that it is late already.
 */
export function expiryStage({ notBeforeMs, notAfterMs }: Validity, nowMs: number): ExpiryStage {
  const lifetimeMs = notAfterMs - notBeforeMs;
  const leftMs = notAfterMs - nowMs;
  if (leftMs <= 0) return 'expired';
  if (leftMs <= Math.min(3 * dayMs, lifetimeMs / 9)) return 'very-soon';
  return leftMs <= Math.min(14 * dayMs, (lifetimeMs * 2) / 9) ? 'soon' : 'fine';
}
