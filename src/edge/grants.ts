import type { AppName, TenantName } from '../base/ids.ts';
import { grantedHostSuffix } from '../protocol/edge-paths.ts';
import type { GrantUse, TenantGrant } from '../protocol/edge.ts';
import type { AppTarget } from './app-target.ts';
import type { Caller } from './gateways.ts';
import { buildPathRoutes } from './path-routes.ts';
import type { HostEntry } from './route-table.ts';
import type { TenantState } from './tenant-state.ts';

/** What one tenant lets others call: an app as a host of its own, and who may. */
export class Grants {
  private readonly byApp = new Map<string, { host: HostEntry; to: Set<TenantName> }>();

  constructor(tenant: TenantState, apps: ReadonlyMap<AppName, AppTarget>, grants: readonly TenantGrant[] = []) {
    for (const { to, app } of grants) {
      const target = apps.get(app);
      if (!target) continue;
      const known = this.byApp.get(app) ?? { host: hostOf(tenant, target), to: new Set() };
      this.byApp.set(app, known);
      known.to.add(to);
    }
  }

  find(app: string, caller: Caller): HostEntry | undefined {
    const known = this.byApp.get(app);
    return known?.to.has(caller.tenant) ? known.host : undefined;
  }

  /** Whether somebody may call less than `before` allowed. */
  tookFrom(before: Grants): boolean {
    return [...before.byApp].some(([app, { to }]) => [...to].some((tenant) => !this.byApp.get(app)?.to.has(tenant)));
  }
}

function hostOf(tenant: TenantState, target: AppTarget): HostEntry {
  return { tenant, wildcard: undefined, redirectTo: undefined, paths: buildPathRoutes([{ prefix: '/', target }]) };
}

/** `site.acme.internal`: the app `site` of the tenant `acme`. ".internal" is reserved for such uses (ICANN, 2024). */
export function parseGrantedHost(host: string): { app: string; tenant: string } | undefined {
  if (!host.endsWith(grantedHostSuffix)) return undefined;
  const [app = '', tenant = '', ...rest] = host.slice(0, -grantedHostSuffix.length).split('.');
  return rest.length === 0 ? { app, tenant } : undefined;
}

/** How often each grant was used, told now and then. Bounded by the grants there are. */
export class GrantUses {
  private readonly counts = new Map<string, GrantUse>();

  add({ tenant, app }: AppTarget, caller: Caller): void {
    const key = `${tenant.name} ${app} ${caller.tenant} ${caller.app}`;
    const known = this.counts.get(key) ?? { tenant: tenant.name, app, caller: caller.tenant, callerApp: caller.app, requests: 0 };
    known.requests += 1;
    this.counts.set(key, known);
  }

  /** Since it was asked last. */
  take(): GrantUse[] {
    const uses = [...this.counts.values()];
    this.counts.clear();
    return uses;
  }
}
