import type { FloodRates, Rate } from './limits.ts';

export type FloodKind = keyof FloodRates;

/** How much of a rate is used up, as of `atMs`. */
interface Use {
  amount: number;
  atMs: number;
}

/** Counts what a client makes us do for nothing, in one leaking bucket for each kind. */
export class FloodGuard {
  private readonly rates: FloodRates;
  private readonly nowMs: () => number;
  private readonly uses: Partial<Record<FloodKind, Use>> = {};

  constructor(rates: FloodRates, nowMs: () => number) {
    this.rates = rates;
    this.nowMs = nowMs;
  }

  /** False when it was too much. */
  allows(kind: FloodKind, cost: number): boolean {
    const rate = this.rates[kind];
    const use = (this.uses[kind] ??= { amount: 0, atMs: 0 });
    // The clock is asked for only when it matters: a bucket that isn't half full is in no danger.
    if (use.amount > rate.burst / 2) leak(use, rate, this.nowMs());
    else if (use.amount === 0) use.atMs = this.nowMs();
    use.amount += cost;
    return use.amount <= rate.burst;
  }

  /** Something useful made up for it. */
  makeUp(kind: FloodKind, cost: number): void {
    const use = this.uses[kind];
    if (use) use.amount = Math.max(0, use.amount - cost);
  }
}

function leak(use: Use, { perSecond }: Rate, nowMs: number): void {
  use.amount = Math.max(0, use.amount - ((nowMs - use.atMs) / 1000) * perSecond);
  use.atMs = nowMs;
}
