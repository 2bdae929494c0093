import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { version } from '../base/version.ts';
import { type DaemonConfig, loadDaemonConfig } from '../config/daemon-config.ts';
import { watchDaemonConfig, watchTenants } from '../config/watch.ts';
import { removeRootDirectory } from '../privileged/directories.ts';
import { findUser } from '../privileged/users.ts';
import type { DnsAddress } from '../protocol/resolver.ts';
import { createAccessReader } from './access-reader.ts';
import { createUrlOf } from './addresses.ts';
import { createCertsLink } from './certs-link.ts';
import { startControlServer } from './control-server.ts';
import { createCore, type DaemonState } from './core.ts';
import { createDiskWatch } from './disk-watch.ts';
import { createEdgeLink } from './edge-link.ts';
import { openEgress } from './egress.ts';
import { createFleet } from './fleet.ts';
import { createGrantLedger, isGranted } from './grant-ledger.ts';
import { layerProblems } from './layers.ts';
import { machineResolvers } from './machine-resolvers.ts';
import { openMachine } from './open-machine.ts';
import { publishLocalCa } from './local-ca-copy.ts';
import { createOperations } from './operations.ts';
import { createPaths } from './paths.ts';
import { createReconciler } from './reconciler.ts';
import { createResolverLink } from './resolver-link.ts';
import { openMachineKeys } from './machine-keys.ts';
import { createSecretVault } from './secret-vault.ts';
import { createSessions } from './shell-sessions.ts';
import { createStallBook } from './stall-book.ts';
import { openStore } from './store.ts';
import { createShares } from './shares.ts';
import type { Tenant, TenantContext } from './tenant.ts';
import { createDriftBook } from './verify-drift.ts';
import { createVerifier } from './verify-passes.ts';
import { createProbeRunner } from './verify-probes.ts';

export interface DaemonOptions {
  configFile: string;
  nodeBinary: string;
  libDir: string;
  cgroupBase: string | undefined;
  /** Where systemd puts the service's credentials. */
  credentialsDir: string | undefined;
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
  const keys = openMachineKeys({ file: paths.machineKeyFile, credentialsDir: options.credentialsDir });
  const vault = createSecretVault({ rows: store.secrets, keys, log });
  vault.takeUp();
  const edge = createEdgeLink(machine, config, {
    onMissingCertificate: (name) => certs?.hint(name),
    onOwnCertificate: (name) => core.tellNames(name),
    onGrantUse: (uses) => grants.note(uses),
    onTenantStall: (stall) => stalls.note(stall),
  });
  const certs = machine.certsUser && createCertsLink(machine, machine.certsUser, edge);
  const fleet = createFleet(store, paths, config);
  const tenants = new Map<TenantName, Tenant>();
  const grants = createGrantLedger((use) => isGranted(fleet.desired(use.tenant as TenantName), use), Date.now);
  const stalls = createStallBook({ log, isTenant: (name) => tenants.has(name as TenantName) });
  const shares = createShares(machine, tenants);
  const reconciler = createReconciler({
    find: (name) => (state.hasScanned ? tenants.get(name) : undefined),
    concurrency: tenantsAtOnce,
    log,
  });
  const drift = createDriftBook({ store, log });
  const sessions = createSessions({ machine, store, vault, settings: config.shells });
  const egress = await openEgress({ machine, config, uidOf: (tenant) => store.uidOf(tenant, ''), resolver: () => resolver });
  const resolver = createResolverLink(machine, egress);
  resolver.configure({ listen: [egress.nameServer], upstreams: upstreamsOf(config) });
  const context: TenantContext = {
    ...{
      machine,
      store,
      vault,
      drift,
      stalls,
      sessions,
      egress,
      resolver,
      edge,
      certs,
      log,
      userPrefix: config.userPrefix,
      logs: config.logs,
    },
    layers: layerProblems(missingLayers, config.isolation.without),
    withNetwork: !missingLayers.some(({ layer }) => layer === 'network'),
    withDisk: !missingLayers.some(({ layer }) => layer === 'disk'),
    urlOf: createUrlOf(config),
    sharesOf: (sharedBy) => shares.of(sharedBy),
    onDisk: () => core.inBackground(shares.update()),
    onGone: (name) => tenants.delete(name),
    requestReconcile: (name) => reconciler.request(name),
  };
  const state: DaemonState = { config, configProblems: loaded.problems, startedAt: new Date(), hasScanned: false };
  const disks = createDiskWatch(machine, () => tenants.values());
  const core = createCore({ context, fleet, tenants, reconciler, shares, state, configFile, disks });

  const verifier = createVerifier({
    ...{ machine, store, egress, layers: context.layers, tenants: core.tenants, book: drift, intervalMs: config.verify.interval },
  });

  await core.takeUp(await machine.registry.adopt((ended, exit) => sessions.noteEnded(ended, exit)));
  await core.rescan();
  const operations = createOperations({
    ...{ store, vault, sessions, certs, paths },
    access: createAccessReader(machine),
    listGrants: (only) =>
      grants.list(
        fleet.names().flatMap((name) => fleet.desired(name) ?? []),
        only,
      ),
    ...{
      verifier,
      probes: createProbeRunner({ machine, configFile, tenants: core.tenants, edgePids: () => edge.edgePids(), layers: context.layers }),
      config: () => state.config,
    },
    ...{ findTenant: core.findTenant, tenants: core.tenants, refresh: core.refresh, status: core.status, reload: core.reload },
    readUse: () => egress.readUse(),
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
  verifier.start();
  log.info({ version, pid: process.pid, tenants: fleet.names().length }, 'tenantd is ready');

  return {
    reload: () => core.inBackground(core.reload()),
    async stop() {
      // Sessions, too, are connections of the control socket, which closes when the last of them has.
      await Promise.all([...watches.map((watch) => watch.close()), closeControl(), sessions.close()]);
      await verifier.stop();
      await core.stopAll();
      await Promise.all([resolver.stop(), egress.close()]);
      disks.close();
      machine.registry.close();
      removeRootDirectory(paths.etcDir);
      await machine.groups?.removeBase();
      store.close();
      unlock();
    },
  };
}

function upstreamsOf({ network }: DaemonConfig): DnsAddress[] {
  return network.resolvers.length > 0 ? network.resolvers : machineResolvers();
}

function configurationError(problems: readonly Problem[]): TenantdError {
  const lines = problems.map(({ file, line, message, fix }) => `${file ?? ''}${line === undefined ? '' : `:${line}`}: ${message} (${fix})`);
  return new TenantdError('TENANTD_E_CONFIGURATION', lines.join('\n'), 'mend the configuration: tenantctl check shows it all');
}
