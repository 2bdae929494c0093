import type { AppName, TenantName } from '../base/ids.ts';
import type { AppRoute, EdgeNotifications, HostRoute, TenantRoutes } from '../protocol/edge.ts';
import { AppTarget } from './app-target.ts';
import { AppUses } from './app-uses.ts';
import type { Caller } from './gateways.ts';
import { Grants, parseGrantedHost } from './grants.ts';
import { buildPathRoutes, type PathRoutes } from './path-routes.ts';
import { TenantState } from './tenant-state.ts';
import type { UpstreamPool } from './upstream-pool.ts';
import type { Upstreams } from './upstreams.ts';
import { UsageTally } from './usage-tally.ts';

/** What a host leads to. */
export interface HostEntry {
  tenant: TenantState;
  /** The route's own host, `*.example.com` say, when it is a wildcard. */
  wildcard: string | undefined;
  /** A host to send clients to instead. */
  redirectTo: string | undefined;
  paths: PathRoutes;
}

interface TenantEntry {
  state: TenantState;
  apps: Map<AppName, AppTarget>;
  /** As in the maps below. */
  hosts: Map<string, HostEntry>;
  grants: Grants;
}

export interface RouteTableOptions {
  /** Of how many edges this is one. */
  processes?: number;
  /** Somebody may call less of a tenant than before. */
  onGrantsTaken?: () => void;
}

const noPaths = buildPathRoutes([]);

/**
 * Where requests go. A request sees the table as it is at its own moment and keeps its app from then on.
 *
 * Invariants:
 * - A change is applied within one turn, and costs what changed.
 * - An app's AppTarget is the same object as long as the app is listed, so that requests that wait see it change.
 * - A host belongs to the tenant that was set last with it; removing another tenant never takes it away.
 */
export class RouteTable {
  readonly uses = new AppUses();
  readonly usage = new UsageTally();
  private readonly tenants = new Map<TenantName, TenantEntry>();
  private readonly exact = new Map<string, HostEntry>();
  /** By suffix: `*.example.com` is `.example.com`. */
  private readonly wildcards = new Map<string, HostEntry>();
  private readonly upstreams: Upstreams;
  private readonly options: RouteTableOptions;
  /** Tenants set since `snapshot-begin`. */
  private seen: Set<TenantName> | undefined = undefined;

  constructor(upstreams: Upstreams, options: RouteTableOptions = {}) {
    this.upstreams = upstreams;
    this.options = options;
  }

  /** `host` is lower case, without port and trailing dot. Exact before wildcard, longer wildcards before shorter. */
  findHost(host: string): HostEntry | undefined {
    const exact = this.exact.get(host);
    if (exact || this.wildcards.size === 0) return exact;
    for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1)) {
      const entry = this.wildcards.get(host.slice(dot));
      if (entry) return entry;
    }
    return undefined;
  }

  /** What another tenant's app reaches by that host. */
  findGranted(caller: Caller, host: string): HostEntry | undefined {
    const name = parseGrantedHost(host);
    return name && this.tenants.get(name.tenant as TenantName)?.grants.find(name.app, caller);
  }

  isGranted(caller: Caller, { tenant, app }: AppTarget): boolean {
    return this.tenants.get(tenant.name)?.grants.find(app, caller) !== undefined;
  }

  beginSnapshot(): void {
    this.seen = new Set();
  }

  endSnapshot(): void {
    const { seen } = this;
    this.seen = undefined;
    if (seen) for (const tenant of this.tenants.keys()) if (!seen.has(tenant)) this.removeTenant(tenant);
  }

  setTenant(routes: TenantRoutes): void {
    this.seen?.add(routes.tenant);
    const before = this.tenants.get(routes.tenant);
    const nowMs = performance.now();
    const state = before?.state ?? new TenantState(routes, this.options.processes ?? 1, nowMs, this.usage);
    if (before) state.change(routes, nowMs);
    const apps = new Map(routes.apps.map((route) => [route.app, this.applyApp(state, before?.apps.get(route.app), route)]));
    const hosts = new Map(routes.hosts.map((host) => [hostKey(host.host), hostEntry(state, apps, host)]));
    if (before) this.dropHosts(before);
    const grants = new Grants(state, apps, routes.grants);
    this.tenants.set(routes.tenant, { state, apps, hosts, grants });
    if (before && grants.tookFrom(before.grants)) this.options.onGrantsTaken?.();
    for (const [key, entry] of hosts) this.mapFor(key).set(key, entry);
    for (const [app, target] of before?.apps ?? []) if (!apps.has(app)) this.dropApp(target);
  }

  setApp({ tenant, ...route }: EdgeNotifications['set-app']): void {
    const entry = this.tenants.get(tenant);
    const target = entry?.apps.get(route.app);
    // Of a tenant or app that is not routed: the next set-tenant brings it.
    if (entry && target) this.applyApp(entry.state, target, route);
  }

  /** True when nothing of the app is open: its next request waits, and wakes it. What is not routed here has none. */
  letSleep(tenant: TenantName, app: AppName): boolean {
    return this.tenants.get(tenant)?.apps.get(app)?.fallAsleep() ?? true;
  }

  removeTenant(tenant: TenantName): void {
    const entry = this.tenants.get(tenant);
    if (!entry) return;
    this.tenants.delete(tenant);
    this.options.onGrantsTaken?.();
    this.dropHosts(entry);
    for (const target of entry.apps.values()) this.dropApp(target);
  }

  /** Lists the new upstreams before it unlists the old, so that those in both keep their connections. */
  private applyApp(state: TenantState, known: AppTarget | undefined, route: AppRoute): AppTarget {
    const target = known ?? new AppTarget(state, route.app, this.uses);
    const pools = route.upstreams.map((upstream) => this.upstreams.list(upstream));
    this.replacePools(target, route, pools);
    return target;
  }

  private dropApp(target: AppTarget): void {
    const { release, compress } = target;
    this.replacePools(target, { state: 'stopped', release, compress }, []);
  }

  private replacePools(target: AppTarget, route: Omit<AppRoute, 'app' | 'upstreams'>, pools: UpstreamPool[]): void {
    const before = target.pools;
    const state = route.state === 'ready' && pools.length === 0 ? 'starting' : route.state;
    target.change({ ...route, state }, pools);
    for (const pool of before) pool.unlist();
  }

  private dropHosts({ hosts }: TenantEntry): void {
    for (const [key, entry] of hosts) if (this.mapFor(key).get(key) === entry) this.mapFor(key).delete(key);
  }

  private mapFor(key: string): Map<string, HostEntry> {
    return key.startsWith('.') ? this.wildcards : this.exact;
  }
}

function hostKey(host: string): string {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name.startsWith('*.')) return name.slice(1);
  return name.includes(':') && !name.startsWith('[') ? `[${name}]` : name;
}

function hostEntry(tenant: TenantState, apps: Map<AppName, AppTarget>, host: HostRoute): HostEntry {
  const wildcard = host.host.startsWith('*.') ? host.host : undefined;
  if ('redirectTo' in host) return { tenant, wildcard, redirectTo: host.redirectTo, paths: noPaths };
  const routes = host.paths.flatMap(({ prefix, app }) => {
    const target = apps.get(app);
    return target ? [{ prefix, target }] : [];
  });
  return { tenant, wildcard, redirectTo: undefined, paths: buildPathRoutes(routes) };
}
