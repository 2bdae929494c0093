import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { version } from '../base/version.ts';
import { loadDaemonConfig } from '../config/daemon-config.ts';
import { watchDaemonConfig, watchTenants } from '../config/watch.ts';
import { removeRootDirectory } from '../privileged/directories.ts';
import { findUser } from '../privileged/users.ts';
import { createAccessReader } from './access-reader.ts';
import { createUrlOf } from './addresses.ts';
import { createCertsLink } from './certs-link.ts';
import { startControlServer } from './control-server.ts';
import { createCore, type DaemonState } from './core.ts';
import { createEdgeLink } from './edge-link.ts';
import { createFleet } from './fleet.ts';
import { layerProblems } from './layers.ts';
import { openMachine } from './open-machine.ts';
import { publishLocalCa } from './local-ca-copy.ts';
import { createOperations } from './operations.ts';
import { createPaths } from './paths.ts';
import { createReconciler } from './reconciler.ts';
import { openStore } from './store.ts';
import type { Tenant, TenantContext } from './tenant.ts';

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

/** Starts the daemon, or takes up what one before it left running. Rejects with a TenantdError that says what to mend. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { log, configFile } = options;
  const loaded = await loadDaemonConfig(configFile);
  if (!loaded.config) throw configurationError(loaded.problems);
  const config = loaded.config;
  const paths = createPaths(config);
  const { machine, missingLayers, unlock } = await openMachine({ ...options, config, paths });
  const store = openStore(paths.database, { ...config.uids, isTaken: (uid) => findUser({ uid }) !== undefined });
  const edge = createEdgeLink(machine, config, {
    onMissingCertificate: (name) => certs?.hint(name),
    onOwnCertificate: (name) => core.tellNames(name),
  });
  const certs = machine.certsUser && createCertsLink(machine, machine.certsUser, edge);
  const fleet = createFleet(store, paths, config);
  const tenants = new Map<TenantName, Tenant>();
  const reconciler = createReconciler({
    find: (name) => (state.hasScanned ? tenants.get(name) : undefined),
    concurrency: tenantsAtOnce,
    log,
  });
  const context: TenantContext = {
    ...{ machine, store, edge, certs, log, userPrefix: config.userPrefix, logs: config.logs },
    layers: layerProblems(missingLayers, config.isolation.without),
    withNetwork: !missingLayers.some(({ layer }) => layer === 'network'),
    urlOf: createUrlOf(config),
    onGone: (name) => tenants.delete(name),
    requestReconcile: (name) => reconciler.request(name),
  };
  const state: DaemonState = { config, configProblems: loaded.problems, startedAt: new Date(), hasScanned: false };
  const core = createCore({ context, fleet, tenants, reconciler, state, configFile });

  await core.takeUp(await machine.registry.adopt());
  await core.rescan();
  const operations = createOperations({
    ...{ store, certs, paths },
    access: createAccessReader(machine),
    ...{ findTenant: core.findTenant, tenants: core.tenants, refresh: core.refresh, status: core.status, reload: core.reload },
  });
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
  if (certs && !config.acme) core.inBackground(certs.settled.then(() => publishLocalCa(certs, paths.localCaFile)));
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

function configurationError(problems: readonly Problem[]): TenantdError {
  const lines = problems.map(({ file, line, message, fix }) => `${file ?? ''}${line === undefined ? '' : `:${line}`}: ${message} (${fix})`);
  return new TenantdError('TENANTD_E_CONFIGURATION', lines.join('\n'), 'mend the configuration: tenantctl check shows it all');
}
