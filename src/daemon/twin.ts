import type { AppName, TenantName } from '../base/ids.ts';
import type { SandboxSpec } from '../privileged/sandbox-arguments.ts';
import type { LaunchOptions } from '../privileged/sandboxes.ts';
import type { UnixUser } from '../privileged/users.ts';
import { gatewayDir } from '../protocol/edge-paths.ts';
import type { AppOrder } from './app-order.ts';
import { baseEnvironment, type Machine, programBinds, tenantGroup } from './machine.ts';

/** What a sandbox of a tenant is made of, whatever runs in it: a worker, a shell, probes. */
export interface Twin {
  spec: Omit<SandboxSpec, 'id' | 'command'>;
  launch: Pick<LaunchOptions, 'network' | 'mounts' | 'shares'>;
  /** Its limits are the tenant's: the control group that it is a member of. */
  group: string;
}

type Surroundings = Twin['launch'];

/** What an app of kind node sees as PORT; whatever it listens on becomes its socket. */
const nodePort = 3_000;

/** Of one app: its uid, root, data and environment. */
export function appTwin(
  { machine, tenant, launch }: { machine: Machine; tenant: TenantName; launch: Surroundings },
  { app, uid, order }: { app: AppName; uid: number; order: AppOrder },
): Twin {
  const { paths } = machine;
  const folder = `/apps/${app}`;
  const { env } = order.manifest;
  return {
    spec: {
      uid,
      gid: uid,
      hostname: app,
      env: {
        ...baseEnvironment,
        ...env,
        HOME: '/data/home',
        PORT: String(nodePort),
        ...{ TENANTD_TENANT: tenant, TENANTD_APP: app, TENANTD_APP_DIR: folder },
        ...{ TENANTD_RELEASE: order.release, TENANTD_DATA_DIR: '/data' },
      },
      binds: [
        ...programBinds(machine),
        { source: paths.codeDirOf(tenant, app, order.release), target: folder, access: 'read' },
        { source: paths.dataDirOf(tenant, app), target: '/data', access: 'write' },
        { source: paths.sharedDirOf(tenant), target: '/data/shared', access: 'write' },
        { source: paths.gatewayDirOf(tenant, app), target: gatewayDir, access: 'read' },
      ],
      tmpBytes: order.tmpBytes,
      tmpInodes: order.tmpInodes,
      withSecrets: true,
      workingDirectory: folder,
    },
    launch,
    group: tenantGroup(tenant),
  };
}

/** Of the tenant's own user, which sees the code of all its apps, and has data of its own. */
export function userTwin(
  { machine, tenant, launch }: { machine: Machine; tenant: TenantName; launch: Surroundings },
  { user, appsDir, tmpBytes, tmpInodes }: { user: UnixUser; appsDir: string; tmpBytes: number; tmpInodes: number },
): Twin {
  const { paths } = machine;
  return {
    spec: {
      ...{ uid: user.uid, gid: user.gid, hostname: tenant, tmpBytes, tmpInodes, withSecrets: true },
      env: { ...baseEnvironment, HOME: '/data/home', TENANTD_TENANT: tenant, TENANTD_DATA_DIR: '/data' },
      binds: [
        ...programBinds(machine),
        { source: appsDir, target: '/apps', access: 'read' },
        { source: paths.userDataDirOf(tenant), target: '/data', access: 'write' },
        { source: paths.sharedDirOf(tenant), target: '/data/shared', access: 'write' },
      ],
      workingDirectory: '/data/home',
    },
    launch,
    group: tenantGroup(tenant),
  };
}
