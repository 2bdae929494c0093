import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { version } from '../base/version.ts';
import { type DaemonConfig, loadDaemonConfig } from '../config/daemon-config.ts';
import { scanTenant, scanTenants } from '../config/scan.ts';
import type { ReloadResult, Status } from '../protocol/control.ts';
import { showAddress } from './addresses.ts';
import type { DesiredTenant } from './desired.ts';
import type { DiskWatch } from './disk-watch.ts';
import { readCertsConfiguration } from './certs-configuration.ts';
import { certsRole } from './certs-sandbox.ts';
import { releaseEgress, takeUpResolver } from './egress-take-up.ts';
import { noteDaemonFile, noteTenantGone } from './file-trail.ts';
import type { Fleet } from './fleet.ts';
import { createTurns } from './in-turn.ts';
import { jobRole } from './manifests.ts';
import type { Reconciler } from './reconciler.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Shares } from './shares.ts';
import { sessionRole } from './shell-sessions.ts';
import type { State } from './state.ts';
import { createTenant, type Tenant, type TenantContext } from './tenant.ts';
import { tenantStatuses } from './tenant-statuses.ts';
import { hostRole } from './tenant-host.ts';
import { workerRole } from './workers.ts';

const edgeGraceMs = 10_000;
const tryAgainMs = 5_000;
const leaveMs = 10_000;

export interface DaemonState {
  config: DaemonConfig;
  configProblems: readonly Problem[];
  startedAt: Date;
  /** Before that nobody can tell what is wanted, and what was taken up goes on as it is (Invariant 7). */
  hasScanned: boolean;
}

export interface CoreParts {
  context: TenantContext;
  fleet: Fleet;
  tenants: Map<TenantName, Tenant>;
  reconciler: Reconciler;
  shares: Shares;
  state: DaemonState;
  configFile: string;
  disks: DiskWatch;
  durable: Pick<State, 'problems'>;
}

/** What the daemon does when something changes: on disk, by request, or at its start and end. */
export function createCore(parts: CoreParts) {
  const { context, fleet, tenants, reconciler, shares, state } = parts;
  const { machine, edge, certs, log } = context;
  const { tenantsDir } = machine.paths;
  const [watchProblems, certsProblems]: [Problem[], Problem[]] = [[], []];
  const scanLater = createRetry(() => inBackground(rescan()));
  /** One look at the disk after another: an older one must not come in after a newer. */
  const inTurn = createTurns();

  function tenantNamed(name: TenantName): Tenant {
    const tenant = tenants.get(name) ?? createTenant(context, name);
    tenants.set(name, tenant);
    return tenant;
  }

  /** Which of its domains need a certificate from `certs`. */
  function tellNames(name: TenantName): void {
    const names = tenants.get(name)?.certificate.uncovered();
    if (names) certs?.setNames(name, names);
  }

  function carryOut(changed: readonly TenantName[]): void {
    scanLater(fleet.isOwing());
    for (const name of changed) if (!fleet.desired(name) && tenants.get(name)?.picture.desired()) noteTenantGone(context, name);
    setTogether(
      context,
      changed.map((name) => [tenantNamed(name), fleet.desired(name)]),
    );
    for (const name of changed) {
      tellNames(name);
      reconciler.request(name);
    }
    inBackground(shares.update());
  }

  async function takeUp(sandboxes: readonly Sandbox[]): Promise<void> {
    const edges = sandboxes.filter(({ role }) => isRole(role, 'edge'));
    const certsSandboxes = sandboxes.filter(({ role }) => certsRole.safeParse(role).success);
    for (const sandbox of sandboxes) {
      if (isRole(sandbox.role, jobRole.role)) void sandbox.stop(0);
      if (sessionRole.safeParse(sandbox.role).success) context.sessions.endLeft(sandbox);
      const host = hostRole.safeParse(sandbox.role).data;
      const worker = workerRole.safeParse(sandbox.role).data;
      const name = host?.tenant ?? worker?.tenant;
      if (name !== undefined && isTenantName(name)) tenantNamed(name).adopt(sandbox, host ? 'host' : 'worker');
    }
    if (sandboxes.length > 0) log.info({ sandboxes: sandboxes.length }, 'took up what runs already');
    await edge.start(edges);
    await takeUpResolver(context.resolver, sandboxes);
    await configureCerts(state.config);
    // Without https it is not wanted any more; two would write the same state.
    await Promise.all(certsSandboxes.slice(certs ? 1 : 0).map((sandbox) => sandbox.stop(0)));
    await certs?.start(certsSandboxes[0]);
  }

  function inBackground(look: Promise<unknown>): void {
    look.catch((error: unknown) => log.error({ error: messageOf(error) }, 'a change could not be read'));
  }

  const rescan = (): Promise<TenantName[]> => inTurn(lookAtAll);

  async function lookAtAll(): Promise<TenantName[]> {
    const scan = await scanTenants(tenantsDir);
    const changed = fleet.applyScan(scan);
    carryOut(changed);
    // One after another: each holds its files open. Before the edge hears of any, so that it learns all at once.
    for (const tenant of tenants.values()) await tenant.certificate.look();
    for (const name of tenants.keys()) tellNames(name);
    if (scan.ok && !state.hasScanned) {
      state.hasScanned = true;
      for (const tenant of tenants.values()) tenant.publishAdopted();
      certs?.release();
      edge.release(certs?.settled);
      inBackground(releaseEgress(context.egress, context.resolver, (name) => tenants.has(name)));
      // Also those that were taken up and are wanted no more.
      for (const name of tenants.keys()) reconciler.request(name);
    }
    return changed;
  }

  function refresh(name: TenantName): Promise<void> {
    return inTurn(async () => {
      const scan = await scanTenant(tenantsDir, name);
      if (scan) {
        carryOut(fleet.applyTenant(scan));
        await tenants.get(name)?.certificate.look();
        tellNames(name);
      }
      // One that is not there is gone only if the folder of all of them is (Invariant 7).
      else await lookAtAll();
    });
  }

  /** Marks of tenants have changed. */
  function remark(): Promise<void> {
    return inTurn(async () => {
      const changed = fleet.remark();
      carryOut(changed);
      for (const name of changed) {
        await tenants.get(name)?.certificate.look();
        tellNames(name);
      }
    });
  }

  async function reloadConfig(): Promise<void> {
    const { config, problems } = await loadDaemonConfig(parts.configFile);
    state.configProblems = [...problems];
    if (!config) return log.warn({ problems: problems.length }, 'tenantd.yaml is broken: the last good version stays');
    noteDaemonFile(context, config);
    state.configProblems = [...problems, ...restartProblems(state.config, config, parts.configFile)];
    await configureCerts(config);
    context.sessions.configure(config.shells);
    edge.configure(config.edge);
    carryOut(fleet.setPlans(config));
  }

  /** Of what the edges listen on: a change there takes a restart. */
  async function configureCerts({ acme }: DaemonConfig): Promise<void> {
    if (!certs) return;
    const { http, https } = state.config;
    const { configuration, problems } = await readCertsConfiguration(
      { http, ...(https && { https }), ...(acme && { acme }) },
      parts.configFile,
    );
    certsProblems.splice(0, certsProblems.length, ...problems);
    certs.configure(configuration);
  }

  async function reload(withEdges = false): Promise<ReloadResult> {
    const before = new Set(fleet.names());
    await reloadConfig();
    const changed = await rescan();
    for (const tenant of tenants.values()) {
      tenant.picture.markStale();
      reconciler.request(tenant.name);
    }
    await reconciler.idle();
    const edges = withEdges ? await edge.replace() : undefined;
    const after = new Set(fleet.names());
    return {
      ...(edges && { edges }),
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
    const ofParts = [fleet, parts.disks, parts.durable, edge].flatMap((part) => part.problems());
    return [...state.configProblems, ...ofParts, ...certsProblems, ...watchProblems, ...context.drift.problems('')];
  }

  function status(only?: TenantName): Status {
    const shown = tenantStatuses(context, fleet, tenants.values());
    const wanted = shown.filter(({ name }) => only === undefined || name === only);
    return { ...ownStatus(state, edge.edgePids(), certs?.pid() ?? 0), problems: daemonProblems(), tenants: wanted };
  }

  async function stopAll(): Promise<void> {
    await reconciler.idle();
    // Whatever was found on the disk, or not: now nothing is wanted.
    state.hasScanned = true;
    for (const { picture } of tenants.values()) picture.setDesired(undefined);
    for (const name of tenants.keys()) reconciler.request(name);
    // First what comes in, so that what the apps still serve can end.
    await Promise.all([edge.stop(edgeGraceMs), certs?.stop()]);
    await reconciler.idle();
    reconciler.stop();
    tellLeft(log, tenants);
  }

  return {
    ...{ takeUp, inBackground, rescan, refresh, remark, reloadConfig, reload, status, stopAll, tellNames },
    leaveAll: () => leave(reconciler),
    tenants: () => [...tenants.values()],
    findTenant: (name: string) => (isTenantName(name) ? tenants.get(name) : undefined),
    noteWatchProblem: (problem: Problem) => watchProblems.splice(0, watchProblems.length, problem),
  };
}

/** What is remembered of a thousand of them waits for the disk once. */
function setTogether({ store, log }: TenantContext, changes: readonly (readonly [Tenant, DesiredTenant | undefined])[]): void {
  const setAll = (): void => changes.forEach(([{ picture }, desired]) => picture.setDesired(desired));
  try {
    store.together(() => {
      setAll();
      for (const [{ picture }] of changes) picture.apps();
    });
  } catch (error) {
    log.error({ error: messageOf(error) }, 'what tenants are to run could not be written');
    setAll();
  }
}

/** What a step has begun, it ends; what it does not end in time, the next daemon finds as it is. */
async function leave(reconciler: Reconciler): Promise<void> {
  reconciler.stop();
  await Promise.race([reconciler.idle(), delay(leaveMs, undefined, { ref: false })]);
}

function tellLeft(log: Log, tenants: ReadonlyMap<TenantName, Tenant>): void {
  for (const tenant of tenants.values())
    if (!tenant.isGone()) log.error({ tenant: tenant.name }, 'something of the tenant could not be stopped');
}

/** What could not be written for want of room on the disk is, once there is some. */
function createRetry(again: () => void): (isOwing: boolean) => void {
  let timer: NodeJS.Timeout | undefined;
  return (isOwing) => {
    clearTimeout(timer);
    if (isOwing) timer = setTimeout(again, tryAgainMs).unref();
  };
}

function isRole(role: unknown, name: string): boolean {
  return typeof role === 'object' && role !== null && 'role' in role && role.role === name;
}

/** Of the daemon and what serves all tenants. */
function ownStatus(
  { config, startedAt }: DaemonState,
  edgePids: readonly number[],
  certsPid: number,
): Omit<Status, 'problems' | 'tenants'> {
  return {
    ...{ version, pid: process.pid, startedAt: startedAt.toISOString(), certs: { pid: certsPid } },
    edge: {
      processes: edgePids.map((pid) => ({ pid })),
      http: config.http.listen.map(showAddress),
      https: (config.https?.listen ?? []).map(showAddress),
    },
  };
}

/** What only a new daemon can carry out; of `edge`, see the edges' own problems. */
function restartProblems(running: DaemonConfig, wanted: DaemonConfig, file: string): Problem[] {
  return restartKeys(running, wanted).map((key) => ({
    ...{ code: 'TENANTD_E_RESTART_NEEDED', message: `\`${key}\` changed`, fix: 'restart tenantd: it takes effect then', file },
  }));
}

/** Keys whose value is another one in `wanted`. */
export function restartKeys(running: DaemonConfig, wanted: DaemonConfig): (keyof DaemonConfig)[] {
  const { plans: _, defaultPlan: __, acme: ___, shells: ____, releases: _____, edge: ______, ...fixed } = running;
  const keys = Object.keys(fixed) as (keyof typeof fixed)[];
  return keys.filter((key) => JSON.stringify(running[key]) !== JSON.stringify(wanted[key]));
}
