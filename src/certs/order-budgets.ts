import type { CertificateBudgets, OrderBudget } from '../protocol/certs.ts';

/** One new order, or the room for one. */
export interface OrderKey {
  tenant: string;
  /** The registrable one. */
  domain: string;
  isRenewal: boolean;
}

export type BudgetScope = 'tenant' | 'domain' | 'total';

export interface Room {
  /** When there is room: now or earlier means yes. */
  atMs: number;
  /** The budget that has none before. */
  scope: BudgetScope | undefined;
}

/** Orders that are older count in no window that anybody would set. */
export const longestWindowMs: number = 31 * 86_400_000;

const reservationMs = 1_000;

/**
 * How many orders were placed, in sliding windows. Pure: the ledger keeps it on disk.
 *
 * Invariants:
 * - Orders placed plus places reserved never exceed a budget: whoever starts work on a name reserves first.
 * - What is remembered is bounded by time (`longestWindowMs`), and so by the budgets: more is never placed.
 */
export class OrderBudgets {
  private limits: CertificateBudgets;
  private readonly placed = new Map<string, number[]>();
  private readonly reserved = new Map<string, number>();

  constructor(limits: CertificateBudgets) {
    this.limits = limits;
  }

  setLimits(limits: CertificateBudgets): void {
    this.limits = limits;
  }

  /** Where nothing but a reservation, that will be given back, is in the way, this is a moment from now. */
  roomFor(key: OrderKey, nowMs: number): Room {
    const latest: Room = { atMs: nowMs, scope: undefined };
    for (const [scope, id, budget] of this.scopesOf(key)) {
      const atMs = this.freeAtMs(id, budget, nowMs);
      if (atMs > latest.atMs) Object.assign(latest, { atMs, scope });
    }
    return latest;
  }

  reserve(key: OrderKey): void {
    for (const [, id] of this.scopesOf(key)) this.reserved.set(id, (this.reserved.get(id) ?? 0) + 1);
  }

  /** The order was not placed after all; `add` gives its place back too. */
  giveBack(key: OrderKey): void {
    for (const [, id] of this.scopesOf(key)) {
      const left = (this.reserved.get(id) ?? 0) - 1;
      if (left > 0) this.reserved.set(id, left);
      else this.reserved.delete(id);
    }
  }

  /** In order of time. */
  add(key: OrderKey, atMs: number): void {
    for (const [, id] of this.scopesOf(key)) {
      const times = this.placed.get(id) ?? [];
      const [oldest = atMs] = times;
      if (oldest < atMs - 2 * longestWindowMs)
        times.splice(
          0,
          times.findIndex((timeMs) => timeMs > atMs - longestWindowMs),
        );
      times.push(atMs);
      this.placed.set(id, times);
    }
  }

  private freeAtMs(id: string, { orders, windowMs }: OrderBudget, nowMs: number): number {
    const free = orders - (this.reserved.get(id) ?? 0);
    if (free <= 0) return nowMs + (orders === 0 ? windowMs : reservationMs);
    // The one that has to leave the window before there is room.
    const times = this.placed.get(id) ?? [];
    const leaving = times[times.length - free] ?? -Infinity;
    return Math.max(nowMs, leaving + windowMs);
  }

  private scopesOf({ tenant, domain, isRenewal }: OrderKey): [BudgetScope, string, OrderBudget][] {
    const { perTenant, perRegistrableDomain, total } = this.limits;
    const scopes: [BudgetScope, string, OrderBudget][] = [
      ['tenant', `tenant ${tenant}`, perTenant],
      ['total', 'total', total],
    ];
    return isRenewal ? scopes : [...scopes, ['domain', `domain ${domain}`, perRegistrableDomain]];
  }
}
