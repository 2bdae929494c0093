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

/** The upstream with the fewest open requests and tunnels, of those not in `except`. */
export function pickUpstream(target: AppTarget, except: readonly UpstreamPool[]): UpstreamPool | undefined {
  let best: UpstreamPool | undefined;
  for (const pool of target.pools) {
    if (except.includes(pool)) continue;
    if (!best || pool.outstanding + pool.tunnels < best.outstanding + best.tunnels) best = pool;
  }
  return best;
}
