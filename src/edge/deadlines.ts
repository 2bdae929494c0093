/** Something with a time limit. `Infinity` means none. */
export interface Deadline {
  deadlineAtMs: number;
  onDeadline(): void;
}

/**
 * One timer for all connections: setting a limit is then one assignment, where a timer for each request would cost as much as
 * routing it. Limits are kept to within two ticks.
 */
export class Deadlines {
  /** The time of the last tick. */
  nowMs = performance.now();
  private readonly watched = new Set<Deadline>();
  private readonly timer: NodeJS.Timeout;

  constructor(tickMs: number) {
    this.timer = setInterval(() => this.tick(), tickMs).unref();
  }

  watch(deadline: Deadline): void {
    this.watched.add(deadline);
  }

  forget(deadline: Deadline): void {
    this.watched.delete(deadline);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    this.nowMs = performance.now();
    for (const deadline of this.watched) {
      if (deadline.deadlineAtMs > this.nowMs) continue;
      deadline.deadlineAtMs = Infinity;
      deadline.onDeadline();
    }
  }
}
