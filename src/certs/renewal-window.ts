import type { RenewalInfo } from './issuer.ts';
import type { RenewalWindow } from './records.ts';

/**
 * The moment to renew in the CA's window (RFC 9773, 4.2): drawn once, and again only when the CA moved the window, so that asking
 * often does not draw the earliest of many. A window in the past means now.
 */
export function nextRenewal(
  { startMs, endMs, askAgainMs }: RenewalInfo,
  ariId: string,
  nowMs: number,
  before: RenewalWindow | undefined,
  random: () => number = Math.random,
): RenewalWindow {
  const isSame = before?.ariId === ariId && before.startMs === startMs && before.endMs === endMs;
  const drawnMs = isSame ? before.atMs : Math.round(startMs + random() * (endMs - startMs));
  return { ariId, startMs, endMs, askAgainMs, atMs: endMs <= nowMs ? Math.min(drawnMs, nowMs) : drawnMs };
}
