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
 * - A sandbox is started with what is granted then, as far as the granting tenant's disk is there.
 * - What is granted no more is taken out of what runs at once; what processes have open there they keep until they are replaced,
 *   which follows.
 */
export interface Shares {
  /** For launches of a tenant that others share something with. */
  of(sharedBy: readonly TenantName[]): SharedDirectory[];
  /** Grants were changed, or a tenant's disk is there that was not. */
  update(): Promise<void>;
}

export function createShares(machine: Machine, tenants: ReadonlyMap<TenantName, Tenant>): Shares {
  const takenAway = new WeakMap<Sandbox, Set<string>>();

  function of(sharedBy: readonly TenantName[]): SharedDirectory[] {
    return sharedBy.flatMap((granter) => tenants.get(granter)?.resources.share(shareTarget(granter)) ?? []);
  }

  async function update(): Promise<void> {
    for (const tenant of tenants.values()) {
      const granted = new Set((tenant.picture.desired()?.sharedBy ?? []).map(shareTarget));
      const sandboxes = machine.registry.all().filter(({ group }) => group?.tenant === tenantGroup(tenant.name));
      for (const sandbox of sandboxes) {
        const lost = targetsOf(sandbox).filter((target) => !granted.has(target));
        await Promise.all(lost.map((target) => takeAway(sandbox, target)));
      }
      bring(tenant);
    }
  }

  /** Once: what it had open of it ends with it. */
  async function takeAway(sandbox: Sandbox, target: string): Promise<void> {
    const known = takenAway.get(sandbox) ?? new Set();
    if (known.has(target)) return;
    takenAway.set(sandbox, known.add(target));
    try {
      await unmountShare(machine.programs, sandbox.reaperPid, target);
    } catch (error) {
      // It ended meanwhile, say; if not, it is replaced all the same.
      machine.log.warn({ sandbox: sandbox.id, target, error: messageOf(error) }, 'a shared directory could not be taken away');
    }
  }

  /** Workers that were started before the granting tenant's disk was there. */
  function bring(tenant: Tenant): void {
    const targets = of(tenant.picture.desired()?.sharedBy ?? []).map(({ target }) => target);
    const lacking = tenant.workers
      .all()
      .filter(({ sandbox, draining }) => !draining && targets.some((target) => !targetsOf(sandbox).includes(target)));
    for (const app of new Set(lacking.map((worker) => worker.app))) tenant.replaceWorkers(app);
  }

  return { of, update };
}

function targetsOf({ promise }: Sandbox): string[] {
  return (promise?.mounts ?? []).map(({ target }) => target).filter((target) => target.startsWith(targetPrefix));
}
