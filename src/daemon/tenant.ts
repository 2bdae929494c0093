import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { AppRoute, AppRouteState } from '../protocol/edge.ts';
import type { HostSettings } from '../protocol/host.ts';
import { toWorkerSettings } from './app-order.ts';
import type { EdgeLink } from './edge-link.ts';
import { createHostHandlers, type HostedAppState } from './host-handlers.ts';
import type { layerProblems } from './layers.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import type { Machine } from './machine.ts';
import { type JobOwner, readManifests } from './manifests.ts';
import { type ActualTenant, nextStep, type Step } from './plan.ts';
import { createRate } from './rate.ts';
import type { Sandbox, SandboxExit } from './sandbox-registry.ts';
import type { Store } from './store.ts';
import { createTenantHost, type TenantHost } from './tenant-host.ts';
import { createTenantPicture, type TenantApp, type TenantPicture } from './tenant-picture.ts';
import { createTenantResources, type TenantResources } from './tenant-resources.ts';
import { createWaiters, type Waiters } from './waiters.ts';
import { createWorkers, toWorkerInfo, type Worker, type Workers } from './workers.ts';

export interface TenantContext {
  machine: Machine;
  store: Store;
  edge: EdgeLink;
  log: Log;
  userPrefix: string;
  logs: { maxBytes: number; keep: number };
  layers: ReturnType<typeof layerProblems>;
  withNetwork: boolean;
  /** An app's URL, with the port where it needs one. */
  urlOf: (at: { host: string; path: string }) => string;
  /** Takes the tenant's steps soon. */
  requestReconcile: (tenant: TenantName) => void;
}

/**
 * One tenant that is, or was, or is to be: what is wanted of it beside what is there, and the steps between.
 *
 * Invariants:
 * - `advance` runs for one tenant at a time (the reconciler sees to it), and every step leaves what it did in `actual()`.
 * - What an app runs from comes from the store and the operator's files alone, never from what the host says.
 * - A worker that is to end is unlisted at the edge first: no new request reaches it.
 */
export interface Tenant {
  readonly name: TenantName;
  readonly picture: TenantPicture;
  readonly resources: TenantResources;
  readonly host: TenantHost;
  readonly workers: Workers;
  readonly waiters: Waiters;
  readonly logs: LogReader;
  stateOf(app: AppName): HostedAppState | undefined;
  problems(): Problem[];
  urlsOf(app: AppName): string[];
  /** Its host knows what to run. */
  isConfigured(): boolean;
  /** Nothing is wanted of it and nothing is there. */
  isGone(): boolean;
  /** Takes the next step; false when there is none now. */
  advance(): Promise<boolean>;
  replaceWorkers(app: AppName): void;
  setStopped(app: AppName, stopped: boolean): void;
  adopt(sandbox: Sandbox, role: 'host' | 'worker'): void;
}

export function createTenant(context: TenantContext, name: TenantName): Tenant {
  const { machine, store, edge, log } = context;
  const { paths } = machine;
  const actual = { prepared: false, leftovers: false, limitsKey: '', routesKey: '', configureKey: '' };
  const stepProblems = new Map<string, Problem>();
  const appStates = new Map<AppName, HostedAppState>();
  const startRate = createRate({ burst: 40, perSecond: 4, nowMs: Date.now });

  const picture = createTenantPicture(store, name);
  const waiters = createWaiters();
  const resources = createTenantResources({
    machine,
    store,
    tenant: name,
    userPrefix: context.userPrefix,
    withNetwork: context.withNetwork,
  });
  const workers: Workers = createWorkers({ machine, tenant: name, hostUser: resources.user, onExit: tellExit });
  const host: TenantHost = createTenantHost({
    machine,
    tenant: name,
    user: resources.user,
    handlers: handlersForHost(),
    onChange: hostChanged,
  });
  const logs: LogReader = createLogReader({ machine, host, owner: jobOwner });

  function handlersForHost() {
    return createHostHandlers({
      appState(state) {
        appStates.set(state.app, state);
        publishApp(state.app);
      },
      startWorker,
      stopWorker(id, reason) {
        const worker = workers.get(id);
        if (worker) void endWorker(worker, reason);
      },
      workerReady(id) {
        const worker = workers.get(id);
        if (worker && !worker.draining) beginService(worker);
      },
      manifestChanged(app) {
        picture.markStale([app]);
        context.requestReconcile(name);
      },
      logLines: (event) => logs.hear(event),
    });
  }

  function hostChanged(): void {
    actual.configureKey = '';
    waiters.notify();
    context.requestReconcile(name);
  }

  // Steps

  function observe(): ActualTenant {
    return { ...actual, host: host.state(), hostAppsDirId: host.appsDirId(), workers: workers.all().length };
  }

  async function advance(): Promise<boolean> {
    const step = nextStep(context.layers.blocking ? undefined : picture.wanted(), observe());
    if (!step) return false;
    try {
      await execute(step);
      stepProblems.delete(step.do);
      return true;
    } catch (error) {
      const problem = toProblem(error);
      stepProblems.set(step.do, problem);
      log.error({ tenant: name, step: step.do, code: problem.code }, problem.message);
      return false;
    } finally {
      waiters.notify();
    }
  }

  const executors: { [Do in Step['do']]: (step: Extract<Step, { do: Do }>) => Promise<void> | void } = {
    async prepare() {
      actual.leftovers = true;
      await resources.prepare(picture.limits());
      actual.limitsKey = JSON.stringify(picture.limits());
      await host.open();
      actual.prepared = true;
    },
    'set-limits'() {
      resources.setLimits(picture.limits());
      actual.limitsKey = JSON.stringify(picture.limits());
    },
    async 'read-manifests'({ apps }) {
      picture.takeStale(apps);
      picture.setManifests(await readManifests(machine, jobOwner(), apps));
    },
    'publish-routes'() {
      actual.routesKey = picture.wanted()?.routesKey ?? '';
      edge.setTenant({ ...picture.routes(), apps: [...picture.apps().keys()].map(appRoute) });
    },
    async 'start-host'() {
      const { appsDir, appsDirId } = appsFolder();
      await host.start({ networkPath: resources.network()?.path, appsDir, appsDirId });
      for (const app of picture.apps().keys()) publishApp(app);
    },
    'configure-host': configureHost,
    'withdraw-routes'() {
      edge.removeTenant(name);
      actual.routesKey = '';
    },
    async 'stop-workers'() {
      await Promise.all(workers.all().map((worker) => endWorker(worker, 'the tenant is stopped')));
    },
    'stop-host': () => host.stop(),
    async dismantle() {
      await host.close();
      await resources.release();
      appStates.clear();
      Object.assign(actual, { prepared: false, leftovers: false, limitsKey: '', configureKey: '' });
    },
  };

  async function execute(step: Step): Promise<void> {
    // Each executor takes exactly the step of its own name.
    await (executors[step.do] as (step: Step) => Promise<void> | void)(step);
  }

  async function configureHost(): Promise<void> {
    const { maxBytes, keep } = context.logs;
    const settings: HostSettings = { tenant: name, logMaxBytes: maxBytes, logKeep: keep };
    const apps = picture.specs();
    await host.request('configure', {
      settings,
      apps,
      workers: workers
        .all()
        .filter(({ draining }) => !draining)
        .map(toWorkerInfo),
    });
    actual.configureKey = JSON.stringify(apps);
    for (const app of appStates.keys()) if (!apps.some((spec) => spec.app === app)) appStates.delete(app);
    await logs.resume();
  }

  function appsFolder(): { appsDir: string; appsDirId: string } {
    const appsDirId = picture.desired()?.appsDirId ?? '';
    return { appsDir: appsDirId === '' ? paths.emptyDir : paths.appsDirOf(name), appsDirId };
  }

  function jobOwner(): JobOwner {
    return { tenant: name, user: resources.user(), appsDir: appsFolder().appsDir, logsDir: paths.logsDirOf(name) };
  }

  // Workers

  function orderOf(app: AppName): TenantApp | undefined {
    return picture.apps().get(app);
  }

  async function startWorker(app: AppName): Promise<Worker> {
    const known = orderOf(app);
    const settings = known && toWorkerSettings(known.order);
    if (!settings || known.spec.desired === 'stopped')
      throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${name}/${app} is not to run`, 'see tenantctl status');
    assertMayStart(app, known.order.workers);
    const { uid } = resources.ensureApp(app);
    const { heapMegabytes, tmpBytes, manifest } = known.order;
    try {
      const worker = await workers.start({
        ...{ app, generation: known.spec.generation, settings, env: manifest.env, heapMegabytes, tmpBytes, uid },
        networkPath: resources.network()?.path,
      });
      stepProblems.delete(`start ${app}`);
      waiters.notify();
      return worker;
    } catch (error) {
      stepProblems.set(`start ${app}`, { ...toProblem(error), app });
      throw error;
    }
  }

  /** A host that asks for ever more gets no more than twice what is wanted (old and new side by side). */
  function assertMayStart(app: AppName, wantedWorkers: number): void {
    const living = workers.all().filter((worker) => worker.app === app).length;
    if (living < 2 * wantedWorkers + 2 && startRate.take()) return;
    throw new TenantdError('TENANTD_E_DENIED', `${name}/${app} has ${living} workers, or starts too often`, 'it is tried again later');
  }

  function beginService(worker: Worker): void {
    workers.markReady(worker);
    publishApp(worker.app);
    const urls = urlsOf(worker.app);
    log.info(
      { tenant: name, app: worker.app, worker: worker.id, urls },
      `${name}/${worker.app} answers at ${urls.join(' ') || 'no address'}`,
    );
  }

  async function endWorker(worker: Worker, reason: string): Promise<void> {
    if (worker.draining) return void (await worker.sandbox.exited);
    worker.draining = true;
    log.info({ tenant: name, app: worker.app, worker: worker.id, reason }, 'a worker is stopped');
    publishApp(worker.app);
    const drainMs = orderOf(worker.app)?.order.manifest.drainMs ?? 5_000;
    await edge.drainUpstream(worker.id, drainMs);
    await worker.sandbox.stop(drainMs);
  }

  async function tellExit(worker: Worker, { exitCode, outOfMemory }: SandboxExit): Promise<void> {
    const isExpected = worker.draining;
    worker.draining = true;
    publishApp(worker.app);
    if (!isExpected) log.warn({ tenant: name, app: worker.app, worker: worker.id, exitCode, outOfMemory }, 'a worker ended');
    if (host.state() !== 'connected') return;
    await host.request('worker-exited', { workerId: worker.id, exitCode, outOfMemory }, 5_000).catch((error: unknown) => {
      log.warn({ tenant: name, worker: worker.id, error: messageOf(error) }, 'the tenant host was not told of an exit');
    });
  }

  // What the edge is to know

  function publishApp(app: AppName): void {
    if (actual.routesKey !== '' && orderOf(app)) edge.setApp(name, appRoute(app));
    waiters.notify();
  }

  function appRoute(app: AppName): AppRoute {
    const known = orderOf(app);
    const upstreams = known?.spec.kind === 'static' ? staticUpstreams(app) : workerUpstreams(app);
    return { app, state: routeState(app, known, upstreams.length > 0), upstreams };
  }

  function staticUpstreams(app: AppName): AppRoute['upstreams'] {
    if (appStates.get(app)?.state !== 'running') return [];
    return [{ id: `static.${name}`, socket: `${name}/${host.staticSocket()}` }];
  }

  function workerUpstreams(app: AppName): AppRoute['upstreams'] {
    const ready = workers.all().filter((worker) => worker.app === app && worker.ready && !worker.draining);
    return ready.map(({ id, socket }) => ({ id, socket: `${name}/${socket}` }));
  }

  function routeState(app: AppName, known: TenantApp | undefined, isReady: boolean): AppRouteState {
    if (known?.spec.desired === 'stopped') return 'stopped';
    if (isReady) return 'ready';
    return appStates.get(app)?.state === 'failed' ? 'failed' : 'starting';
  }

  function urlsOf(app: AppName): string[] {
    return picture.urlsOf(app).map(context.urlOf);
  }

  function problems(): Problem[] {
    const all = [
      ...picture.problems(),
      ...context.layers.problems,
      ...stepProblems.values(),
      ...hostProblems(host),
      ...[...appStates.values()].flatMap(appProblems),
    ];
    return all.map((problem) => Object.assign({}, problem, { tenant: name }));
  }

  return {
    ...{ name, picture, resources, host, workers, waiters, logs, advance, problems, urlsOf },
    stateOf: (app) => appStates.get(app),
    isConfigured: () => actual.configureKey !== '',
    isGone: () => !picture.desired() && nextStep(undefined, observe()) === undefined,
    replaceWorkers(app) {
      picture.replaceWorkers(app);
      context.requestReconcile(name);
    },
    setStopped(app, stopped) {
      picture.setStopped(app, stopped);
      publishApp(app);
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

function appProblems({ app, state, code, reason }: HostedAppState): Problem[] {
  if (state !== 'failed' || !code) return [];
  return [{ code, message: `${app}: ${reason ?? 'failed'}`, fix: `see what it printed: tenantctl logs`, app }];
}

function toProblem(error: unknown): Problem {
  if (error instanceof TenantdError) return { code: error.code, message: error.message, fix: error.fix };
  return { code: 'TENANTD_E_INTERNAL', message: messageOf(error), fix: 'see the log of the daemon' };
}
