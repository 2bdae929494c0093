import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';
import type { TenantPicture } from './tenant-picture.ts';

/** Throws TENANTD_E_SUSPENDED for a tenant of which nothing may run. */
export function assertInService(tenant: TenantName, picture: Pick<TenantPicture, 'desired'>): void {
  if (!picture.desired()?.suspended) return;
  throw new TenantdError('TENANTD_E_SUSPENDED', `${tenant} is suspended: nothing of it runs`, `tenantctl tenant resume ${tenant}`);
}

/** Throws TENANTD_E_SUSPENDED for one that is being removed: there is nothing of it but its data. */
export function assertNotRemoved({ marks }: Pick<Store, 'marks'>, tenant: TenantName): void {
  const mark = marks.of(tenant)?.mark;
  if (mark === undefined || mark === 'suspended') return;
  const fix = mark === 'removing' ? `tenantctl tenant resume ${tenant}` : 'see tenantctl tenant list';
  throw new TenantdError('TENANTD_E_SUSPENDED', `${tenant} is being ${mark === 'removing' ? 'removed' : 'deleted'}`, fix);
}

/** What finds a tenant, for what needs it to run. */
export function inService(tenantOf: (name: string) => Tenant): (name: string) => Tenant {
  return (name) => {
    const tenant = tenantOf(name);
    assertInService(tenant.name, tenant.picture);
    return tenant;
  };
}
