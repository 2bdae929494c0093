import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { AppState, TenantState } from '../protocol/control.ts';
import type { ScheduleStatus } from '../protocol/schedule-calls.ts';
import type { UrlOf } from './addresses.ts';
import type { CertsLink } from './certs-link.ts';
import type { AppUse, EdgeLink } from './edge-link.ts';
import type { Egress } from './egress.ts';
import type { AppLives } from './app-lives.ts';
import type { FaultBook } from './fault-book.ts';
import type { HostedAppState } from './host-handlers.ts';
import { createHostedApps, type HostedApps } from './hosted-apps.ts';
import type { layerProblems } from './layers.ts';
import type { Journal } from './journal.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import type { Machine } from './machine.ts';
import type { JobOwner } from './manifests.ts';
import { createOwnCertificate, type OwnCertificate } from './own-certificate.ts';
import { sizeProblems } from './plan-changes.ts';
import type { Reconciler } from './reconciler.ts';
import type { ReleaseCandidate } from './release-trial.ts';
import type { Releases } from './releases.ts';
import type { Removals } from './tenant-removal.ts';
import type { Rest } from './rest.ts';
import type { ResolverLink } from './resolver-link.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Shares } from './shares.ts';
import type { Schedules } from './schedule-keeper.ts';
import type { SecretVault } from './secret-vault.ts';
import type { Sessions } from './shell-sessions.ts';
import type { Store } from './store.ts';
import { createTenantEgress } from './tenant-egress.ts';
import { createTenantHost, type TenantHost } from './tenant-host.ts';
import { createTenantLifecycle, hostFailuresInARow, type TenantLifecycle } from './tenant-lifecycle.ts';
import { createTenantPicture, type TenantPicture } from './tenant-picture.ts';
import { createTenantResources, type TenantResources } from './tenant-resources.ts';
import { createWaiters, type Waiters } from './waiters.ts';
import { createTenantService, type TenantService } from './tenant-service.ts';
import { createTenantProgress, type TenantProgress, toProblem } from './tenant-progress.ts';
import { jobOwnerOf, type StepRecord } from './tenant-steps.ts';
import type { Twin } from './twin.ts';
import type { StallBook } from './stall-book.ts';
import type { DriftBook } from './verify-drift.ts';
import type { Worker, Workers } from './workers.ts';

export interface TenantContext {
  machine: Machine;
  store: Store;
  edge: EdgeLink;
  /** Undefined without https. */
  certs: CertsLink | undefined;
  log: Log;
  userPrefix: string;
  logs: { maxBytes: number; keep: number };
  /** Absent: what apps print does not go there. */
  journal?: Journal | undefined;
  vault: SecretVault;
  schedules: Pick<Schedules, 'ended' | 'problems' | 'statusOf'>;
  sharesOf: Shares['of'];
  /** A tenant's disk is there, or has a fault. */
  onDisk: () => void;
  drift: Pick<DriftBook, 'problems'>;
  releases: Pick<Releases, 'problems'>;
  removals: Pick<Removals, 'problems'>;
  stalls: Pick<StallBook, 'problems'>;
  faults: Pick<FaultBook, 'note' | 'newest' | 'forget'>;
  egress: Egress;
  resolver: ResolverLink;
  sessions: Sessions;
  layers: ReturnType<typeof layerProblems>;
  withNetwork: boolean;
  withDisk: boolean;
  urlOf: UrlOf;
  /** Nothing is wanted of it and nothing is there any more. */
  onGone: (tenant: TenantName) => void;
  /** An app of it has another state. */
  onAppState: (tenant: TenantName, app: AppName, state: AppState) => void;
  /** Another tenant that is up reads what this one shares: its disk has to be there. */
  lendsDisk: (tenant: TenantName) => boolean;
  /** Settles when the disks are there from which this one reads, or could not be had in time. */
  openLent: (tenant: TenantName) => Promise<void>;
  /** Takes the tenant's steps soon. */
  requestReconcile: (tenant: TenantName) => void;
  outOfTurn: Reconciler['outOfTurn'];
}

/**
 * One tenant that is, or was, or is to be: what is wanted of it beside what is there, and the steps between.
 *
 * Invariants:
 * - `advance` runs for one tenant at a time (the reconciler sees to it), and every step leaves what it did in `actual()`.
 */
export interface Tenant {
  readonly name: TenantName;
  readonly picture: TenantPicture;
  readonly resources: TenantResources;
  readonly host: TenantHost;
  readonly workers: Workers;
  readonly waiters: Waiters;
  readonly logs: LogReader;
  readonly rest: Rest;
  readonly certificate: OwnCertificate;
  /** What its host said of it last. */
  stateOf(app: AppName): HostedAppState | undefined;
  readonly lives: AppLives;
  /** Its own state, and since when. */
  life(): { state: TenantState; sinceMs: number };
  problems(): Problem[];
  schedulesOf(app: AppName): ScheduleStatus[];
  urlsOf(app: AppName): string[];
  /** A sandbox as the app's workers have it, or one of the tenant's own user: for shells and probes. Throws while there can be none. */
  twinOf(app?: AppName): Twin;
  /** Its host knows what to run. */
  isConfigured(): boolean;
  /** Nothing is wanted of it and nothing is there. */
  isGone(): boolean;
  /** The edge knows it. */
  isRouted(): boolean;
  /** Nothing of it is there but, perhaps, its routes. */
  isDown(): boolean;
  /** Tells the edge of what was taken up, before any step: from what is stored. */
  publishAdopted(): void;
  /** Takes the next step; false when there is none now. */
  advance(): Promise<boolean>;
  replaceWorkers(app: AppName): void;
  /** Replaces an app's workers if its secrets are others than when they were held (`picture.holdSecrets`). */
  releaseSecrets(app: AppName): void;
  setStopped(app: AppName, stopped: boolean): void;
  setScale(app: AppName, workers: number | undefined): void;
  /** Stops it, so that its disk is unmounted and checked, and starts it again; requests wait meanwhile. */
  remount(): void;
  adopt(sandbox: Sandbox, role: 'host' | 'worker'): void;
  /**
   * Starts workers of a release beside those that serve, calls `commit` once they are ready, and lets the old ones end. Rejects with
   * TENANTD_E_APP_FAILED and what the app printed; then, as when this daemon ends before `commit`, nothing has changed.
   */
  tryRelease(app: AppName, candidate: ReleaseCandidate): Promise<void>;
  /**
   * Wakes the app, and keeps it awake until `release` is called; without one, keeps the tenant up whatever its apps do. `ready`: it serves,
   * or the tenant's host is there; rejects when that does not come.
   */
  keepAwake(app?: AppName): { ready: Promise<unknown>; release: () => void };
  /** Something of its own is to run. */
  isAwake(): boolean;
  /** Its user, disk and network are there. */
  isPrepared(): boolean;
  /** What the edge counts of its apps, while they are used. */
  noteUse(apps: readonly AppUse[]): void;
  /** Falls asleep, if nothing of it is open. */
  letSleep(app: AppName): Promise<boolean>;
}

/** Without what these are about, nothing of a tenant runs. */
const blockingCodes = new Set([
  ...['TENANTD_E_LAYER_MISSING', 'TENANTD_E_DISK_IMAGE', 'TENANTD_E_USER', 'TENANTD_E_SANDBOX', 'TENANTD_E_STATE', 'TENANTD_E_INTERNAL'],
]);
export function createTenant(context: TenantContext, name: TenantName): Tenant {
  const { machine, store, edge, log } = context;
  const egressKey = context.egress.isThere(name) ? 'left' : '';
  const actual: StepRecord = { prepared: false, leftovers: false, limitsKey: '', egressKey, routesKey: '', configureKey: '' };

  const picture = createTenantPicture(store, name);
  const certificate = createOwnCertificate({ edge, picture, paths: machine.paths, tenant: name, log });
  const waiters = createWaiters();
  const resources = createTenantResources({ ...context, tenant: name });
  const egress = createTenantEgress(context.egress, name, log, () => {
    actual.egressKey = 'failed';
    context.requestReconcile(name);
  });
  const service: TenantService = createTenantService({
    ...{ ...context, tenant: name, picture, resources, urlsOf },
    ...{ host: () => host, toldState: (app) => hosted.stateOf(app)?.state },
    isStaticServed: (app) => hosted.isStaticServed(app),
    isPublished: () => actual.routesKey !== '',
    onReady: (app) => lifecycle.trials.noteReady(app),
    onChange: () => lifecycle.changed(),
  });
  const hosted: HostedApps = createHostedApps({
    ...{ picture, startWorker, service: () => service },
    ...{ onLogLines: (event) => logs.hear(event), onStaticServed: (apps) => host.noteServed(apps) },
    scheduleEnded: (event) => context.schedules.ended(name, event),
    onManifestsChanged(apps) {
      picture.markStale(apps);
      context.requestReconcile(name);
    },
  });
  const host: TenantHost = createTenantHost({
    ...{ machine, tenant: name, user: resources.user, handlers: hosted.handlers, onChange: hostChanged },
  });
  const owner = (): JobOwner => jobOwnerOf(machine, resources, picture);
  const logs: LogReader = createLogReader({ machine, host, owner, holdUp: () => lifecycle.keepAwake() });
  context.journal?.follow(name, logs);
  const { workers } = service;
  const lifecycle: TenantLifecycle = createTenantLifecycle({
    ...{ tenant: name, picture, edge, log, waiters, service: () => service, host: () => host, stateOf: (app) => hosted.stateOf(app) },
    isConfigured: () => actual.configureKey !== '',
    isBlocked: () => problems().some(({ code }) => blockingCodes.has(code)),
    hasSessions: () => context.sessions.countOf(name) > 0,
    lendsDisk: () => context.lendsDisk(name),
    onAppState: (app, state) => context.onAppState(name, app, state),
    requestReconcile: () => context.requestReconcile(name),
  });
  const { rest, lives } = lifecycle;
  const progress: TenantProgress = createTenantProgress({
    ...{ context, name, actual, picture, resources, host, service, logs, owner, hosted, egress, rest },
    ...{ wanted: lifecycle.wanted, startWoken: lifecycle.startWoken, onStep: lifecycle.changed },
  });

  /** Why a worker could not be started is the tenant's problem until one could. */
  async function startWorker(app: AppName): Promise<Worker> {
    try {
      const worker = await service.startWorker(app);
      progress.forget(`start ${app}`);
      return worker;
    } catch (error) {
      const problem = toProblem(error);
      // Of secrets that can't be opened the vault tells, once for all apps. A host may name apps that there are not, or are not to run any more.
      if (problem.code !== 'TENANTD_E_SECRETS' && picture.apps().get(app)?.spec.desired === 'running')
        progress.note(`start ${app}`, { ...problem, app });
      throw error;
    }
  }

  function hostChanged(): void {
    actual.configureKey = '';
    if (!host.isAlive()) hosted.forgetStatic();
    lifecycle.changed();
    context.requestReconcile(name);
  }

  function urlsOf(app: AppName): string[] {
    return picture.urlsOf(app).map((at) => context.urlOf(at, edge.certificates.serves(name, at.host)));
  }

  function problems(): Problem[] {
    const all = [
      ...picture.problems(),
      ...certificate.problems(),
      ...(context.certs?.problems(name) ?? []),
      ...context.vault.problems(name),
      ...context.schedules.problems(name),
      ...context.drift.problems(name),
      ...context.releases.problems(name),
      ...context.stalls.problems(name),
      ...context.layers.problems,
      ...resources.disk.problems(),
      ...egress.problems(),
      ...progress.problems(),
      ...hostProblems(host),
      ...[...hosted.problems(), ...sizeProblems(name, picture, workers.all())],
    ];
    return all.map((problem) => Object.assign({}, problem, { tenant: name }));
  }

  return {
    ...{ name, picture, resources, host, workers, waiters, logs, rest, lives, certificate, problems, urlsOf, advance: progress.advance },
    life: () => lifecycle.life(),
    stateOf: (app) => hosted.stateOf(app),
    schedulesOf: (app) => context.schedules.statusOf(name, app),
    twinOf(app) {
      if (actual.prepared && picture.desired()) return service.twinOf(app);
      throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `${name} does not run`, `see tenantctl status ${name}`);
    },
    isConfigured: () => actual.configureKey !== '',
    isGone: progress.isGone,
    isRouted: () => actual.routesKey !== '',
    isDown: () => !actual.leftovers,
    publishAdopted() {
      service.endLeft();
      // Those without workers, too: edges forget what they are not told of. (Static apps, sleeping ones.)
      if (lifecycle.wanted()?.appsWithoutManifest.length !== 0) return;
      progress.publishRoutes();
      for (const app of new Set(workers.all().flatMap((worker) => (worker.ready ? [worker.app] : [])))) service.announce(app);
    },
    replaceWorkers(app) {
      picture.replaceWorkers(app);
      context.requestReconcile(name);
    },
    releaseSecrets(app) {
      picture.releaseSecrets(app);
      context.requestReconcile(name);
    },
    setStopped(app, stopped) {
      picture.setStopped(app, stopped);
      service.publish(app);
      context.requestReconcile(name);
    },
    setScale(app, workers) {
      picture.setScale(app, workers);
      context.requestReconcile(name);
    },
    remount() {
      if (!progress.remount()) return;
      log.warn({ tenant: name }, 'is stopped and started again: its disk has to be checked');
      context.onDisk();
      context.requestReconcile(name);
    },
    async tryRelease(app, candidate) {
      const release = rest.hold();
      try {
        await lifecycle.trials.run(app, candidate);
      } finally {
        release();
      }
    },
    keepAwake: lifecycle.keepAwake,
    noteUse: lifecycle.noteUse,
    letSleep: rest.fallAsleep,
    isAwake: lifecycle.isAwake,
    isPrepared: () => actual.prepared,
    adopt(sandbox, role) {
      actual.leftovers = true;
      resources.takeNetworkOf(sandbox);
      if (role === 'host') hosted.takeUpStatic(host.adopt(sandbox));
      else {
        const { app, generation } = workers.adopt(sandbox);
        picture.noteGeneration(app, generation);
        // Woken just before the daemon ended.
        if (picture.asleepSince(app) !== undefined) picture.wake(app);
      }
    },
  };
}

function hostProblems(host: TenantHost): Problem[] {
  if (host.failures() < hostFailuresInARow) return [];
  return [
    { code: 'TENANTD_E_HOST_FAILED', message: `the tenant host ended ${host.failures()} times in a row`, fix: 'see the log of the daemon' },
  ];
}
