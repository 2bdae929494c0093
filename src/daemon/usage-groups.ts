import type { ControlGroups, ResourceUse } from '../privileged/cgroups.ts';
import type { GroupListener } from '../privileged/watched-groups.ts';
import { tenantGroup, tenantOfGroup } from './machine.ts';
import type { UsageBook } from './usage-book.ts';

export interface GroupMeterParts {
  groups: Pick<ControlGroups, 'useOf' | 'membersOf' | 'tenants'>;
  book: UsageBook;
  /** That nobody sets. */
  nowMs: () => number;
}

/**
 * Processor time and memory, as the kernel counts them for the groups of those tenants that have some: of an app what its workers used, of
 * the tenant the rest (host, jobs, sessions).
 */
export interface GroupMeter extends GroupListener {
  look(): void;
  /** As of the last look; 0 for what had none. */
  memoryOf(tenant: string, app: string): number;
}

/** Longer than between two looks, unless something stood still. */
const mostMs = 60_000;
const gibHour = 2 ** 30 * 3_600_000;

export function createGroupMeter({ groups, book, nowMs }: GroupMeterParts): GroupMeter {
  let lookedAtMs = nowMs();
  /** An app's and its tenant's counters are read one after the other: what that makes of the rest goes below zero at times. */
  const debts = new Map<string, number>();
  /** By tenant and app. */
  const memory = new Map<string, ReadonlyMap<string, number>>();
  forgetEnded();

  /** Of groups that went while no daemon ran. */
  function forgetEnded(): void {
    for (const { tenant, source } of book.allMarks()) {
      const [kind, member] = source.split(' ', 2);
      if (kind === 'cpu' && !groups.useOf(tenantGroup(tenant), member)) book.forget(tenant, source);
    }
  }

  function lookAt(group: string, forMs: number): void {
    const tenant = tenantOfGroup(group);
    if (tenant === '') return;
    const memoryOfApps = new Map<string, number>();
    let cpuSeconds = 0;
    for (const member of groups.membersOf(group)) {
      const app = appOf(member);
      const used = app === undefined ? undefined : groups.useOf(group, member);
      if (app === undefined || !used) continue;
      const growth = book.growthOf(tenant, `cpu ${member}`, used.cpuSeconds);
      cpuSeconds += growth;
      book.add(tenant, app, { cpuSeconds: growth, memoryGibHours: (used.memoryBytes * forMs) / gibHour });
      memoryOfApps.set(app, (memoryOfApps.get(app) ?? 0) + used.memoryBytes);
    }
    const whole = groups.useOf(group);
    if (whole) noteRest(tenant, whole, cpuSeconds, memoryOfApps, forMs);
    memory.set(tenant, memoryOfApps);
  }

  function noteRest(tenant: string, whole: ResourceUse, cpuOfApps: number, memoryOfApps: Map<string, number>, forMs: number): void {
    const rest = book.growthOf(tenant, 'cpu', whole.cpuSeconds) - cpuOfApps + (debts.get(tenant) ?? 0);
    debts.set(tenant, Math.min(0, rest));
    const memoryBytes = Math.max(0, whole.memoryBytes - memoryOfApps.values().reduce((sum, bytes) => sum + bytes, 0));
    book.add(tenant, '', { cpuSeconds: Math.max(0, rest), memoryGibHours: (memoryBytes * forMs) / gibHour });
    memoryOfApps.set('', memoryBytes);
  }

  return {
    look() {
      const forMs = Math.min(mostMs, Math.max(0, nowMs() - lookedAtMs));
      lookedAtMs = nowMs();
      memory.clear();
      for (const group of groups.tenants()) lookAt(group, forMs);
    },
    memoryOf: (tenant, app) => memory.get(tenant)?.get(app) ?? 0,
    ending(group) {
      const tenant = tenantOfGroup(group);
      if (tenant === '') return;
      book.begin();
      // All of the tenant's, since what its app used is in the counter of the whole, too.
      lookAt(group, 0);
      // Before the group goes: the next one of that name begins anew.
      book.write();
    },
    ended(group, member) {
      const tenant = tenantOfGroup(group);
      book.forget(tenant, member === undefined ? 'cpu' : `cpu ${member}`);
      if (member !== undefined) return;
      debts.delete(tenant);
      memory.delete(tenant);
    },
  };
}

/** Named by `workers`: `w.APP.ID`. Of a name that the daemon gave, not of what anybody says. */
function appOf(member: string): string | undefined {
  const [kind, app] = member.split('.');
  return kind === 'w' ? app : undefined;
}
