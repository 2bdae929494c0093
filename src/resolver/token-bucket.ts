/**
 * So many in a second, and so many at once after a pause.
 *
 * Invariant: between 0 and `burst` tokens; a clock that goes back adds nothing.
 */
export class TokenBucket {
  private readonly perMs: number;
  private readonly burst: number;
  private readonly nowMs: () => number;
  private tokens: number;
  private filledAtMs: number;

  constructor({ perSecond, burst }: { perSecond: number; burst: number }, nowMs: () => number) {
    this.perMs = perSecond / 1_000;
    this.burst = burst;
    this.nowMs = nowMs;
    this.tokens = burst;
    this.filledAtMs = nowMs();
  }

  take(): boolean {
    const now = this.nowMs();
    const elapsedMs = Math.max(0, now - this.filledAtMs);
    this.filledAtMs = now;
    this.tokens = Math.min(this.burst, this.tokens + elapsedMs * this.perMs);
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
