/** What may come at once is what may come in so many seconds, and at least so much: a page has more files than one. */
const burstSeconds = 2;
const minBurst = 10;

/**
 * A tenant's requests a second, refilled when it is looked at.
 *
 * Invariants:
 * - Between 0 and `capacity` tokens; over any time no more are taken than were there, plus the rate times that time.
 * - A clock that stands still or goes back adds nothing, and counts from there on.
 */
export class TokenBucket {
  private perMs: number;
  private capacity: number;
  private tokens: number;
  private filledAtMs: number;

  /** It begins full. A rate of 0 means no limit. */
  constructor(perSecond: number, nowMs: number) {
    this.perMs = perSecond / 1_000;
    this.capacity = capacityFor(perSecond);
    this.tokens = this.capacity;
    this.filledAtMs = nowMs;
  }

  /** 0 when one was taken; else after how many seconds, at least one, there will be one. */
  take(nowMs: number): number {
    if (this.perMs === 0) return 0;
    this.fill(nowMs);
    if (this.tokens < 1) return Math.max(1, Math.ceil((1 - this.tokens) / this.perMs / 1_000));
    this.tokens -= 1;
    return 0;
  }

  /** What is there stays in proportion: a change is no way to a second burst. */
  setRate(perSecond: number, nowMs: number): void {
    this.fill(nowMs);
    const filled = this.tokens / this.capacity;
    this.perMs = perSecond / 1_000;
    this.capacity = capacityFor(perSecond);
    this.tokens = this.capacity * filled;
  }

  private fill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.filledAtMs);
    this.filledAtMs = nowMs;
    this.tokens = Math.min(this.capacity, this.tokens + elapsedMs * this.perMs);
  }
}

function capacityFor(perSecond: number): number {
  return Math.max(minBurst, burstSeconds * perSecond);
}
