import type { EdgeNotifications, TenantRoutes } from '../protocol/edge.ts';

export type RouteMessage = {
  [Method in keyof EdgeNotifications]: { method: Method; params: EdgeNotifications[Method] };
}[keyof EdgeNotifications];

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
 */
export class RouteRecord {
  /** The last word on each tenant and certificate. */
  private readonly kept = new Map<string, KeptMessage>();
  /** Keys set since `snapshot-begin`; undefined outside of a snapshot. */
  private seen: Set<string> | undefined = undefined;
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
        this.keep(tenantKey(message.params.tenant), message);
        break;
      case 'remove-tenant':
        this.kept.delete(tenantKey(message.params.tenant));
        break;
      case 'set-app':
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

  private setApp({ tenant, ...route }: EdgeNotifications['set-app']): void {
    const key = tenantKey(tenant);
    const known = this.kept.get(key);
    if (known?.method !== 'set-tenant' || !known.params.apps.some(({ app }) => app === route.app)) return;
    const apps = known.params.apps.map((before) => (before.app === route.app ? route : before));
    this.kept.set(key, { method: 'set-tenant', params: { ...known.params, apps } });
  }
}

const tenantKey = (tenant: string): string => `tenant ${tenant}`;
const certificateKey = ({ tenant, id }: { tenant: string; id: string }): string => `certificate ${tenant} ${id}`;

const begin: RouteMessage = { method: 'snapshot-begin', params: {} };
const end: RouteMessage = { method: 'snapshot-end', params: {} };
