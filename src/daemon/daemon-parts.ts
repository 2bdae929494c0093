import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { type DaemonConfig } from '../config/daemon-config.ts';
import type { DnsAddress } from '../protocol/resolver.ts';
import { createUrlOf } from './addresses.ts';
import { createBackupTurns } from './backup-turns.ts';
import { createCertsLink } from './certs-link.ts';
import { createCore, type DaemonState } from './core.ts';
import { createDiskWatch } from './disk-watch.ts';
import { createEdgeLink } from './edge-link.ts';
import { openEgress } from './egress.ts';
import { createFaultBook } from './fault-book.ts';
import { noteFaultsOf } from './fault-notes.ts';
import { createFaultWatch } from './fault-watch.ts';
import { noteDaemonFile } from './file-trail.ts';
import { createFleet } from './fleet.ts';
import { createGrantLedger, isGranted } from './grant-ledger.ts';
import { layerProblems } from './layers.ts';
import { openJournal } from './journal.ts';
import { createLending } from './lending.ts';
import { machineResolvers } from './machine-resolvers.ts';
import { createReconciler } from './reconciler.ts';
import { createReleases } from './releases.ts';
import { createResolverLink } from './resolver-link.ts';
import { schedulingApps } from './schedule-book.ts';
import { createSchedules } from './schedule-keeper.ts';
import { createSessions } from './shell-sessions.ts';
import { createStallBook } from './stall-book.ts';
import { createRemovals } from './tenant-removal.ts';
import { createSleeper } from './sleeper.ts';
import { createShares } from './shares.ts';
import { createTemplating } from './templating.ts';
import { createTokenConnections } from './token-connections.ts';
import { createTokens } from './tokens.ts';
import type { Tenant, TenantContext } from './tenant.ts';
import { createDriftBook } from './verify-drift.ts';
import { createUsage } from './usage.ts';
import { createVerifier } from './verify-passes.ts';
import type { DaemonOptions, Foundation } from './foundation.ts';

/** How many tenants are moved on at once: more would only wait for the two or four cores of a small machine. */
const tenantsAtOnce = 4;

/** What a daemon is made of, each beside those that it speaks to; nothing is begun. */
export type DaemonParts = Awaited<ReturnType<typeof createDaemonParts>>;

export async function createDaemonParts({ configFile, log }: DaemonOptions, foundation: Foundation) {
  const { config, paths, machine, missingLayers, durable, store, vault } = foundation;
  const edge = createEdgeLink(machine, config, {
    onMissingCertificate: (name) => certs?.hint(name),
    onOwnCertificate: (name) => core.tellNames(name),
    onGrantUse: (uses) => grants.note(uses),
    onTenantStall(stall) {
      stalls.note(stall);
      noting.stall(stall);
    },
    onLimitHits: (hits) => noting.limitHits(hits),
    onWake: (app) => sleeper.wake(app),
    onUse: (uses) => sleeper.noteUse(uses),
    onUsage: (master, batch) => usage.edges.take(master, batch),
  });
  const certs = machine.certsUser && createCertsLink(machine, machine.certsUser, edge);
  noteDaemonFile({ store, log }, config);
  const fleet = createFleet(store, paths, config);
  const tenants = new Map<TenantName, Tenant>();
  const grants = createGrantLedger((use) => isGranted(fleet.desired(use.tenant as TenantName), use), Date.now);
  const stalls = createStallBook({ log, isTenant: (name) => tenants.has(name as TenantName) });
  const faults = createFaultBook({ rows: store.faults, log });
  const noting = noteFaultsOf({ book: faults, tenants });
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
    onEnd: noting.scheduleEnd,
  });
  const drift = createDriftBook({ store, log });
  const sessions = createSessions({ machine, store, vault, settings: config.shells, onEnd: (name) => reconciler.request(name) });
  const usage = createUsage({ paths, store, groups: machine.groups, egress: () => egress, tenants, keepMs: config.usage.keep, log });
  const egress = await openEgress({
    ...{ machine, config, uidOf: (tenant) => store.uidOf(tenant, ''), resolver: () => resolver },
    onLastUse: usage.noteLastEgress,
  });
  const resolver = createResolverLink(machine, egress);
  resolver.configure({ listen: [egress.nameServer], upstreams: upstreamsOf(config) });
  const journal = openJournal(config.logs, machine);
  const context: TenantContext = {
    ...{
      machine,
      store,
      vault,
      drift,
      stalls,
      faults,
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
    journal,
    layers: layerProblems(missingLayers, config.isolation.without),
    withNetwork: !missingLayers.some(({ layer }) => layer === 'network'),
    withDisk: !missingLayers.some(({ layer }) => layer === 'disk'),
    urlOf: createUrlOf(config),
    sharesOf: (sharedBy) => shares.of(sharedBy),
    onDisk: () => core.inBackground(shares.update()),
    onGone(name) {
      tenants.delete(name);
      removals.noteGone();
    },
    onAppState(...seen) {
      releases.noteState(...seen);
      noting.appState(...seen);
    },
    releases: { problems: (name) => releases.problems(name) },
    removals: { problems: () => removals.problems() },
    lendsDisk: (name) => lending.lends(name),
    openLent: (name) => lending.open(name),
    requestReconcile: (name) => reconciler.request(name),
    outOfTurn: (name, waiting) => reconciler.outOfTurn(name, waiting),
  };
  const state: DaemonState = { config, configProblems: foundation.configProblems, startedAt: new Date(), hasScanned: false };
  const sleeper = createSleeper({ tenants, log });
  const lending = createLending(tenants, (name) => reconciler.request(name));
  const disks = createDiskWatch(machine, () => tenants.values());
  const lasting = { problems: (): Problem[] => [...durable.problems(), ...usage.problems()] };
  const core = createCore({ context, fleet, tenants, reconciler, shares, state, configFile, disks, durable: lasting });

  const releases = createReleases({
    ...{ machine, store, withDisk: context.withDisk, refresh: core.refresh, tenants: core.tenants },
    settings: () => state.config.releases,
    onTakenBack: noting.takenBack,
  });
  const tokens = createTokens({ rows: store.tokens, nowMs: Date.now });
  const connections = createTokenConnections(tokens);
  const backupTurns = createBackupTurns();
  const removals = createRemovals({
    ...{ machine, store, certs, egress, userPrefix: config.userPrefix, refresh: core.refresh, remark: core.remark },
    isKnown: (name) => tenants.has(name),
    isBusy: (name) => releases.isBusy(name) || backupTurns.isTaken(name),
    cutOff: (name) => backupTurns.cutOff(name),
    onRemoved(name) {
      fleet.forget(name);
      faults.forget(name);
      connections.endUnheld();
    },
  });
  const templating = createTemplating({
    ...{ machine, store, configFile, templatesDir: config.templatesDir, refresh: core.refresh, plans: () => fleet.plans() },
    edgesAreOutdated: () => edge.problems().length > 0,
  });
  const verifier = createVerifier({
    ...{ machine, store, egress, layers: context.layers, tenants: core.tenants, book: drift, intervalMs: config.verify.interval },
  });

  const faultWatch = createFaultWatch({ machine, book: faults, tenants, egress, resolver });
  return {
    ...{ context, state, core, fleet, tenants, edge, certs, egress, resolver, journal },
    ...{ schedules, sessions, sleeper, disks, releases, removals, templating, tokens, connections },
    ...{ grants, verifier, faults, faultWatch, usage, backupTurns },
  };
}

function upstreamsOf({ network }: DaemonConfig): DnsAddress[] {
  return network.resolvers.length > 0 ? network.resolvers : machineResolvers();
}
