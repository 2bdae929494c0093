import type { AppName } from '../base/ids.ts';
import type { AppRoute, AppRouteState } from '../protocol/edge.ts';
import type { TenantState } from './tenant-state.ts';
import type { UpstreamPool } from './upstream-pool.ts';

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
  readonly tenant: TenantState;
  /** Whole field lines that tell the app who it is. */
  readonly identityFields: string;
  state: AppRouteState = 'starting';
  release = '';
  compress = false;
  pools: readonly UpstreamPool[] = [];
  private readonly held = new Set<HeldRequest>();

  constructor(tenant: TenantState, app: AppName) {
    this.tenant = tenant;
    this.app = app;
    this.identityFields = `x-tenantd-tenant: ${tenant.name}\r\nx-tenantd-app: ${app}\r\n`;
  }

  change({ state, release, compress }: Omit<AppRoute, 'app' | 'upstreams'>, pools: readonly UpstreamPool[]): void {
    this.state = state;
    this.release = release;
    this.compress = compress;
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

/** The upstream with the fewest open requests and tunnels, of those not in `except`; one that is aside only where there is no other. */
export function pickUpstream({ pools }: AppTarget, except: readonly UpstreamPool[]): UpstreamPool | undefined {
  if (pools.length === 1 && except.length === 0) return pools[0];
  let best: UpstreamPool | undefined;
  for (const pool of pools) if (!except.includes(pool) && (!best || isBetter(pool, best))) best = pool;
  return best;
}

function isBetter(one: UpstreamPool, other: UpstreamPool): boolean {
  if (one.aside !== other.aside) return other.aside;
  return one.outstanding + one.tunnels < other.outstanding + other.tunnels;
}
