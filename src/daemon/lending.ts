import type { TenantName } from '../base/ids.ts';
import type { Tenant } from './tenant.ts';

/** Tenants that sleep, but for their disks, from which others read what they share. */
export interface Lending {
  lends(tenant: TenantName): boolean;
  /** Settles when all disks are there from which it reads; what could not be had in time is brought later (`shares`). */
  open(reader: TenantName): Promise<void>;
}

const timeLimitMs = 5_000;

export function createLending(tenants: ReadonlyMap<TenantName, Tenant>, request: (tenant: TenantName) => void): Lending {
  /** By whom each is read: looked through by many. */
  function readersOf(tenant: TenantName): Tenant[] {
    return [...tenants.values()].filter((other) => other.picture.desired()?.sharedBy.includes(tenant));
  }

  return {
    lends(tenant) {
      const desired = tenants.get(tenant)?.picture.desired();
      const shares = desired?.config.grants.some(({ path }) => path !== undefined) ?? false;
      return shares && !desired?.suspended && readersOf(tenant).some((reader) => reader.isAwake());
    },
    async open(reader) {
      const granters = (tenants.get(reader)?.picture.desired()?.sharedBy ?? []).flatMap((name) => tenants.get(name) ?? []);
      const opened = granters.map(async (granter) => {
        request(granter.name);
        await granter.waiters.until(() => granter.isPrepared() || undefined, `the disk of ${granter.name}`, timeLimitMs);
      });
      await Promise.allSettled(opened);
    },
  };
}
