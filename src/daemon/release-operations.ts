import type { AppName } from '../base/ids.ts';
import type { ControlOperations } from './control-server.ts';
import type { Releases } from './releases.ts';
import type { Tenant } from './tenant.ts';

export function createReleaseOperations(parts: {
  releases: Releases;
  tenantOf: (name: string) => Tenant;
  /** Throws for one that is suspended, too. */
  servingOf: (name: string) => Tenant;
  appOf: (tenant: Tenant, name: string) => AppName;
}): Pick<ControlOperations, 'app-deploy' | 'app-rollback' | 'app-releases'> {
  const { releases, tenantOf, servingOf, appOf } = parts;
  return {
    'app-deploy': ({ tenant, app, wait = false }, { actor }) => releases.deploy({ tenant: servingOf(tenant), app, actor, wait }),
    'app-rollback': (params, { actor }) => {
      const tenant = servingOf(params.tenant);
      return releases.rollback({ tenant, app: appOf(tenant, params.app), to: params.to, actor });
    },
    'app-releases': (params) => {
      const tenant = tenantOf(params.tenant);
      return { releases: releases.list(tenant.name, appOf(tenant, params.app)) };
    },
  };
}
