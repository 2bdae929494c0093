import type { AppName, TenantName, WorkerId } from '../base/ids.ts';
import { linkTextOf, localRelease } from '../base/release-ids.ts';
import { strangersLogsFolder } from '../protocol/edge-paths.ts';

/**
 * Every place the daemon uses, from the directories of tenantd.yaml. All are root's own but what lies below
 * `dataDirOf`, `sharedDirOf`, `logsDirOf`, `accessLogsDirOf` and `certsStateDir`, where root never opens a name.
 */
export type Paths = ReturnType<typeof createPaths>;

export function createPaths(directories: { tenantsDir: string; stateDir: string; runDir: string; logDir: string }) {
  const { tenantsDir, stateDir, runDir, logDir } = directories;
  const tenantsStateDir = `${stateDir}/tenants`;
  const tenantStateDirOf = (tenant: TenantName): string => `${tenantsStateDir}/${tenant}`;
  const dataRootOf = (tenant: TenantName): string => `${tenantStateDirOf(tenant)}/data`;
  const socketsDirOf = (tenant: TenantName): string => `${runDir}/sockets/${tenant}`;
  const pipesDirOf = (tenant: TenantName): string => `${runDir}/pipes/${tenant}`;
  const appDirOf = (tenant: TenantName, app: AppName): string => `${tenantsDir}/${tenant}/apps/${app}`;
  const releaseDirOf = (tenant: TenantName, app: AppName, release: string): string => `${appDirOf(tenant, app)}/${linkTextOf(release)}`;
  // No tenant has this name: a tenant's has no `_`.
  const edgeLogsDir = `${logDir}/_edge`;
  return {
    ...directories,
    roots: [tenantsDir, stateDir, runDir, logDir],
    database: `${stateDir}/state.db`,
    /** What tenants used: apart, since it changes all the time. */
    usageDatabase: `${stateDir}/usage.db`,
    /** The database, and what keeps it. */
    state: {
      database: `${stateDir}/state.db`,
      copy: `${stateDir}/state.db.copy`,
      /** Followed by when that was. */
      damaged: `${stateDir}/state.db.damaged`,
      mark: `${stateDir}/state.db.mark`,
      runMark: `${runDir}/state.mark`,
      notice: `${stateDir}/state.db.notice`,
      beginAnew: `${stateDir}/state.db.begin-anew`,
      journal: `${stateDir}/uids.journal`,
      reserve: `${stateDir}/reserve`,
      auditHead: `${stateDir}/audit.head`,
    },
    /** Wraps what the database holds sealed; root's alone. */
    machineKeyFile: `${stateDir}/machine.key`,
    /** The private copy of bubblewrap: not in runDir, which may be mounted noexec. */
    programsDir: `${stateDir}/programs`,
    /** Copies of disks, while they are backed up; and where one is mounted, for its job alone. */
    snapshotsDir: `${stateDir}/snapshots`,
    snapshotPoint: `${stateDir}/snapshot`,
    /** A disk image to try, at each start. */
    probeDir: `${stateDir}/probe`,
    pidFile: `${runDir}/tenantd.pid`,
    /** What of the machine's forwarding was changed. */
    forwardingFile: `${runDir}/forwarding.json`,
    controlDir: `${runDir}/control`,
    operatorSocket: `${runDir}/control/operator.sock`,
    /** Where others than root find the daemon. */
    accessDir: `${runDir}/access`,
    tokenSocket: `${runDir}/access/token.sock`,
    /** A folder for each edge master, with its control socket. */
    edgeDir: `${runDir}/edge`,
    certsDir: `${runDir}/certs`,
    certsSocket: `${runDir}/certs/control.sock`,
    resolverDir: `${runDir}/resolver`,
    resolverSocket: `${runDir}/resolver/control.sock`,
    metricsDir: `${runDir}/metrics`,
    metricsSocket: `${runDir}/metrics/control.sock`,
    /** Written by `certs` alone: accounts, keys, chains. */
    certsStateDir: `${stateDir}/certs`,
    /** A copy of the local CA's root certificate, where others than root can read it. */
    localCaFile: `${stateDir}/local-ca.pem`,
    sandboxesDir: `${runDir}/sandboxes`,
    etcDir: `${runDir}/etc`,
    /** Where apps call what other tenants grant them: the edge makes the sockets. */
    gatewaysDir: `${runDir}/gateways`,
    gatewaysDirOf: (tenant: TenantName) => `${runDir}/gateways/${tenant}`,
    gatewayDirOf: (tenant: TenantName, app: AppName) => `${runDir}/gateways/${tenant}/${app}`,
    /** Empty: where a sandbox mounts its /tmp, in mounts of its own. */
    scratchDir: `${runDir}/scratch`,
    /** Bound where a tenant has no apps/ yet. */
    emptyDir: `${runDir}/empty`,
    socketsDir: `${runDir}/sockets`,
    hostsDir: `${runDir}/hosts`,
    pipesDir: `${runDir}/pipes`,
    /** Nobody's yet. */
    sparePipesDir: `${runDir}/spare-pipes`,

    tenantDirOf: (tenant: TenantName) => `${tenantsDir}/${tenant}`,
    appsDirOf: (tenant: TenantName) => `${tenantsDir}/${tenant}/apps`,
    appDirOf,
    releasesDirOf: (tenant: TenantName, app: AppName) => `${appDirOf(tenant, app)}/releases`,
    /** All names down to it are root's; what it holds is the app's. */
    releaseDirOf,
    /** `releases/<id>`: what it points to is the current release. */
    currentLinkOf: (tenant: TenantName, app: AppName) => `${appDirOf(tenant, app)}/current`,
    /** What is bound at /apps/<app>. */
    codeDirOf: (tenant: TenantName, app: AppName, release: string) =>
      release === localRelease ? appDirOf(tenant, app) : releaseDirOf(tenant, app, release),
    tenantsStateDir,
    tenantStateDirOf,
    /** Root's own, as what is in there: the mount point of its disk, seen by its own sandboxes. */
    dataRootOf,
    diskImageOf: (tenant: TenantName) => `${tenantStateDirOf(tenant)}/disk.img`,
    /** Of the build that runs, and where it is mounted, for the build alone. */
    buildImageOf: (tenant: TenantName, app: AppName) => `${tenantStateDirOf(tenant)}/build-${app}.img`,
    buildDirOf: (tenant: TenantName, app: AppName) => `${tenantStateDirOf(tenant)}/build-${app}`,
    appsDataDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/apps`,
    dataDirOf: (tenant: TenantName, app: AppName) => `${dataRootOf(tenant)}/apps/${app}`,
    /** Of the tenant's own user: what shells of the tenant see as /data. */
    userDataDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/user`,
    sharedDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/shared`,
    edgeLogsDir,
    /** What sessions showed: root's own. No tenant has this name either. */
    recordingsDir: `${logDir}/_sessions`,
    recordingsDirOf: (tenant: TenantName) => `${logDir}/_sessions/${tenant}`,
    /** Of requests that are no tenant's. */
    strangersLogsDir: `${edgeLogsDir}/${strangersLogsFolder}`,
    accessLogsDirOf: (tenant: TenantName) => `${edgeLogsDir}/${tenant}`,
    /** What its apps print: in its disk, so that it can't fill the machine's. */
    logsDirOf: (tenant: TenantName) => `${dataRootOf(tenant)}/logs`,

    hostDirOf: (tenant: TenantName) => `${runDir}/hosts/${tenant}`,
    hostSocketOf: (tenant: TenantName) => `${runDir}/hosts/${tenant}/control.sock`,
    socketsDirOf,
    pipesDirOf,
    socketOf: (tenant: TenantName, file: string) => `${socketsDirOf(tenant)}/${file}`,
    outputPipeOf: (tenant: TenantName, worker: WorkerId) => `${pipesDirOf(tenant)}/${worker}.out`,
    reportPipeOf: (tenant: TenantName, worker: WorkerId) => `${pipesDirOf(tenant)}/${worker}.report`,
  };
}
