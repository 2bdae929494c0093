import type { OrderKey } from './order-budgets.ts';
import type { OrderLedger } from './order-ledger.ts';
import { TryFault } from './try-fault.ts';

/**
 * The right of one try to place orders.
 *
 * Invariants:
 * - It holds one place in the budgets from its start on; whatever it does not use it gives back at its end.
 * - Every order beyond the first (at another CA) asks the budgets again.
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
    ledger.budgets.reserve(key);
    this.holds = true;
  }

  /** The order may be placed when this resolves, and counts whatever becomes of it. */
  async use(): Promise<void> {
    if (!this.holds) {
      const { atMs } = this.ledger.budgets.roomFor(this.key, this.nowMs());
      if (atMs > this.nowMs())
        throw new TryFault('outside', 'the budget of new orders is used up', { retryAfterMs: atMs - this.nowMs() });
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
