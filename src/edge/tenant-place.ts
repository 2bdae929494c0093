import type { Waiter } from './admission.ts';
import type { TenantState } from './tenant-state.ts';

/**
 * What one exchange takes of what its tenant may have open at the same time: a request's place, or a tunnel's.
 *
 * Invariant: whatever was taken is given back once, to the same tenant.
 */
export class TenantPlace {
  private readonly waiter: Waiter;
  private tenant: TenantState | undefined = undefined;
  private kind: 'none' | 'queued' | 'request' | 'tunnel' = 'none';

  constructor(waiter: Waiter) {
    this.waiter = waiter;
  }

  get isQueued(): boolean {
    return this.kind === 'queued';
  }

  /** False when too many wait already. `isQueued` tells whether it has to be waited for. */
  enter(tenant: TenantState): boolean {
    if (this.kind !== 'none') return true;
    this.tenant = tenant;
    if (tenant.admission.tryEnter()) this.kind = 'request';
    else if (tenant.admission.enqueue(this.waiter)) this.kind = 'queued';
    return this.kind !== 'none';
  }

  /** Its turn has come. */
  admit(): void {
    this.kind = 'request';
  }

  /** A tunnel is no request any more. */
  becomeTunnel(): void {
    const { tenant } = this;
    this.leave();
    if (!tenant) return;
    tenant.webSockets += 1;
    this.kind = 'tunnel';
  }

  leave(): void {
    const { kind, tenant } = this;
    this.kind = 'none';
    if (kind === 'request') tenant?.admission.leave();
    else if (kind === 'queued') tenant?.admission.abandon(this.waiter);
    else if (kind === 'tunnel' && tenant) tenant.webSockets -= 1;
  }
}
