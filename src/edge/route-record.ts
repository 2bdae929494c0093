import type { TenantName } from '../base/ids.ts';
import type { EdgeNotifications, TenantRoutes } from '../protocol/edge.ts';

export type RouteMessage = {
  [Method in keyof EdgeNotifications]: { method: Method; params: EdgeNotifications[Method] };
}[keyof EdgeNotifications];

export const routeMethods = ['snapshot-begin', 'snapshot-end', 'set-tenant', 'remove-tenant', 'set-app'] as const;

/**
 * What the daemon last said of the routes, kept by the master for edges that start while the daemon is away.
 *
 * Invariant: an edge that is sent `replay()`, and then what is recorded afterwards, knows the same as the others. Before the
 * first whole snapshot it is not told of an end, so that it does not accept requests for tenants it has yet to hear of.
 */
export class RouteRecord {
  private readonly tenants = new Map<TenantName, TenantRoutes>();
  /** Set since `snapshot-begin`; undefined outside of a snapshot. */
  private seen: Set<TenantName> | undefined = undefined;
  private whole = false;

  record(message: RouteMessage): void {
    switch (message.method) {
      case 'snapshot-begin':
        this.seen = new Set();
        break;
      case 'snapshot-end':
        this.endSnapshot();
        break;
      case 'set-tenant':
        this.seen?.add(message.params.tenant);
        this.tenants.set(message.params.tenant, message.params);
        break;
      case 'remove-tenant':
        this.tenants.delete(message.params.tenant);
        break;
      case 'set-app':
        this.setApp(message.params);
        break;
    }
  }

  /** The daemon is gone in the middle of a snapshot: what it had not said yet stays as it was. */
  abandonSnapshot(): void {
    this.seen = undefined;
  }

  *replay(): Generator<RouteMessage> {
    if (this.whole) {
      yield begin;
      yield* this.setAll(this.tenants.keys());
      yield end;
    }
    if (!this.seen) return;
    yield begin;
    yield* this.setAll(this.seen);
  }

  private *setAll(names: Iterable<TenantName>): Generator<RouteMessage> {
    for (const name of names) {
      const params = this.tenants.get(name);
      if (params) yield { method: 'set-tenant', params };
    }
  }

  private endSnapshot(): void {
    const { seen } = this;
    this.abandonSnapshot();
    if (!seen) return;
    for (const tenant of this.tenants.keys()) if (!seen.has(tenant)) this.tenants.delete(tenant);
    this.whole = true;
  }

  private setApp({ tenant, ...route }: EdgeNotifications['set-app']): void {
    const known = this.tenants.get(tenant);
    if (!known?.apps.some(({ app }) => app === route.app)) return;
    this.tenants.set(tenant, { ...known, apps: known.apps.map((before) => (before.app === route.app ? route : before)) });
  }
}

const begin: RouteMessage = { method: 'snapshot-begin', params: {} };
const end: RouteMessage = { method: 'snapshot-end', params: {} };
