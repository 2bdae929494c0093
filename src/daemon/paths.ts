import type { AppName, TenantName, WorkerId } from '../base/ids.ts';

/**
 * Every place the daemon uses, from the directories of tenantd.yaml. All are root's own but what lies below
 * `dataDirOf`, `sharedDirOf` and `logsDirOf`, where root never opens a name.
 */
export type Paths = ReturnType<typeof createPaths>;

export function createPaths(directories: { tenantsDir: string; stateDir: string; runDir: string; logDir: string }) {
  const { tenantsDir, stateDir, runDir, logDir } = directories;
  const tenantStateDirOf = (tenant: TenantName): string => `${stateDir}/tenants/${tenant}`;
  const dataRootOf = (tenant: TenantName): string => `${tenantStateDirOf(tenant)}/data`;
  const socketsDirOf = (tenant: TenantName): string => `${runDir}/sockets/${tenant}`;
  const pipesDirOf = (tenant: TenantName): string => `${runDir}/pipes/${tenant}`;
  const logRootOf = (tenant: TenantName): string => `${logDir}/${tenant}`;
  return {
    ...directories,
    database: `${stateDir}/state.db`,
    /** The private copy of bubblewrap: not in runDir, which may be mounted noexec. */
    programsDir: `${stateDir}/programs`,
    pidFile: `${runDir}/tenantd.pid`,
    controlDir: `${runDir}/control`,
    operatorSocket: `${runDir}/control/operator.sock`,
    edgeDir: `${runDir}/edge`,
    edgeSocket: `${runDir}/edge/control.sock`,
    sandboxesDir: `${runDir}/sandboxes`,
    etcDir: `${runDir}/etc`,
    /** Bound where a tenant has no apps/ yet. */
    emptyDir: `${runDir}/empty`,
    socketsDir: `${runDir}/sockets`,
    hostsDir: `${runDir}/hosts`,
    pipesDir: `${runDir}/pipes`,

    appsDirOf: (tenant: TenantName) => `${tenantsDir}/${tenant}/apps`,
    appDirOf: (tenant: TenantName, app: AppName) => `${tenantsDir}/${tenant}/apps/${app}`,
    tenantStateDirOf,
    dataRootOf,
    appsDataDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/apps`,
    dataDirOf: (tenant: TenantName, app: AppName) => `${dataRootOf(tenant)}/apps/${app}`,
    sharedDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/shared`,
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
