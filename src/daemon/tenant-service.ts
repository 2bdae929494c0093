import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName, WorkerId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { localRelease } from '../base/release-ids.ts';
import type { AppRoute, AppRouteState, Upstream } from '../protocol/edge.ts';
import { awaitListening } from './await-listening.ts';
import { nodeOptionsOf, tmpBytesOf, tmpInodesOf, toWorkerSettings } from './app-order.ts';
import type { EdgeLink } from './edge-link.ts';
import type { FaultBook } from './fault-book.ts';
import { type Machine, tenantGroup } from './machine.ts';
import { createRate } from './rate.ts';
import type { Shares } from './shares.ts';
import type { SandboxExit } from './sandbox-registry.ts';
import type { HostedAppState } from './host-handlers.ts';
import type { SecretVault } from './secret-vault.ts';
import type { TenantHost } from './tenant-host.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { TenantResources } from './tenant-resources.ts';
import { appTwin, type Twin, userTwin } from './twin.ts';
import { createWorkers, type Worker, type Workers } from './workers.ts';

/**
 * What serves a tenant's requests: its workers, started and ended as its host asks, and what the edge knows of them.
 *
 * Invariants:
 * - What a worker runs comes from the picture alone, never from what the host says.
 * - A worker that is to end is unlisted at the edge first: no new request reaches it.
 */
export interface TenantService {
  readonly workers: Workers;
  startWorker(app: AppName): Promise<Worker>;
  /**
   * One worker for those who wait: it serves from when it listens, whether its host is there to say so or not. Settles then, or a
   * little later: what else is to be started would take the processor from it.
   */
  startWoken(app: AppName): Promise<void>;
  /** It listens: the edge may send requests. */
  serve(id: WorkerId): void;
  /** No new requests, the open ones finished, SIGTERM, SIGKILL; the drain time for each. */
  endWorker(id: WorkerId, reason: string, hung?: boolean): Promise<void>;
  /** Goes on with what the daemon before did not live to end. */
  endLeft(): void;
  /** No new requests; it goes on with what it has. */
  unlist(id: WorkerId): void;
  /** Logs that an app answers, and where. */
  announce(app: AppName): void;
  routeOf(app: AppName): AppRoute;
  /** A sandbox as the app's workers have it, or one of the tenant's own user. Only while the tenant is prepared. */
  twinOf(app?: AppName): Twin;
  /** Tells the edge, if it knows the tenant. */
  publish(app: AppName): void;
}

export interface TenantServiceParts {
  machine: Machine;
  edge: EdgeLink;
  log: Log;
  vault: SecretVault;
  tenant: TenantName;
  picture: TenantPicture;
  resources: TenantResources;
  host: () => TenantHost;
  /** What the host said last of an app's state. */
  toldState: (app: AppName) => HostedAppState['state'] | undefined;
  /** The host serves it, as a static app. */
  isStaticServed: (app: AppName) => boolean;
  sharesOf: Shares['of'];
  isPublished: () => boolean;
  /** A worker became ready; before the edge hears of it. */
  onReady: (app: AppName) => void;
  urlsOf: (app: AppName) => string[];
  faults: Pick<FaultBook, 'note'>;
  /** Something that is waited for, or shown, may be different now. */
  readonly onChange: () => void;
}

const hostAnswerTimeLimitMs = 5_000;
/** In which most apps listen. */
const headStartMs = 100;
const hungGraceMs = 1_000;
const leastHoldMs = 10_000;
const mostHoldMs = 60_000;

export function createTenantService(parts: TenantServiceParts): TenantService {
  const { machine, edge, log, tenant, picture, resources } = parts;
  const workers: Workers = createWorkers({ machine, tenant, hostUser: () => resources.user(), onExit: noteExit, onGone: parts.onChange });
  const starting = new Map<AppName, number>();
  const startRate = createRate({ burst: 40, perSecond: 4, nowMs: Date.now });

  async function startWorker(app: AppName): Promise<Worker> {
    const known = picture.apps().get(app);
    const settings = known && toWorkerSettings(known.order);
    if (!settings || known.spec.desired === 'stopped') {
      throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${tenant}/${app} is not to run`, 'see tenantctl status');
    }
    assertMayStart(app, known.order.maxWorkers);
    const { manifest, heapMegabytes, tmpBytes } = known.order;
    const size = { heapMegabytes, tmpBytes };
    const nodeOptions = nodeOptionsOf(app, known.order);
    const { generation } = known.spec;
    const handOver = parts.vault.handOver(tenant, app);
    const order = { app, generation, drainMs: manifest.drainMs, settings, nodeOptions, size, twin: twinOf(app), handOver };
    starting.set(app, startingOf(app) + 1);
    const worker = await workers.start(order).finally(() => starting.set(app, startingOf(app) - 1));
    parts.onChange();
    return worker;
  }

  function twinOf(app?: AppName): Twin {
    const shares = parts.sharesOf(picture.desired()?.sharedBy ?? []);
    const around = { machine, tenant, launch: { ...resources.surroundings(), shares } };
    if (app === undefined) {
      const limits = picture.limits();
      const user = resources.ensureUser();
      const appsDir = picture.appsDir() ?? machine.paths.emptyDir;
      return userTwin(around, { user, appsDir, tmpBytes: tmpBytesOf(limits), tmpInodes: tmpInodesOf(limits) });
    }
    const known = picture.apps().get(app);
    if (!known)
      throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${tenant} has no app ${app} that can run`, `see tenantctl status ${tenant}`);
    return appTwin(around, { app, uid: resources.ensureApp(app).uid, order: known.order });
  }

  async function startWoken(app: AppName): Promise<void> {
    const worker = await startWorker(app);
    // Its host finds out by itself what its health path says.
    if (picture.apps().get(app)?.order.manifest.health) return;
    const ended = new AbortController();
    void worker.gone.then(() => ended.abort());
    const own = (connection: Socket): void => machine.stalls.own(connection, tenantGroup(tenant), () => void worker.sandbox.stop(0));
    const listening = awaitListening(machine.paths.socketOf(tenant, worker.socket), { signal: ended.signal, own }).then((listens) => {
      if (listens) serve(worker.id);
    });
    await Promise.race([listening, delay(headStartMs)]);
  }

  function startingOf(app: AppName): number {
    return starting.get(app) ?? 0;
  }

  /** A host that asks for ever more gets no more than twice what is wanted (old and new side by side). */
  function assertMayStart(app: AppName, wantedWorkers: number): void {
    const living = workers.all().filter((worker) => worker.app === app).length + startingOf(app);
    if (living < 2 * wantedWorkers + 2 && startRate.take()) return;
    throw new TenantdError('TENANTD_E_DENIED', `${tenant}/${app} has ${living} workers, or starts too often`, 'it is tried again later');
  }

  async function endWorker(worker: Worker, reason: string, hung: boolean): Promise<void> {
    if (worker.draining) return worker.gone;
    if (hung) parts.faults.note({ tenant, app: worker.app, kind: 'hang', detail: `a worker was replaced: ${reason}` });
    worker.draining = true;
    workers.markEnding(worker);
    log.info({ tenant, app: worker.app, worker: worker.id, reason }, 'a worker is stopped');
    publish(worker.app);
    // One that hangs answers none of its requests, and hears no signal.
    if (!hung) await edge.drainUpstream(worker.id, worker.drainMs);
    await worker.sandbox.stop(hung ? hungGraceMs : worker.drainMs);
    await worker.gone;
  }

  async function noteExit(worker: Worker, { exitCode, outOfMemory }: SandboxExit): Promise<void> {
    if (!worker.draining) log.warn({ tenant, app: worker.app, worker: worker.id, exitCode, outOfMemory }, 'a worker ended');
    worker.draining = true;
    publish(worker.app);
    const host = parts.host();
    if (host.state() !== 'connected') return;
    await host.request('worker-exited', { workerId: worker.id, exitCode, outOfMemory }, hostAnswerTimeLimitMs).catch((error: unknown) => {
      log.warn({ tenant, worker: worker.id, error: messageOf(error) }, 'the tenant host was not told of an exit');
    });
  }

  function publish(app: AppName): void {
    if (parts.isPublished() && picture.apps().has(app)) edge.setApp(tenant, routeOf(app));
    parts.onChange();
  }

  function routeOf(app: AppName): AppRoute {
    const known = picture.apps().get(app);
    const upstreams = upstreamsOf(app, known?.served.manifest.kind === 'static');
    const { compress = false, noWake, startTimeoutMs = 0 } = known?.served.manifest ?? {};
    const state = routeState(app, upstreams.length > 0);
    const release = known?.served.release ?? localRelease;
    // Whoever comes to an app that sleeps waits for as long as it may take to start.
    const holdMs = Math.max(leastHoldMs, Math.min(startTimeoutMs, mostHoldMs));
    return { app, state, upstreams, release, compress, holdMs, ...(noWake && { noWake }) };
  }

  /** An app that was of another kind until now is served as that for as long as it takes. */
  function upstreamsOf(app: AppName, isStatic: boolean): Upstream[] {
    const [own, other] = isStatic ? [staticUpstreams, workerUpstreams] : [workerUpstreams, staticUpstreams];
    const upstreams = own(app);
    return upstreams.length > 0 ? upstreams : other(app);
  }

  /** The tenant host itself serves static apps, all on one socket. */
  function staticUpstreams(app: AppName): Upstream[] {
    if (picture.asleepSince(app) !== undefined || !parts.isStaticServed(app)) return [];
    return [{ id: `static.${tenant}`, socket: `${tenant}/${parts.host().staticSocket()}` }];
  }

  function workerUpstreams(app: AppName): Upstream[] {
    // Those of a release that is tried serve once all of them are ready.
    const tried = picture.triedGeneration(app);
    const ready = workers.all().filter((worker) => worker.app === app && isListed(worker) && worker.generation !== tried);
    const spec = picture.apps().get(app)?.spec;
    const current = ready.filter(({ generation }) => generation === spec?.generation);
    // From when there are enough of them nobody gets to the ones before, which end now: who saw the newer release sees no older one again.
    const listed = current.length >= (spec?.workers ?? 1) ? current : ready;
    return listed.map(({ id, socket }) => ({ id, socket: `${tenant}/${socket}` }));
  }

  function routeState(app: AppName, isReady: boolean): AppRouteState {
    if (picture.isStopped(app) || picture.desired()?.suspended) return 'stopped';
    if (picture.asleepSince(app) !== undefined) return 'sleeping';
    if (isReady) return 'ready';
    const told = parts.toldState(app);
    return told === 'failed' || told === 'quarantined' ? told : 'starting';
  }

  function serve(id: WorkerId): void {
    const worker = workers.get(id);
    if (!worker || worker.draining || worker.ready) return;
    workers.markReady(worker);
    parts.onReady(worker.app);
    publish(worker.app);
    announce(worker.app, { worker: id });
  }

  /** Where it answers: what a person at a terminal waits for. */
  function announce(app: AppName, fields: object = {}): void {
    const urls = parts.urlsOf(app);
    log.info({ tenant, app, ...fields }, `${tenant}/${app} answers at ${urls.join(' ') || 'no address'}`);
  }

  return {
    workers,
    announce,
    startWorker,
    startWoken,
    serve,
    async endWorker(id, reason, hung = false) {
      const worker = workers.get(id);
      if (worker) await endWorker(worker, reason, hung);
    },
    endLeft() {
      workers.clearLeft(parts.host().staticSocket());
      for (const worker of workers.all()) if (worker.unlisted) void endWorker(worker, 'it was to end before the daemon was away', false);
    },
    unlist(id) {
      const worker = workers.get(id);
      if (!worker || worker.draining || worker.unlisted) return;
      worker.unlisted = true;
      publish(worker.app);
    },
    routeOf,
    twinOf,
    publish,
  };
}

/** Requests may be sent to it. */
function isListed({ ready, draining, unlisted }: Worker): boolean {
  return ready && !draining && !unlisted;
}
