import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import { type SharedDirectory, unmountShare } from '../privileged/shares.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Tenant } from './tenant.ts';

const targetPrefix = '/shared/';

/** Where a tenant finds what another shares with it. */
export function shareTarget(granter: TenantName): string {
  return `${targetPrefix}${granter}`;
}

/**
 * Directories that tenants let others read.
 *
 * Invariants:
 * - A sandbox is started with what is granted then, as far as the granting tenant's disk is there and in order.
 * - What is granted no more, or lies on a disk that has to be unmounted and checked, is taken out of what runs at once; what processes
 *   have open there they keep until they are replaced, which follows.
 * - Nothing is taken from a tenant of which nobody knows what is wanted, and no sandbox is replaced for this more than once.
 */
export interface Shares {
  /** For launches of a tenant that others share something with. */
  of(sharedBy: readonly TenantName[]): SharedDirectory[];
  /** Grants were changed, or a tenant's disk is there that was not, or has a fault. Settles when all is as it is then. */
  update(): Promise<void>;
}

export function createShares(machine: Machine, tenants: ReadonlyMap<TenantName, Tenant>): Shares {
  const takenAway = new WeakMap<Sandbox, Set<string>>();
  const replaced = new WeakSet<Sandbox>();
  let running: Promise<void> | undefined;
  let isOutdated = false;

  function of(sharedBy: readonly TenantName[]): SharedDirectory[] {
    return sharedBy.flatMap((granter) => tenants.get(granter)?.resources.share(shareTarget(granter)) ?? []);
  }

  /** One look at a time; what changes during one is seen by the next. */
  function update(): Promise<void> {
    isOutdated = true;
    running ??= lookUntilSettled().finally(() => (running = undefined));
    return running;
  }

  async function lookUntilSettled(): Promise<void> {
    while (isOutdated) {
      isOutdated = false;
      await takeAwayLost();
      for (const tenant of tenants.values()) bring(tenant);
    }
  }

  async function takeAwayLost(): Promise<void> {
    const sharing = machine.registry.all().filter((sandbox) => targetsOf(sandbox).length > 0);
    if (sharing.length === 0) return;
    const byGroup = new Map([...tenants.values()].map((tenant) => [tenantGroup(tenant.name), tenant]));
    for (const sandbox of sharing) {
      const tenant = byGroup.get(sandbox.group?.tenant ?? '');
      const sharedBy = tenant?.picture.desired()?.sharedBy;
      if (!tenant || !sharedBy) continue;
      const kept = new Set(sharedBy.filter((granter) => !tenants.get(granter)?.resources.disk.isFaulty()).map(shareTarget));
      const lost = targetsOf(sandbox).filter((target) => !kept.has(target));
      await Promise.all(lost.map((target) => takeAway(sandbox, target)));
      // A disk with a fault: what they have open would keep it from being unmounted. For a grant that is gone they are replaced anyway.
      if (sharedBy.map(shareTarget).some((target) => lost.includes(target))) replaceWorkersIn(tenant, [sandbox]);
    }
  }

  async function takeAway(sandbox: Sandbox, target: string): Promise<void> {
    const known = takenAway.get(sandbox) ?? new Set();
    if (known.has(target)) return;
    try {
      await unmountShare(machine.programs, sandbox.reaperPid, target);
      takenAway.set(sandbox, known.add(target));
    } catch (error) {
      // It ended meanwhile, say; if not, the next change tries again.
      machine.log.warn({ sandbox: sandbox.id, target, error: messageOf(error) }, 'a shared directory could not be taken away');
    }
  }

  /** Workers that were started before the granting tenant's disk was there. */
  function bring(tenant: Tenant): void {
    const sharedBy = tenant.picture.desired()?.sharedBy ?? [];
    if (sharedBy.length === 0) return;
    const targets = of(sharedBy).map(({ target }) => target);
    const lacks = (sandbox: Sandbox): boolean => targets.some((target) => !targetsOf(sandbox).includes(target));
    replaceWorkersIn(
      tenant,
      tenant.workers.all().flatMap(({ sandbox }) => (lacks(sandbox) ? [sandbox] : [])),
    );
  }

  function replaceWorkersIn(tenant: Tenant, sandboxes: readonly Sandbox[]): void {
    const due = tenant.workers.all().filter(({ sandbox, draining }) => !draining && sandboxes.includes(sandbox) && !replaced.has(sandbox));
    for (const { sandbox } of due) replaced.add(sandbox);
    for (const app of new Set(due.map((worker) => worker.app))) tenant.replaceWorkers(app);
  }

  // Between the moment that it was told what it gets and its start, that may have been taken back.
  machine.registry.onStart((sandbox) => {
    if (targetsOf(sandbox).length > 0) void update();
  });
  return { of, update };
}

function targetsOf({ promise }: Sandbox): string[] {
  return (promise?.mounts ?? []).map(({ target }) => target).filter((target) => target.startsWith(targetPrefix));
}
