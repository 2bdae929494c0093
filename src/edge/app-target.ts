import type { AppName, TenantName } from '../base/ids.ts';
import type { AppRouteState } from '../protocol/edge.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/** What the edge knows of a tenant besides its routes. */
export interface TenantFacts {
  name: TenantName;
  bodySizeBytes: number;
  brandName: string | undefined;
}

/** A request that waits for its app. */
export interface HeldRequest {
  onAppChanged(): void;
}

/**
 * An app as requests meet it. The object lives as long as the app is routed: requests that wait, or have just been routed, see
 * each change of its state.
 */
export class AppTarget {
  readonly app: AppName;
  readonly tenant: TenantFacts;
  /** Whole field lines that tell the app who it is. */
  readonly identityFields: string;
  state: AppRouteState = 'starting';
  pools: readonly UpstreamPool[] = [];
  private readonly held = new Set<HeldRequest>();

  constructor(tenant: TenantFacts, app: AppName) {
    this.tenant = tenant;
    this.app = app;
    this.identityFields = `x-tenantd-tenant: ${tenant.name}\r\nx-tenantd-app: ${app}\r\n`;
  }

  change(state: AppRouteState, pools: readonly UpstreamPool[]): void {
    this.state = state;
    this.pools = pools;
    if (this.state === 'starting') return;
    const held = [...this.held];
    this.held.clear();
    for (const request of held) request.onAppChanged();
  }

  /** False when so many wait already that this one must be turned away. */
  hold(request: HeldRequest, limit: number): boolean {
    if (this.held.size >= limit) return false;
    this.held.add(request);
    return true;
  }

  letGo(request: HeldRequest): void {
    this.held.delete(request);
  }
}

/** The upstream with the fewest open requests and tunnels, of those not in `except`. */
export function pickUpstream(target: AppTarget, except: readonly UpstreamPool[]): UpstreamPool | undefined {
  let best: UpstreamPool | undefined;
  for (const pool of target.pools) {
    if (except.includes(pool)) continue;
    if (!best || pool.outstanding + pool.tunnels < best.outstanding + best.tunnels) best = pool;
  }
  return best;
}
