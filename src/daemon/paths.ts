import type { AppName, TenantName, WorkerId } from '../base/ids.ts';
import { strangersLogsFolder } from '../protocol/edge-paths.ts';

/**
 * Every place the daemon uses, from the directories of tenantd.yaml. All are root's own but what lies below
 * `dataDirOf`, `sharedDirOf`, `logsDirOf`, `accessLogsDirOf` and `certsStateDir`, where root never opens a name.
 */
export type Paths = ReturnType<typeof createPaths>;

export function createPaths(directories: { tenantsDir: string; stateDir: string; runDir: string; logDir: string }) {
  const { tenantsDir, stateDir, runDir, logDir } = directories;
  const tenantStateDirOf = (tenant: TenantName): string => `${stateDir}/tenants/${tenant}`;
  const dataRootOf = (tenant: TenantName): string => `${tenantStateDirOf(tenant)}/data`;
  const socketsDirOf = (tenant: TenantName): string => `${runDir}/sockets/${tenant}`;
  const pipesDirOf = (tenant: TenantName): string => `${runDir}/pipes/${tenant}`;
  // No tenant has this name: a tenant's has no `_`.
  const edgeLogsDir = `${logDir}/_edge`;
  const logRootOf = (tenant: TenantName): string => `${logDir}/${tenant}`;
  return {
    ...directories,
    roots: [tenantsDir, stateDir, runDir, logDir],
    database: `${stateDir}/state.db`,
    /** The private copy of bubblewrap: not in runDir, which may be mounted noexec. */
    programsDir: `${stateDir}/programs`,
    pidFile: `${runDir}/tenantd.pid`,
    controlDir: `${runDir}/control`,
    operatorSocket: `${runDir}/control/operator.sock`,
    edgeDir: `${runDir}/edge`,
    edgeSocket: `${runDir}/edge/control.sock`,
    certsDir: `${runDir}/certs`,
    certsSocket: `${runDir}/certs/control.sock`,
    /** Written by `certs` alone: accounts, keys, chains. */
    certsStateDir: `${stateDir}/certs`,
    /** A copy of the local CA's root certificate, where others than root can read it. */
    localCaFile: `${stateDir}/local-ca.pem`,
    sandboxesDir: `${runDir}/sandboxes`,
    etcDir: `${runDir}/etc`,
    /** Empty: where a sandbox mounts its /tmp, in mounts of its own. */
    scratchDir: `${runDir}/scratch`,
    /** Bound where a tenant has no apps/ yet. */
    emptyDir: `${runDir}/empty`,
    socketsDir: `${runDir}/sockets`,
    hostsDir: `${runDir}/hosts`,
    pipesDir: `${runDir}/pipes`,

    tenantDirOf: (tenant: TenantName) => `${tenantsDir}/${tenant}`,
    appsDirOf: (tenant: TenantName) => `${tenantsDir}/${tenant}/apps`,
    appDirOf: (tenant: TenantName, app: AppName) => `${tenantsDir}/${tenant}/apps/${app}`,
    tenantStateDirOf,
    dataRootOf,
    appsDataDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/apps`,
    dataDirOf: (tenant: TenantName, app: AppName) => `${dataRootOf(tenant)}/apps/${app}`,
    /** Of the tenant's own user: what shells of the tenant see as /data. */
    userDataDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/user`,
    sharedDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/shared`,
    edgeLogsDir,
    /** Of requests that are no tenant's. */
    strangersLogsDir: `${edgeLogsDir}/${strangersLogsFolder}`,
    accessLogsDirOf: (tenant: TenantName) => `${edgeLogsDir}/${tenant}`,
    logRootOf,
    logsDirOf: (tenant: TenantName) => `${logRootOf(tenant)}/apps`,

    hostDirOf: (tenant: TenantName) => `${runDir}/hosts/${tenant}`,
    hostSocketOf: (tenant: TenantName) => `${runDir}/hosts/${tenant}/control.sock`,
    socketsDirOf,
    pipesDirOf,
    socketOf: (tenant: TenantName, file: string) => `${socketsDirOf(tenant)}/${file}`,
    outputPipeOf: (tenant: TenantName, worker: WorkerId) => `${pipesDirOf(tenant)}/${worker}.out`,
    reportPipeOf: (tenant: TenantName, worker: WorkerId) => `${pipesDirOf(tenant)}/${worker}.report`,
  };
}
