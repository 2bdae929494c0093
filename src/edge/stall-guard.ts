import type { Socket } from 'node:net';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import type { StallWatch } from '../base/stall-watch.ts';
import { watchStalls } from '../base/watch-stalls.ts';
import type { TenantStall } from '../protocol/edge.ts';

/** Who stalls again within its last time aside, and this, is aside for twice as long. */
const policy: BackoffPolicy = { firstMs: 60_000, maxMs: 3_600_000, healthyMs: 3_600_000 };

interface Aside {
  times: number;
  untilMs: number;
}

/**
 * Keeps tenants aside for a while that hold up this edge: their connections are closed, and none is opened or taken.
 *
 * Invariant: what it remembers is of tenants that were aside within the last two hours.
 */
export class StallGuard {
  private readonly asides = new Map<string, Aside>();
  private readonly stalls: Pick<StallWatch, 'own'>;
  private readonly tell: (stall: TenantStall) => void;

  /** `watch` as watchStalls does. */
  constructor(tell: (stall: TenantStall) => void, watch: typeof watchStalls = watchStalls) {
    this.tell = tell;
    this.stalls = watch((tenant, heldUpMs) => this.setAside(tenant, heldUpMs));
  }

  /** A connection with something of the tenant's at its other end. */
  own(socket: Socket, tenant: string): void {
    this.stalls.own(socket, tenant);
  }

  isAside(tenant: string): boolean {
    return this.asides.size > 0 && (this.asides.get(tenant)?.untilMs ?? -Infinity) > performance.now();
  }

  private setAside(tenant: string, heldUpMs: number): void {
    const now = performance.now();
    for (const [name, { untilMs }] of this.asides) if (now - untilMs > policy.healthyMs) this.asides.delete(name);
    const times = (this.asides.get(tenant)?.times ?? 0) + 1;
    const asideMs = backoffDelayMs(policy, times, () => 0);
    this.asides.set(tenant, { times, untilMs: now + asideMs });
    this.tell({ tenant, heldUpMs, asideMs });
  }
}
