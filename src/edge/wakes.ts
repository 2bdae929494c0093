import type { AppTarget } from './app-target.ts';
import type { Deadline } from './deadlines.ts';
import { TokenBucket } from './token-bucket.ts';

export interface WakesOptions {
  tell: (app: { tenant: string; app: string }) => void;
  /** From one word on an app to the next. */
  repeatMs: number;
  perSecond: number;
  nowMs: () => number;
}

/**
 * Tells that somebody waits for a sleeping app: at once, and again as long as it sleeps on and one waits, since the daemon may have
 * been away.
 *
 * Invariants:
 * - Of one app at most once in `repeatMs`; of all of them `perSecond`, after a first burst of twice that. Who waits longest for it comes first.
 * - An app that waits for its turn is looked at with every tick.
 */
export class Wakes implements Deadline {
  deadlineAtMs = Infinity;
  private readonly options: WakesOptions;
  private readonly rate: TokenBucket;
  private readonly awaited = new Set<AppTarget>();

  constructor(options: WakesOptions) {
    this.options = options;
    this.rate = new TokenBucket(options.perSecond, options.nowMs());
  }

  ask(target: AppTarget): void {
    if (this.awaited.has(target)) return;
    this.awaited.add(target);
    this.deadlineAtMs = -Infinity;
    this.tellWhenDue(target);
  }

  onDeadline(): void {
    for (const target of [...this.awaited].sort(byTimeTold)) {
      if (target.state === 'sleeping' && target.isAwaited) this.tellWhenDue(target);
      else this.awaited.delete(target);
    }
    if (this.awaited.size > 0) this.deadlineAtMs = -Infinity;
  }

  private tellWhenDue(target: AppTarget): void {
    const nowMs = this.options.nowMs();
    if (nowMs - target.wakeToldAtMs < this.options.repeatMs || this.rate.take(nowMs) > 0) return;
    target.wakeToldAtMs = nowMs;
    this.options.tell({ tenant: target.tenant.name, app: target.app });
  }
}

function byTimeTold(one: AppTarget, other: AppTarget): number {
  return Number(one.wakeToldAtMs > other.wakeToldAtMs) - Number(one.wakeToldAtMs < other.wakeToldAtMs);
}
