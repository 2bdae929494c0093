import type { TenantName } from '../base/ids.ts';
import type { TenantStatus } from '../protocol/control.ts';
import { networkStatus } from './egress-status.ts';
import type { Fleet } from './fleet.ts';
import { brokenStatus, tenantStatus } from './status.ts';
import type { Tenant, TenantContext } from './tenant.ts';
import { type Mark, toTenantMark } from './tenant-marks.ts';

/** Of an older one `tenantctl faults` tells. */
const shownFaultsMs = 3_600_000;

/** All tenants: what there is in memory, what can't be used, and what is being removed. */
export function tenantStatuses(context: TenantContext, fleet: Fleet, tenants: Iterable<Tenant>): TenantStatus[] {
  const { machine, store } = context;
  const marks = store.marks.all();
  const known = [
    ...[...tenants].map((tenant) => tenantStatus(machine, tenant, networkStatus(context, tenant.name))),
    ...fleet.broken().map(brokenStatus),
  ].map((status) => withMark(status, marks.get(status.name as TenantName)));
  for (const { name } of known) marks.delete(name as TenantName);
  const lastFaults = context.faults.newest(Date.now() - shownFaultsMs);
  for (const status of known) {
    const lastFault = lastFaults.get(status.name);
    if (lastFault) status.lastFault = lastFault;
  }
  const absent = [...marks].map(([name, mark]) => withMark(absentStatus(context, fleet, name), mark));
  return [...known, ...absent].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One that is being removed, or whose folder is gone while it is suspended. */
function absentStatus({ store, removals }: TenantContext, fleet: Fleet, name: TenantName): TenantStatus {
  const { plan = '', domains = [] } = fleet.filesOf(name) ?? {};
  const problems = removals.problems().filter(({ tenant }) => tenant === name);
  return { ...brokenStatus({ name, problems }), uid: store.knownUid(name) ?? 0, plan, domains: domains.map((domain) => domain.name) };
}

/** What operators made of it goes before what is seen of it. */
function withMark(status: TenantStatus, mark: Mark | undefined): TenantStatus {
  if (!mark) return status;
  const shown = toTenantMark(mark);
  return { ...status, state: shown.state, since: shown.since, mark: shown };
}
