import type { Backups } from './backups.ts';
import type { ControlOperations } from './control-server.ts';
import type { Tenant } from './tenant.ts';

/** Each becomes a stream once it is answered. */
export function createBackupOperations(
  backups: Backups,
  tenantOf: (name: string) => Tenant,
): Pick<ControlOperations, 'tenant-backup' | 'tenant-restore' | 'tenant-clone'> {
  return {
    'tenant-backup': ({ tenant, secretsKey }, { actor, who }) =>
      // A certificate's key is the operator's to give away.
      backups.backup({ tenant: tenantOf(tenant), actor, secretsKey, withKey: who.role === 'operator' }),
    'tenant-restore': ({ as, domains, plan, secretsKey }, { actor }) => backups.restore({ as, domains, plan, secretsKey, actor }),
    'tenant-clone': ({ tenant, as, domains, plan }, { actor }) => backups.clone({ tenant: tenantOf(tenant), as, domains, plan, actor }),
  };
}
