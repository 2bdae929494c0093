/** A request that waits for its turn. */
export interface Waiter {
  /** It has entered. */
  onAdmitted(): void;
}

/**
 * The requests of one tenant that may be open at once, and those that wait, in order.
 *
 * Invariants:
 * - Who entered leaves exactly once. Nobody enters past someone who waits.
 * - Nobody waits while there is room.
 * - No more wait than `queued` allowed when they came, besides those that had waited for their app before.
 */
export class Admission {
  /** How many have entered and not left. */
  active = 0;
  private concurrent: number;
  private queued: number;
  private readonly waiters = new Set<Waiter>();
  private waking = false;

  constructor(concurrent: number, queued: number) {
    this.concurrent = concurrent;
    this.queued = queued;
  }

  get waiting(): number {
    return this.waiters.size;
  }

  tryEnter(): boolean {
    if (this.active >= this.concurrent || this.waiters.size > 0) return false;
    this.active += 1;
    return true;
  }

  /** After `tryEnter` said no. False when too many wait already, unless it is `expected`. */
  enqueue(waiter: Waiter, expected = false): boolean {
    if (this.waiters.size >= this.queued && !expected) return false;
    this.waiters.add(waiter);
    return true;
  }

  /** It waits no longer: gone, or out of time. False when it did not wait. */
  abandon(waiter: Waiter): boolean {
    return this.waiters.delete(waiter);
  }

  leave(): void {
    this.active -= 1;
    this.wake();
  }

  /** Lets in as many as there is room for now. Lower limits are kept from the next request on; nobody is sent away. */
  setLimits(concurrent: number, queued: number): void {
    this.concurrent = concurrent;
    this.queued = queued;
    this.wake();
  }

  /** One loop, also when who enters leaves at once: a call within a call for each of a long queue would run out of stack. */
  private wake(): void {
    if (this.waking) return;
    this.waking = true;
    try {
      for (const waiter of this.waiters) {
        if (this.active >= this.concurrent) break;
        this.waiters.delete(waiter);
        this.active += 1;
        waiter.onAdmitted();
      }
    } finally {
      this.waking = false;
    }
  }
}
