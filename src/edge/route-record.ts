import type { AppRoute, EdgeNotifications, EdgeRequests, TenantRoutes } from '../protocol/edge.ts';

export type RouteMessage = {
  [Method in keyof EdgeNotifications]: { method: Method; params: EdgeNotifications[Method] };
}[keyof EdgeNotifications];

type AppOfTenant = EdgeRequests['let-sleep']['params'];
type KeptMessage = Extract<RouteMessage, { method: 'set-tenant' | 'set-certificate' }>;

export const routeMethods = [
  ...(['snapshot-begin', 'snapshot-end', 'set-tenant', 'remove-tenant', 'set-app'] as const),
  ...(['set-certificate', 'remove-certificate'] as const),
];

/**
 * What the daemon last said of routes and certificates, kept by the master for edges that start while the daemon is away.
 *
 * Invariant: an edge that is sent `replay()`, and then what is recorded afterwards, knows the same as the others. Before the
 * first whole snapshot it is not told of an end, so that it does not accept requests for tenants it has yet to hear of.
 * While the edges are asked to let an app sleep, it is told that the app sleeps.
 */
export class RouteRecord {
  /** The last word on each tenant and certificate. */
  private readonly kept = new Map<string, KeptMessage>();
  /** Keys set since `snapshot-begin`; undefined outside of a snapshot. */
  private seen: Set<string> | undefined = undefined;
  private whole = false;
  /** Apps that edges are asked to let sleep, as they were before: until that is decided, or the daemon says something new of them. */
  private readonly dozing = new Map<string, EdgeNotifications['set-app']>();

  record(message: RouteMessage): void {
    switch (message.method) {
      case 'snapshot-begin':
        this.seen = new Set();
        break;
      case 'snapshot-end':
        this.endSnapshot();
        break;
      case 'set-tenant':
        this.wakeAll(message.params.tenant);
        this.keep(tenantKey(message.params.tenant), message);
        break;
      case 'remove-tenant':
        this.wakeAll(message.params.tenant);
        this.kept.delete(tenantKey(message.params.tenant));
        break;
      case 'set-app':
        this.dozing.delete(appKey(message.params));
        this.setApp(message.params);
        break;
      case 'set-certificate':
        this.keep(certificateKey(message.params), message);
        break;
      case 'remove-certificate':
        this.kept.delete(certificateKey(message.params));
        break;
    }
  }

  /** The daemon is gone in the middle of a snapshot: what it had not said yet stays as it was. */
  abandonSnapshot(): void {
    this.seen = undefined;
  }

  /** The edges are asked now. False when it is not routed, or they are being asked already. */
  beginSleep({ tenant, app }: AppOfTenant): boolean {
    const route = this.routeOf({ tenant, app });
    if (!route || this.dozing.has(appKey({ tenant, app }))) return false;
    this.dozing.set(appKey({ tenant, app }), { tenant, ...route });
    this.setApp({ tenant, ...route, state: 'sleeping' });
    return true;
  }

  /** All agreed. False when the daemon said something new of it meanwhile. */
  endSleep(app: AppOfTenant): boolean {
    return this.dozing.delete(appKey(app));
  }

  /** One did not agree, or the daemon does not hear the answer any more. Answers what the edges have to be told. */
  *undoSleep(app?: AppOfTenant): Generator<RouteMessage> {
    for (const [key, params] of this.dozing) {
      if (app && key !== appKey(app)) continue;
      this.dozing.delete(key);
      this.setApp(params);
      yield { method: 'set-app', params };
    }
  }

  *replay(): Generator<RouteMessage> {
    if (this.whole) {
      yield begin;
      yield* this.kept.values();
      yield end;
    }
    if (!this.seen) return;
    yield begin;
    for (const key of this.seen) {
      const message = this.kept.get(key);
      if (message) yield message;
    }
  }

  tenants(): TenantRoutes[] {
    return [...this.kept.values()].flatMap((message) => (message.method === 'set-tenant' ? [message.params] : []));
  }

  private keep(key: string, message: KeptMessage): void {
    this.seen?.add(key);
    this.kept.set(key, message);
  }

  private endSnapshot(): void {
    const { seen } = this;
    this.abandonSnapshot();
    if (!seen) return;
    for (const key of this.kept.keys()) if (!seen.has(key)) this.kept.delete(key);
    this.whole = true;
  }

  private wakeAll(tenant: string): void {
    for (const [key, params] of this.dozing) if (params.tenant === tenant) this.dozing.delete(key);
  }

  private routeOf({ tenant, app }: AppOfTenant): AppRoute | undefined {
    const known = this.kept.get(tenantKey(tenant));
    return known?.method === 'set-tenant' ? known.params.apps.find((route) => route.app === app) : undefined;
  }

  private setApp({ tenant, ...route }: EdgeNotifications['set-app']): void {
    const key = tenantKey(tenant);
    const known = this.kept.get(key);
    if (known?.method !== 'set-tenant' || !known.params.apps.some(({ app }) => app === route.app)) return;
    const apps = known.params.apps.map((before) => (before.app === route.app ? route : before));
    this.kept.set(key, { method: 'set-tenant', params: { ...known.params, apps } });
  }
}

const appKey = ({ tenant, app }: { tenant: string; app: string }): string => `${tenant} ${app}`;
const tenantKey = (tenant: string): string => `tenant ${tenant}`;
const certificateKey = ({ tenant, id }: { tenant: string; id: string }): string => `certificate ${tenant} ${id}`;

const begin: RouteMessage = { method: 'snapshot-begin', params: {} };
const end: RouteMessage = { method: 'snapshot-end', params: {} };
