import type { OrderKey } from './order-budgets.ts';
import type { OrderLedger } from './order-ledger.ts';
import { TryFault } from './try-fault.ts';

/**
 * The right of one try to place orders.
 *
 * Invariants:
 * - It holds one place in the budgets from its start on, if there was one; what it does not use it gives back at its end.
 * - Every order beyond that (at another CA, say) asks the budgets again.
 */
export class OrderPermit {
  private readonly ledger: OrderLedger;
  private readonly key: OrderKey;
  private readonly nowMs: () => number;
  private holds: boolean;

  constructor(ledger: OrderLedger, key: OrderKey, nowMs: () => number) {
    this.ledger = ledger;
    this.key = key;
    this.nowMs = nowMs;
    // There is none for who only comes to finish an order that was placed before.
    this.holds = ledger.budgets.roomFor(key, nowMs()).atMs <= nowMs();
    if (this.holds) ledger.budgets.reserve(key);
  }

  /** The order may be placed when this resolves, and counts whatever becomes of it. */
  async use(): Promise<void> {
    if (!this.holds) {
      const { atMs } = this.ledger.budgets.roomFor(this.key, this.nowMs());
      if (atMs > this.nowMs()) throw new TryFault('outside', 'the budget of new orders is used up', { retryAfterMs: atMs - this.nowMs() });
      this.ledger.budgets.reserve(this.key);
    }
    this.holds = false;
    await this.ledger.place(this.key, this.nowMs());
  }

  release(): void {
    if (this.holds) this.ledger.budgets.giveBack(this.key);
    this.holds = false;
  }
}
