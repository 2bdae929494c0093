import { messageOf, TenantdError } from '../base/errors.ts';
import { isTenantName, type TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { version } from '../base/version.ts';
import { type DaemonConfig, loadDaemonConfig } from '../config/daemon-config.ts';
import { scanTenant, scanTenants } from '../config/scan.ts';
import { watchDaemonConfig, watchTenants } from '../config/watch.ts';
import { removeRootDirectory } from '../privileged/directories.ts';
import { findUser } from '../privileged/users.ts';
import type { ReloadResult, Status, TenantStatus } from '../protocol/control.ts';
import { startControlServer } from './control-server.ts';
import { createEdgeLink, type EdgeLink, edgeRole } from './edge-link.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { layerProblems } from './layers.ts';
import type { Machine } from './machine.ts';
import { jobRole } from './manifests.ts';
import { openMachine } from './open-machine.ts';
import { createOperations } from './operations.ts';
import { createPaths } from './paths.ts';
import { createReconciler, type Reconciler } from './reconciler.ts';
import type { Sandbox } from './sandbox-registry.ts';
import { tenantStatus } from './status.ts';
import { openStore, type Store } from './store.ts';
import { createTenant, type Tenant, type TenantContext } from './tenant.ts';
import { hostRole } from './tenant-host.ts';
import { workerRole } from './workers.ts';

export interface DaemonOptions {
  configFile: string;
  nodeBinary: string;
  libDir: string;
  cgroupBase: string | undefined;
  log: Log;
}

export interface Daemon {
  /** Reads everything on disk again; what can't be read is in the log and in `status`. */
  reload(): void;
  /** Ends everything, in order: new requests, workers, hosts, edge; leaves no process, mount, group or socket. */
  stop(): Promise<void>;
}

/** How many tenants are moved on at once: more would only wait for the two or four cores of a small machine. */
const tenantsAtOnce = 4;
const edgeGraceMs = 10_000;

/** Starts the daemon, or takes up what one before it left running. Rejects with a TenantdError that says what to mend. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { log, configFile } = options;
  const loaded = await loadDaemonConfig(configFile);
  if (!loaded.config) throw configurationError(loaded.problems);
  const config = loaded.config;
  const paths = createPaths(config);
  const { machine, missingLayers, unlock } = await openMachine({ ...options, config, paths });
  const store = openStore(paths.database, { ...config.uids, isTaken: (uid) => findUser({ uid }) !== undefined });
  const edge = createEdgeLink(machine, { listen: config.http.listen, processes: config.edge.processes });
  const fleet = createFleet(store, paths, config);
  const tenants = new Map<TenantName, Tenant>();
  const reconciler = createReconciler({
    find: (name) => (state.hasScanned ? tenants.get(name) : undefined),
    concurrency: tenantsAtOnce,
    log,
  });
  const context: TenantContext = {
    ...{ machine, store, edge, log, userPrefix: config.userPrefix, logs: config.logs },
    layers: layerProblems(missingLayers, config.isolation.without),
    withNetwork: !missingLayers.some(({ layer }) => layer === 'network'),
    urlOf: createUrlOf(config),
    onGone: (name) => tenants.delete(name),
    requestReconcile: (name) => reconciler.request(name),
  };
  const state: DaemonState = { config, configProblems: loaded.problems, startedAt: new Date(), hasScanned: false };
  const core = createCore({
    context,
    fleet,
    tenants,
    reconciler,
    machine,
    store,
    edge,
    state,
    configFile,
    tenantsDir: config.tenantsDir,
    log,
  });

  await core.takeUp(await machine.registry.adopt());
  await core.rescan();
  const operations = createOperations({ store, findTenant: core.findTenant, status: core.status, reload: core.reload });
  const closeControl = await startControlServer({ socket: paths.operatorSocket, operations, log });
  const watches = [
    watchTenants(config.tenantsDir, {
      onTenant: (name) => core.inBackground(core.refresh(name)),
      onAll: () => core.inBackground(core.rescan()),
      onProblem: core.noteWatchProblem,
    }),
    watchDaemonConfig(configFile, { onDaemonConfig: () => core.inBackground(core.reloadConfig()) }),
  ];
  await Promise.all(watches.map(({ ready }) => ready));
  // Whatever changed between the first scan and the first watch.
  await core.rescan();
  log.info({ version, pid: process.pid, tenants: fleet.names().length }, 'tenantd is ready');

  return {
    reload: () => core.inBackground(core.reload()),
    async stop() {
      await Promise.all([...watches.map((watch) => watch.close()), closeControl()]);
      await core.stopAll();
      machine.registry.close();
      removeRootDirectory(paths.etcDir);
      await machine.groups?.removeBase();
      store.close();
      unlock();
    },
  };
}

interface DaemonState {
  config: DaemonConfig;
  configProblems: readonly Problem[];
  startedAt: Date;
  /** Before that nobody can tell what is wanted, and what was taken up goes on as it is (Invariant 7). */
  hasScanned: boolean;
}

interface CoreParts {
  context: TenantContext;
  fleet: Fleet;
  tenants: Map<TenantName, Tenant>;
  reconciler: Reconciler;
  machine: Machine;
  store: Store;
  edge: EdgeLink;
  state: DaemonState;
  configFile: string;
  tenantsDir: string;
  log: Log;
}

/** What the daemon does when something changes: on disk, by request, or at its start and end. */
function createCore(parts: CoreParts) {
  const { context, fleet, tenants, reconciler, machine, edge, state, tenantsDir, log } = parts;
  const watchProblems: Problem[] = [];
  let lastLook: Promise<unknown> = Promise.resolve();

  function tenantNamed(name: TenantName): Tenant {
    const tenant = tenants.get(name) ?? createTenant(context, name);
    tenants.set(name, tenant);
    return tenant;
  }

  function carryOut(changed: readonly TenantName[]): void {
    for (const name of changed) {
      const tenant = tenantNamed(name);
      tenant.picture.setDesired(fleet.desired(name));
      reconciler.request(name);
    }
  }

  async function takeUp(sandboxes: readonly Sandbox[]): Promise<void> {
    const edges = sandboxes.filter(({ role }) => isRole(role, edgeRole.role));
    for (const sandbox of sandboxes) {
      if (isRole(sandbox.role, jobRole.role)) void sandbox.stop(0);
      const host = hostRole.safeParse(sandbox.role).data;
      const worker = workerRole.safeParse(sandbox.role).data;
      const name = host?.tenant ?? worker?.tenant;
      if (name !== undefined && isTenantName(name)) tenantNamed(name).adopt(sandbox, host ? 'host' : 'worker');
    }
    if (sandboxes.length > 0) log.info({ sandboxes: sandboxes.length }, 'took up what runs already');
    await Promise.all(edges.slice(1).map((sandbox) => sandbox.stop(0)));
    await edge.start(edges[0]);
  }

  /** One look at the disk after another: an older one must not come in after a newer. */
  function inTurn<Result>(look: () => Promise<Result>): Promise<Result> {
    const result = lastLook.then(look);
    lastLook = result.catch(() => {}); // whoever asked for it hears of it
    return result;
  }

  function inBackground(look: Promise<unknown>): void {
    look.catch((error: unknown) => log.error({ error: messageOf(error) }, 'a change could not be read'));
  }

  function rescan(): Promise<TenantName[]> {
    return inTurn(lookAtAll);
  }

  async function lookAtAll(): Promise<TenantName[]> {
    const scan = await scanTenants(tenantsDir);
    const changed = fleet.applyScan(scan);
    carryOut(changed);
    if (scan.ok && !state.hasScanned) {
      state.hasScanned = true;
      for (const tenant of tenants.values()) tenant.publishAdopted();
      edge.release();
      // Also those that were taken up and are wanted no more.
      for (const name of tenants.keys()) reconciler.request(name);
    }
    return changed;
  }

  function refresh(name: TenantName): Promise<void> {
    return inTurn(async () => {
      const scan = await scanTenant(tenantsDir, name);
      if (scan) carryOut(fleet.applyTenant(scan));
      // One that is not there is gone only if the folder of all of them is (Invariant 7).
      else await lookAtAll();
    });
  }

  async function reloadConfig(): Promise<void> {
    const { config, problems } = await loadDaemonConfig(parts.configFile);
    state.configProblems = [...problems];
    if (!config) return log.warn({ problems: problems.length }, 'tenantd.yaml is broken: the last good version stays');
    state.configProblems = [...problems, ...restartProblems(state.config, config, parts.configFile)];
    carryOut(fleet.setPlans(config));
  }

  async function reload(): Promise<ReloadResult> {
    const before = new Set(fleet.names());
    await reloadConfig();
    const changed = await rescan();
    for (const tenant of tenants.values()) {
      tenant.picture.markStale();
      reconciler.request(tenant.name);
    }
    await reconciler.idle();
    const after = new Set(fleet.names());
    return {
      changed: changed.filter((name) => before.has(name) && after.has(name)),
      added: changed.filter((name) => !before.has(name)),
      removed: changed.filter((name) => !after.has(name)),
      problems: [
        ...daemonProblems(),
        ...fleet.names().flatMap((name) => tenants.get(name)?.problems() ?? []),
        ...fleet.broken().flatMap(({ problems }) => problems),
      ],
    };
  }

  function daemonProblems(): Problem[] {
    return [...state.configProblems, ...fleet.problems(), ...watchProblems];
  }

  function status(only?: TenantName): Status {
    const { config, startedAt } = state;
    const shown = [...[...tenants.values()].map((tenant) => tenantStatus(machine, tenant)), ...fleet.broken().map(brokenStatus)];
    return {
      version,
      pid: process.pid,
      startedAt: startedAt.toISOString(),
      certs: { pid: 0 },
      edge: {
        processes: edge.edgePids().map((pid) => ({ pid })),
        http: config.http.listen.map(({ host, port }) => toAddress(host, port)),
        https: [],
      },
      problems: daemonProblems(),
      tenants: shown.filter(({ name }) => only === undefined || name === only).sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }

  async function stopAll(): Promise<void> {
    await reconciler.idle();
    // Whatever was found on the disk, or not: now nothing is wanted.
    state.hasScanned = true;
    for (const tenant of tenants.values()) {
      tenant.picture.setDesired(undefined);
      reconciler.request(tenant.name);
    }
    // First what comes in, so that what the apps still serve can end.
    await edge.stop(edgeGraceMs);
    await reconciler.idle();
    reconciler.stop();
    const left = [...tenants.values()].filter((tenant) => !tenant.isGone());
    for (const { name } of left) log.error({ tenant: name }, 'something of the tenant could not be stopped');
  }

  return {
    takeUp,
    inBackground,
    rescan,
    refresh,
    reloadConfig,
    reload,
    status,
    stopAll,
    findTenant: (name: string) => (isTenantName(name) ? tenants.get(name) : undefined),
    noteWatchProblem: (problem: Problem) => watchProblems.splice(0, watchProblems.length, problem),
  };
}

function isRole(role: unknown, name: string): boolean {
  return typeof role === 'object' && role !== null && 'role' in role && role.role === name;
}

/** A tenant of whom nothing good is known: only its problems. */
function brokenStatus({ name, problems }: { name: TenantName; problems: readonly Problem[] }): TenantStatus {
  return {
    name,
    uid: 0,
    state: 'failed',
    plan: '',
    domains: [],
    problems: [...problems],
    hostPid: 0,
    memoryBytes: 0,
    cpuSeconds: 0,
    apps: [],
  };
}

/** What only a new daemon can carry out. */
function restartProblems(running: DaemonConfig, wanted: DaemonConfig, file: string): Problem[] {
  const { plans: _, defaultPlan: __, ...fixed } = running;
  return Object.keys(fixed).flatMap((key): Problem[] => {
    const name = key as keyof typeof fixed;
    if (JSON.stringify(running[name]) === JSON.stringify(wanted[name])) return [];
    return [{ code: 'TENANTD_E_RESTART_NEEDED', message: `\`${key}\` changed`, fix: 'restart tenantd: it takes effect then', file }];
  });
}

function configurationError(problems: readonly Problem[]): TenantdError {
  const lines = problems.map(({ file, line, message, fix }) => `${file ?? ''}${line === undefined ? '' : `:${line}`}: ${message} (${fix})`);
  return new TenantdError('TENANTD_E_CONFIGURATION', lines.join('\n'), 'mend the configuration: tenantctl check shows it all');
}

function createUrlOf({ http }: DaemonConfig): (at: { host: string; path: string }) => string {
  const port = http.listen[0]?.port ?? 80;
  return ({ host, path }) => `http://${host}${port === 80 ? '' : `:${port}`}${path}`;
}

function toAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
