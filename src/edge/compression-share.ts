import type { TenantName } from '../base/ids.ts';

/** Of one edge process. */
export interface CompressionLimits {
  /** Answers being compressed: each holds up to a megabyte (content-coding.ts), and what waits to be compressed. */
  open: number;
  openOfTenant: number;
  /** Pieces that are compressed at the same time, each on a thread of the pool. */
  running: number;
}

export const defaultCompressionLimits: CompressionLimits = { open: 64, openOfTenant: 16, running: 2 };

/** One answer that is being compressed. */
export interface CompressionUser {
  readonly tenant: TenantName;
  /** Its turn: it calls `finish` of the share when the piece is done. */
  run(): void;
}

/**
 * Shares out the edge's threads and memory for compression among the tenants.
 *
 * Invariants:
 * - At most `open` answers are compressed at once, `openOfTenant` of them of one tenant. Over that an answer goes out as it is.
 * - At most `running` pieces are compressed at the same time. Tenants that wait take turns, however many answers each has.
 */
export class CompressionShare {
  private readonly limits: CompressionLimits;
  private readonly openByTenant = new Map<TenantName, number>();
  /** The tenant whose turn is next comes first; none has an empty list. */
  private readonly waiting = new Map<TenantName, CompressionUser[]>();
  private open = 0;
  private running = 0;

  constructor(limits: CompressionLimits = defaultCompressionLimits) {
    this.limits = limits;
  }

  /**
   * Whether one more answer may be compressed: then it must `leave` when it is over. Those that are `endless` (event streams) get
   * half, so that they can't keep the others out for hours.
   */
  enter(tenant: TenantName, endless: boolean): boolean {
    const ofTenant = this.openByTenant.get(tenant) ?? 0;
    const share = endless ? 0.5 : 1;
    if (this.open >= this.limits.open * share || ofTenant >= this.limits.openOfTenant * share) return false;
    this.openByTenant.set(tenant, ofTenant + 1);
    this.open++;
    return true;
  }

  /** A turn that it has goes on until `finish`; one that it waits for is given up. */
  leave(user: CompressionUser): void {
    const { tenant } = user;
    const ofTenant = (this.openByTenant.get(tenant) ?? 1) - 1;
    if (ofTenant === 0) this.openByTenant.delete(tenant);
    else this.openByTenant.set(tenant, ofTenant);
    this.open--;
    this.stopWaiting(user);
  }

  /** Runs `user` now, or when it is its tenant's turn. */
  ask(user: CompressionUser): void {
    if (this.running < this.limits.running) return this.start(user);
    const queue = this.waiting.get(user.tenant);
    if (queue) queue.push(user);
    else this.waiting.set(user.tenant, [user]);
  }

  /** A piece is done. */
  finish(): void {
    this.running--;
    const next = this.takeNext();
    if (next) this.start(next);
  }

  private start(user: CompressionUser): void {
    this.running++;
    user.run();
  }

  private takeNext(): CompressionUser | undefined {
    for (const [tenant, queue] of this.waiting) {
      const user = queue.shift();
      this.waiting.delete(tenant);
      if (queue.length > 0) this.waiting.set(tenant, queue);
      return user;
    }
    return undefined;
  }

  private stopWaiting(user: CompressionUser): void {
    const queue = this.waiting.get(user.tenant);
    const at = queue?.indexOf(user) ?? -1;
    if (!queue || at === -1) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.waiting.delete(user.tenant);
  }
}
