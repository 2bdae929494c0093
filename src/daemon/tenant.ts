import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { UnixUser } from '../privileged/users.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { UrlOf } from './addresses.ts';
import type { CertsLink } from './certs-link.ts';
import type { EdgeLink } from './edge-link.ts';
import type { Egress } from './egress.ts';
import type { HostedAppState } from './host-handlers.ts';
import { createHostedApps, type HostedApps } from './hosted-apps.ts';
import type { layerProblems } from './layers.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import type { Machine } from './machine.ts';
import type { JobOwner } from './manifests.ts';
import { createOwnCertificate, type OwnCertificate } from './own-certificate.ts';
import { type ActualTenant, nextStep } from './plan.ts';
import type { ResolverLink } from './resolver-link.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Shares } from './shares.ts';
import type { SecretVault } from './secret-vault.ts';
import type { Sessions } from './shell-sessions.ts';
import type { Store } from './store.ts';
import { createTenantEgress } from './tenant-egress.ts';
import { createTenantHost, type TenantHost } from './tenant-host.ts';
import { createTenantPicture, type TenantPicture } from './tenant-picture.ts';
import { createTenantResources, type TenantResources } from './tenant-resources.ts';
import { createWaiters, type Waiters } from './waiters.ts';
import { createTenantService, type TenantService } from './tenant-service.ts';
import { createSteps, executeStep, jobOwnerOf, type StepRecord } from './tenant-steps.ts';
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
  vault: SecretVault;
  sharesOf: Shares['of'];
  /** A tenant's disk is there, or has a fault. */
  onDisk: () => void;
  drift: Pick<DriftBook, 'problems'>;
  stalls: Pick<StallBook, 'problems'>;
  egress: Egress;
  resolver: ResolverLink;
  sessions: Sessions;
  layers: ReturnType<typeof layerProblems>;
  withNetwork: boolean;
  withDisk: boolean;
  urlOf: UrlOf;
  /** Nothing is wanted of it and nothing is there any more. */
  onGone: (tenant: TenantName) => void;
  /** Takes the tenant's steps soon. */
  requestReconcile: (tenant: TenantName) => void;
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
  readonly certificate: OwnCertificate;
  stateOf(app: AppName): HostedAppState | undefined;
  problems(): Problem[];
  urlsOf(app: AppName): string[];
  /** A sandbox as the app's workers have it, or one of the tenant's own user: for shells and probes. Throws while there can be none. */
  twinOf(app?: AppName): Twin;
  /** Its host knows what to run. */
  isConfigured(): boolean;
  /** Nothing is wanted of it and nothing is there. */
  isGone(): boolean;
  /** Tells the edge of what was taken up, before any step: from what is stored. */
  publishAdopted(): void;
  /** Takes the next step; false when there is none now. */
  advance(): Promise<boolean>;
  replaceWorkers(app: AppName): void;
  /** Replaces an app's workers if its secrets are others than when they were held (`picture.holdSecrets`). */
  releaseSecrets(app: AppName): void;
  setStopped(app: AppName, stopped: boolean): void;
  /** Stops it, so that its disk is unmounted and checked, and starts it again; requests wait meanwhile. */
  remount(): void;
  adopt(sandbox: Sandbox, role: 'host' | 'worker'): void;
}

const retryPolicy: BackoffPolicy = { firstMs: 1_000, maxMs: 60_000, healthyMs: 0 };

export function createTenant(context: TenantContext, name: TenantName): Tenant {
  const { machine, store, edge, log } = context;
  const egressKey = context.egress.isThere(name) ? 'left' : '';
  const actual: StepRecord = { prepared: false, leftovers: false, limitsKey: '', egressKey, routesKey: '', configureKey: '' };
  let failedSteps = 0;
  let remounting = false;
  const stepProblems = new Map<string, Problem>();

  const picture = createTenantPicture(store, name);
  const certificate = createOwnCertificate({ edge, picture, paths: machine.paths, tenant: name, log });
  const waiters = createWaiters();
  const resources = createTenantResources({
    machine,
    store,
    tenant: name,
    userPrefix: context.userPrefix,
    withNetwork: context.withNetwork,
    withDisk: context.withDisk,
  });
  const egress = createTenantEgress(context.egress, name, log, () => {
    actual.egressKey = 'failed';
    context.requestReconcile(name);
  });
  const user = (): UnixUser => resources.user();
  const service: TenantService = createTenantService({
    ...{ machine, edge, log, vault: context.vault, sharesOf: context.sharesOf, tenant: name, picture, resources, urlsOf },
    host: () => host,
    toldState: (app) => hosted.stateOf(app)?.state,
    isPublished: () => actual.routesKey !== '',
    onChange: waiters.notify,
  });
  const hosted: HostedApps = createHostedApps({
    ...{ picture, startWorker, service: () => service, onLogLines: (event) => logs.hear(event) },
    onManifestsChanged(apps) {
      picture.markStale(apps);
      context.requestReconcile(name);
    },
  });
  const host: TenantHost = createTenantHost({ machine, tenant: name, user, handlers: hosted.handlers, onChange: hostChanged });
  const owner = (): JobOwner => jobOwnerOf(machine, resources, picture);
  const logs: LogReader = createLogReader({ machine, host, owner });
  const steps = createSteps({ context, name, actual, picture, resources, host, service, logs, owner, hosted, egress, noteLimits });
  const { workers } = service;

  /** Why a worker could not be started is the tenant's problem until one could. */
  async function startWorker(app: AppName): Promise<Worker> {
    try {
      const worker = await service.startWorker(app);
      stepProblems.delete(`start ${app}`);
      return worker;
    } catch (error) {
      const problem = toProblem(error);
      // Of secrets that can't be opened the vault tells, once for all apps. A host may name apps that there are not.
      if (problem.code !== 'TENANTD_E_SECRETS' && picture.apps().has(app)) stepProblems.set(`start ${app}`, { ...problem, app });
      throw error;
    }
  }

  function hostChanged(): void {
    actual.configureKey = '';
    if (!host.isAlive()) hosted.forgetStatic();
    waiters.notify();
    context.requestReconcile(name);
  }

  // Steps

  function observe(): ActualTenant {
    // What is taken down to come back keeps its routes.
    const kept = remounting && picture.desired() && { routesKey: '' };
    const sessions = context.sessions.countOf(name);
    return { ...actual, ...kept, host: host.state(), hostAppsDirId: host.appsDirId(), workers: workers.all().length, sessions };
  }

  async function advance(): Promise<boolean> {
    if (!actual.leftovers) remounting = false;
    const step = nextStep(context.layers.blocking || remounting ? undefined : picture.wanted(), observe());
    if (!step && !picture.desired()) context.onGone(name);
    if (!step) return false;
    try {
      await executeStep(steps, step);
      stepProblems.delete(step.do);
      failedSteps = 0;
      return true;
    } catch (error) {
      const problem = toProblem(error);
      stepProblems.set(step.do, problem);
      log.error({ tenant: name, step: step.do, code: problem.code }, problem.message);
      tryAgainLater();
      return false;
    } finally {
      waiters.notify();
    }
  }

  function noteLimits(inForce: boolean): void {
    stepProblems.delete('limits');
    if (inForce) return;
    const message = 'holds more memory than its plan has now: the limit before stays until it fits';
    stepProblems.set('limits', { code: 'TENANTD_E_LAYER_MISSING', message, fix: 'wait for its apps to shrink, or restart them' });
    setTimeout(() => {
      actual.limitsKey = '';
      context.requestReconcile(name);
    }, retryPolicy.firstMs).unref();
  }

  function tryAgainLater(): void {
    failedSteps += 1;
    setTimeout(() => context.requestReconcile(name), backoffDelayMs(retryPolicy, failedSteps)).unref();
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
      ...context.drift.problems(name),
      ...context.stalls.problems(name),
      ...context.layers.problems,
      ...resources.disk.problems(),
      ...egress.problems(),
      ...stepProblems.values(),
      ...hostProblems(host),
      ...hosted.problems(),
    ];
    return all.map((problem) => Object.assign({}, problem, { tenant: name }));
  }

  return {
    ...{ name, picture, resources, host, workers, waiters, logs, certificate, advance, problems, urlsOf },
    stateOf: (app) => hosted.stateOf(app),
    twinOf(app) {
      if (actual.prepared && picture.desired()) return service.twinOf(app);
      throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `${name} does not run`, `see tenantctl status ${name}`);
    },
    isConfigured: () => actual.configureKey !== '',
    isGone: () => !picture.desired() && nextStep(undefined, observe()) === undefined,
    publishAdopted() {
      if (workers.all().length === 0 || picture.wanted()?.appsWithoutManifest.length !== 0) return;
      void steps['publish-routes']({ do: 'publish-routes' });
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
    remount() {
      if (remounting) return;
      remounting = true;
      log.warn({ tenant: name }, 'is stopped and started again: its disk has to be checked');
      context.onDisk();
      context.requestReconcile(name);
    },
    adopt(sandbox, role) {
      actual.leftovers = true;
      resources.takeNetworkOf(sandbox);
      if (role === 'host') host.adopt(sandbox);
      else workers.adopt(sandbox);
    },
  };
}

function hostProblems(host: TenantHost): Problem[] {
  if (host.failures() < 3) return [];
  return [
    { code: 'TENANTD_E_HOST_FAILED', message: `the tenant host ended ${host.failures()} times in a row`, fix: 'see the log of the daemon' },
  ];
}

function toProblem(error: unknown): Problem {
  if (error instanceof TenantdError) return { code: error.code, message: error.message, fix: error.fix };
  return { code: 'TENANTD_E_INTERNAL', message: messageOf(error), fix: 'see the log of the daemon' };
}
