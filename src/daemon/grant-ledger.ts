import type { AppName, TenantName } from '../base/ids.ts';
import type { GrantStatus } from '../protocol/control.ts';
import type { GrantUse } from '../protocol/edge.ts';
import type { DesiredTenant } from './desired.ts';

interface Use {
  requests: number;
  lastAtMs: number;
}

/** Which grants there are, and how often each was used since the daemon started. */
export interface GrantLedger {
  note(uses: readonly GrantUse[]): void;
  /** Of one tenant: those that it gives and those that it has. */
  list(desired: readonly DesiredTenant[], only?: string): GrantStatus[];
}

/** Invariant: uses are kept of grants that were there when they were noted, and as many as there are grants. */
export function createGrantLedger(isGranted: (use: GrantUse) => boolean, nowMs: () => number): GrantLedger {
  const uses = new Map<string, Use>();
  const keyOf = (tenant: string, app: string, to: string): string => `${tenant} ${app} ${to}`;

  function listOf({ tenant, config, apps }: DesiredTenant, names: ReadonlySet<string>): GrantStatus[] {
    return config.grants.map(({ to, app, path, access }): GrantStatus => {
      const use = app === undefined ? undefined : uses.get(keyOf(tenant, app, to));
      return {
        ...{ tenant, to, access, isThere: names.has(to) },
        ...(app !== undefined && { app, requests: use?.requests ?? 0 }),
        ...(app !== undefined && !apps.some((folder) => folder.app === app) && { appIsMissing: true as const }),
        ...(path !== undefined && { path }),
        ...(use && { lastUsedAt: new Date(use.lastAtMs).toISOString() }),
      };
    });
  }

  return {
    note(noted) {
      for (const use of noted) {
        if (!isGranted(use)) continue;
        const key = keyOf(use.tenant, use.app, use.caller);
        uses.set(key, { requests: (uses.get(key)?.requests ?? 0) + use.requests, lastAtMs: nowMs() });
      }
    },
    list(desired, only) {
      const names = new Set<string>(desired.map(({ tenant }) => tenant));
      const all = desired.flatMap((tenant) => listOf(tenant, names));
      return all.filter(({ tenant, to }) => only === undefined || tenant === only || to === only);
    },
  };
}

/** What the edge is told of a tenant's grants. */
export function callsGranted({ config }: DesiredTenant): { to: TenantName; app: AppName }[] {
  return config.grants.flatMap(({ to, app, access }) =>
    app !== undefined && access === 'http' ? [{ to: to as TenantName, app: app as AppName }] : [],
  );
}

/** Edges tell of what they saw a moment ago: it may have been taken back since. */
export function isGranted(desired: DesiredTenant | undefined, { app, caller }: GrantUse): boolean {
  return desired !== undefined && callsGranted(desired).some((grant) => grant.app === app && grant.to === caller);
}
