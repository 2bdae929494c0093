import { TenantdError } from '../base/errors.ts';
import { returnMemory } from '../base/return-memory.ts';
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
import { createLending } from './lending.ts';
import { machineResolvers } from './machine-resolvers.ts';
import { openMachine } from './open-machine.ts';
import { publishLocalCa } from './local-ca-copy.ts';
import { createOperations } from './operations.ts';
import { createPaths } from './paths.ts';
import { createReconciler } from './reconciler.ts';
import { createReleases } from './releases.ts';
import { createResolverLink } from './resolver-link.ts';
import { openMachineKeys } from './machine-keys.ts';
import { schedulingApps } from './schedule-book.ts';
import { createSchedules } from './schedule-keeper.ts';
import { createSecretVault } from './secret-vault.ts';
import { createSessions } from './shell-sessions.ts';
import { createStallBook } from './stall-book.ts';
import { openState } from './state.ts';
import { releaseReserve } from './state-reserve.ts';
import { createSleeper } from './sleeper.ts';
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

/** What a start has to do is done by then. */
const startedUpMs = 5_000;
/** How many tenants are moved on at once: more would only wait for the two or four cores of a small machine. */
const tenantsAtOnce = 4;

/** Starts the daemon, or takes up what one before it left running. Rejects with a TenantdError that says what to mend. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { log, configFile } = options;
  const loaded = await loadDaemonConfig(configFile);
  if (!loaded.config) throw configurationError(loaded.problems);
  const config = loaded.config;
  const paths = createPaths(config);
  // Before anything is written.
  releaseReserve(paths.state.reserve);
  const { machine, missingLayers, unlock } = await openMachine({ ...options, config, paths });
  const uids = { ...config.uids, isTaken: (uid: number) => findUser({ uid }) !== undefined };
  const durable = openState({ files: paths.state, uids, log });
  const { store } = durable;
  const keys = openMachineKeys({ file: paths.machineKeyFile, credentialsDir: options.credentialsDir });
  const vault = createSecretVault({ rows: store.secrets, keys, log });
  vault.takeUp();
  const edge = createEdgeLink(machine, config, {
    onMissingCertificate: (name) => certs?.hint(name),
    onOwnCertificate: (name) => core.tellNames(name),
    onGrantUse: (uses) => grants.note(uses),
    onTenantStall: (stall) => stalls.note(stall),
    onWake: (app) => sleeper.wake(app),
    onUse: (uses) => sleeper.noteUse(uses),
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
    onRest: (name) => schedules.sync(name),
  });
  const schedules = createSchedules({
    ...{ rows: store.schedules, log },
    findTenant: (name) => tenants.get(name),
    appsOf: (name) => schedulingApps(tenants.get(name)?.picture),
  });
  const drift = createDriftBook({ store, log });
  const sessions = createSessions({ machine, store, vault, settings: config.shells, onEnd: (name) => reconciler.request(name) });
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
      schedules,
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
    onAppState: (...seen) => releases.noteState(...seen),
    releases: { problems: (name) => releases.problems(name) },
    lendsDisk: (name) => lending.lends(name),
    openLent: (name) => lending.open(name),
    requestReconcile: (name) => reconciler.request(name),
    outOfTurn: (name, waiting) => reconciler.outOfTurn(name, waiting),
  };
  const state: DaemonState = { config, configProblems: loaded.problems, startedAt: new Date(), hasScanned: false };
  const sleeper = createSleeper({ tenants, log });
  const lending = createLending(tenants, (name) => reconciler.request(name));
  const disks = createDiskWatch(machine, () => tenants.values());
  const core = createCore({ context, fleet, tenants, reconciler, shares, state, configFile, disks, durable });

  const releases = createReleases({
    ...{ machine, store, withDisk: context.withDisk, refresh: core.refresh, tenants: core.tenants },
    settings: () => state.config.releases,
  });
  const verifier = createVerifier({
    ...{ machine, store, egress, layers: context.layers, tenants: core.tenants, book: drift, intervalMs: config.verify.interval },
  });

  await core.takeUp(await machine.registry.adopt((ended, exit) => sessions.noteEnded(ended, exit)));
  // Before it is read, so that nothing that changes meanwhile is missed.
  const watches = [
    watchTenants(config.tenantsDir, {
      onTenant: (name) => core.inBackground(core.refresh(name)),
      onAll: () => core.inBackground(core.rescan()),
      onProblem: core.noteWatchProblem,
    }),
    watchDaemonConfig(configFile, { onDaemonConfig: () => core.inBackground(core.reloadConfig()) }),
  ];
  await core.rescan();
  const operations = createOperations({
    ...{ store, vault, schedules, sessions, releases, certs, paths },
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
  if (certs && !config.acme) core.inBackground(certs.settled.then(() => publishLocalCa(certs, paths.localCaFile)));
  verifier.start();
  core.inBackground(releases.takeUp());
  schedules.start();
  sleeper.start();
  log.info({ version, pid: process.pid, tenants: fleet.names().length }, 'tenantd is ready');
  setTimeout(returnMemory, startedUpMs).unref();

  return {
    reload: () => core.inBackground(core.reload()),
    async stop() {
      // Sessions, too, are connections of the control socket, which closes when the last of them has.
      for (const watch of watches) watch.close();
      await Promise.all([closeControl(), sessions.close(), releases.close()]);
      schedules.close();
      sleeper.stop();
      await verifier.stop();
      await core.stopAll();
      await Promise.all([resolver.stop(), egress.close()]);
      disks.close();
      machine.registry.close();
      await Promise.all(Object.values(machine.spares).map((spares) => spares.close()));
      removeRootDirectory(paths.etcDir);
      await machine.groups?.removeBase();
      await durable.close();
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
