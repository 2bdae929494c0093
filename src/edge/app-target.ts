import type { AppName } from '../base/ids.ts';
import type { AppRoute, AppRouteState } from '../protocol/edge.ts';
import type { AppUses } from './app-uses.ts';
import { type Quiet, QuietRequests } from './quiet-requests.ts';
import type { TenantState } from './tenant-state.ts';
import type { UpstreamPool } from './upstream-pool.ts';
import { UsageCounters } from './usage-tally.ts';

/** A request that waits for its app. */
export interface HeldRequest {
  onAppChanged(): void;
}

/** So many go on in one turn of the event loop: thousands at once would make every other tenant wait. */
const releasedInOneTurn = 64;

/**
 * An app as requests meet it. The object lives as long as the app is routed: requests that wait, or have just been routed, see
 * each change of its state.
 */
export class AppTarget {
  readonly app: AppName;
  readonly tenant: TenantState;
  /** Whole field lines that tell the app who it is. */
  readonly identityFields: string;
  readonly usage: UsageCounters;
  state: AppRouteState = 'starting';
  release = '';
  compress = false;
  /** Undefined: as the edge has it. */
  holdMs: number | undefined = undefined;
  quietRequests: QuietRequests | undefined = undefined;
  pools: readonly UpstreamPool[] = [];
  /** Requests and tunnels that are under way: at its workers, or waiting for it or for a place. */
  open = 0;
  /** Of these, those that wait for a place among their tenant's. */
  queued = 0;
  /** AppUses has noted it. */
  inUse = false;
  /** When the daemon was told that somebody waits. */
  wakeToldAtMs = -Infinity;
  /** Of those that are open, those that do not keep it awake. */
  private quiet = 0;
  private readonly held = new Set<HeldRequest>();
  private readonly uses: AppUses;

  constructor(tenant: TenantState, app: AppName, uses: AppUses) {
    this.tenant = tenant;
    this.app = app;
    this.uses = uses;
    this.usage = new UsageCounters(tenant.tally, tenant.name, app);
    this.identityFields = `x-tenantd-tenant: ${tenant.name}\r\nx-tenantd-app: ${app}\r\n`;
  }

  change({ state, release, compress, holdMs, noWake }: Omit<AppRoute, 'app' | 'upstreams'>, pools: readonly UpstreamPool[]): void {
    this.state = state;
    this.release = release;
    this.compress = compress;
    this.holdMs = holdMs;
    this.quietRequests = noWake && new QuietRequests(noWake);
    this.pools = pools;
    if (this.holdsRequests) for (const request of [...this.held]) request.onAppChanged();
    else this.releaseHeld();
  }

  /** Its requests wait until it is otherwise. */
  get holdsRequests(): boolean {
    return this.state === 'starting' || this.state === 'sleeping';
  }

  /** From now on the next request wakes it. False, and nothing changes, while something is open. */
  fallAsleep(): boolean {
    if (this.open > 0 || !(this.state === 'ready' || this.holdsRequests)) return false;
    this.state = 'sleeping';
    return true;
  }

  noteBegin(quiet: Quiet | undefined): void {
    this.open += 1;
    if (quiet) this.quiet += 1;
    else if (!this.inUse) this.uses.note(this);
  }

  noteEnd(quiet: Quiet | undefined): void {
    this.open -= 1;
    if (quiet) this.quiet -= 1;
  }

  get isKeptAwake(): boolean {
    return this.open > this.quiet;
  }

  get isAwaited(): boolean {
    return this.held.size > 0;
  }

  get waiting(): number {
    return this.held.size + this.queued;
  }

  hold(request: HeldRequest): void {
    this.held.add(request);
  }

  letGo(request: HeldRequest): void {
    this.held.delete(request);
  }

  private releaseHeld(): void {
    let left = releasedInOneTurn;
    for (const request of this.held) {
      if (this.holdsRequests) return;
      if (left-- === 0) return void setImmediate(() => this.releaseHeld());
      this.held.delete(request);
      request.onAppChanged();
    }
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
