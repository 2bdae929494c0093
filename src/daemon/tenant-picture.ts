import type { AppName, TenantName } from '../base/ids.ts';
import { localRelease } from '../base/release-ids.ts';
import { messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import { type AppManifest, appManifestSchema } from '../config/app-manifest.ts';
import type { AppAnswer } from '../config/manifest-answer.ts';
import { type RouteRequest, routesOf } from '../config/routes.ts';
import type { Plan } from '../config/plans.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import type { TenantRoutes } from '../protocol/edge.ts';
import type { AppSpec } from '../protocol/host.ts';
import { type AppOrder, clampToPlan, generationKeyOf, toAppSpec } from './app-order.ts';
import type { AppFolder, DesiredTenant } from './desired.ts';
import { callsGranted } from './grant-ledger.ts';
import type { WantedTenant } from './plan.ts';
import type { Store, StoredApp } from './store.ts';

/** One app as it is to run. */
export interface TenantApp {
  order: AppOrder;
  spec: AppSpec;
  /** That its requests are for: `order`, but while another release is tried. */
  served: AppOrder;
}

/** A release that is tried before it is the app's. */
interface Candidate {
  release: string;
  manifest: AppManifest;
  generation: number;
  generationKey: string;
}

/**
 * What is wanted of a tenant: its operator's files, its stored manifests and the operator's overrides, put together.
 * The result is kept until one of them changes.
 */
export interface TenantPicture {
  readonly tenant: TenantName;
  desired(): DesiredTenant | undefined;
  setDesired(desired: DesiredTenant | undefined): void;
  apps(): ReadonlyMap<AppName, TenantApp>;
  /** That its requests are for, if it is known. */
  served(app: AppName): AppOrder | undefined;
  specs(): AppSpec[];
  routes(): Omit<TenantRoutes, 'apps'>;
  urlsOf(app: AppName): { host: string; path: string }[];
  limits(): Plan;
  egress(): TenantConfig['egress'];
  /** Undefined while the tenant has no `apps/`. */
  appsDir(): string | undefined;
  /** `isHeld`: it is to be up, whether its apps sleep or not. `woken`: apps to be started before its host is there. */
  wanted(isHeld: boolean, woken: readonly AppName[]): WantedTenant | undefined;
  problems(): Problem[];
  markStale(apps?: readonly AppName[]): void;
  /** Before a job reads them: what changes while it runs is read again. */
  takeStale(apps: readonly AppName[]): void;
  setManifests(results: ReadonlyMap<AppName, AppAnswer>): void;
  replaceWorkers(app: AppName): void;
  /** Its manifest can't be used, and no other is known. */
  isBroken(app: AppName): boolean;
  /** By the operator. */
  isStopped(app: AppName): boolean;
  setStopped(app: AppName, stopped: boolean): void;
  /** Undefined gives the number of workers back to the manifest. */
  setScale(app: AppName, workers: number | undefined): void;
  /** Since when it sleeps, in Unix time. */
  asleepSince(app: AppName): number | undefined;
  setAsleep(app: AppName, sinceMs: number): void;
  wake(app: AppName): void;
  /** That it was woken, if it still is awake. */
  rememberAwake(app: AppName): void;
  /** From now on the app's workers are to be of this release; its requests are still for the one before. Answers with their generation. */
  tryRelease(app: AppName, candidate: Pick<Candidate, 'release' | 'manifest'>): number;
  /** The generation of a release that is tried. */
  triedGeneration(app: AppName): number | undefined;
  /** The release is the app's. `commit` makes it so on the disk; when it throws, the one before still is. */
  commitRelease(app: AppName, commit: () => void): void;
  dropRelease(app: AppName): void;
  /** Workers of it live, from before the daemon's restart. */
  noteGeneration(app: AppName, generation: number): void;
  /** From now on each app is described with the secrets that it has now: not all are to be replaced at once. */
  holdSecrets(): void;
  /** Those whose secrets are others than when they were held; all the others are released. */
  heldApps(): AppName[];
  releaseSecrets(app: AppName): void;
}

export function createTenantPicture(store: Store, tenant: TenantName): TenantPicture {
  let desired: DesiredTenant | undefined;
  let kept: ReturnType<typeof describe> | undefined;
  const stale = new Set<AppName>();
  /** Their stored manifest is of another folder: not to be used before it was read again. */
  const outdated = new Set<AppName>();
  const heldSecrets = new Map<AppName, string>();
  const candidates = new Map<AppName, Candidate>();
  /** The highest generation that was ever given: one that was dropped is not given again. */
  const highest = new Map<AppName, number>();
  const asleep = new Map<AppName, number | undefined>();
  const stateProblems = new Map<AppName, Problem>();
  const manifestProblems = new Map<AppName, Problem[]>();

  function describe() {
    const folders = desired?.apps ?? [];
    const untried = new Map(folders.flatMap((folder) => describeApp(folder)));
    const apps = new Map(untried);
    for (const [app, candidate] of candidates) apps.set(app, describeCandidate(app, candidate, untried.get(app)));
    return { apps, routing: routesOf(routeRequest(untried)) };
  }

  function routeRequest(apps: ReadonlyMap<AppName, TenantApp>): RouteRequest {
    const file = (app: AppName): string => `${desired?.appsDir ?? ''}/${app}/app.yaml`;
    return {
      tenant,
      domains: desired?.domains ?? [],
      owners: desired?.owners ?? new Map(),
      apps: new Map(
        [...apps].map(([app, { served }]) => [app, { file: file(app), ...(served.manifest.routes && { routes: served.manifest.routes }) }]),
      ),
    };
  }

  function described(): ReturnType<typeof describe> {
    kept ??= describe();
    return kept;
  }

  function describeApp({ app, folderId, release }: AppFolder): [AppName, TenantApp][] {
    const stored = storedOf(app, release);
    const manifest = stored && appManifestSchema.safeParse(stored.manifest).data;
    if (!stored || !manifest) return [];
    const order = orderOf(app, manifest, release);
    const generationKey = keyOf(app, order, folderId);
    const generation = generationKey === stored.generationKey ? stored.generation : bump(app, { ...stored, generationKey });
    const stopped = store.lifecycle.isStopped(tenant, app) || asleepSince(app) !== undefined;
    return [[app, { order, served: order, spec: toAppSpec(app, order, { generation, stopped }) }]];
  }

  /** What is stored of it, if that is of the release that the disk says is current; else of that release, where it is known. */
  function storedOf(app: AppName, release: string): StoredApp | undefined {
    const stored = store.appOf(tenant, app);
    if (stored?.release === release) return stored;
    const known = store.releases.get(tenant, app, release);
    return known && { generationKey: '', generation: stored?.generation ?? 0, manifest: known.manifest, release };
  }

  function describeCandidate(app: AppName, { manifest, release, generation }: Candidate, untried: TenantApp | undefined): TenantApp {
    const order = orderOf(app, manifest, release);
    // Until a static app is one with workers, its files are served on.
    const staticRoot = untried?.spec.staticRoot;
    const spec = { ...(staticRoot !== undefined && { staticRoot }), ...toAppSpec(app, order, { generation, stopped: false }) };
    return { order, served: untried?.served ?? order, spec };
  }

  function orderOf(app: AppName, manifest: AppManifest, release: string): AppOrder {
    return clampToPlan(manifest, config().limits, release, store.lifecycle.scaleOf(tenant, app));
  }

  function keyOf(app: AppName, order: AppOrder, folderId: string): string {
    // A static app gets none of these.
    if (order.manifest.kind === 'static') return generationKeyOf(order, folderId, '', []);
    return generationKeyOf(order, folderId, heldSecrets.get(app) ?? store.secrets.revisionOf(tenant, app), desired?.sharedBy);
  }

  /** The generation that is current then: the next one, if it could be stored. */
  function bump(app: AppName, stored: StoredApp): number {
    const generation = nextGeneration(app, stored.generation);
    if (!remember(app, { ...stored, generation })) return stored.generation;
    highest.set(app, generation);
    return generation;
  }

  function nextGeneration(app: AppName, current: number): number {
    return Math.max(current, highest.get(app) ?? 0) + 1;
  }

  function asleepSince(app: AppName): number | undefined {
    if (!asleep.has(app)) asleep.set(app, store.lifecycle.asleepSince(tenant, app));
    return asleep.get(app);
  }

  /** False when the disk is full, say: then what runs goes on, and the next look tries again. */
  function remember(app: AppName, stored: StoredApp): boolean {
    try {
      store.setApp(tenant, app, stored);
      stateProblems.delete(app);
      return true;
    } catch (error) {
      noteStateFault(app, error);
      return false;
    }
  }

  function noteStateFault(app: AppName, error: unknown): void {
    const message = `the state store can not be written: ${messageOf(error)}`;
    stateProblems.set(app, { code: 'TENANTD_E_STATE', message, fix: 'make room on the disk of stateDir', app });
  }

  function isDesired(app: AppName): boolean {
    return desired?.apps.some((folder) => folder.app === app) ?? false;
  }

  function config(): TenantConfig {
    if (!desired) throw new Error(`nothing is wanted of ${tenant}`);
    return desired.config;
  }

  function specs(): AppSpec[] {
    return [...described().apps.values()].map(({ spec }) => spec);
  }

  function routes(): Omit<TenantRoutes, 'apps'> {
    const { limits, tls, branding } = config();
    const { hosts } = described().routing;
    const { redirect, hstsSeconds } = tls;
    const brand = branding.name !== undefined && { brandName: branding.name };
    const grants = desired ? callsGranted(desired) : [];
    return { tenant, hosts, limits: limits.requests, tls: { redirect, hstsSeconds }, grants, ...brand };
  }

  /** The row first: with the link alone, after a crash, the workers that are there would be taken for those of the release before. */
  function commitRelease(app: AppName, commit: () => void): void {
    const candidate = candidates.get(app);
    if (!candidate || !desired) throw new Error(`no release of ${app} is tried`);
    const { release, manifest, generation, generationKey } = candidate;
    const folder = { app, release, folderId: release };
    const before = store.appOf(tenant, app);
    store.setApp(tenant, app, { manifest, release, generation, generationKey });
    try {
      commit();
    } catch (error) {
      // What can't be put back is read anew: it is not of the release that the disk names.
      if (before) remember(app, before);
      throw error;
    }
    candidates.delete(app);
    manifestProblems.delete(app);
    const others = desired.apps.filter((other) => other.app !== app);
    desired = { ...desired, apps: [...others, folder].sort((a, b) => (a.app < b.app ? -1 : 1)) };
    kept = undefined;
  }

  /** Nothing of it is to run, and not only because all was stopped, or is broken. */
  function isResting(folders: readonly AppFolder[]): boolean {
    const { apps } = described();
    const isAtRest = (app: AppName): boolean => apps.get(app)?.spec.desired !== 'running';
    return folders.every(({ app }) => isAtRest(app)) && folders.some(({ app }) => asleepSince(app) !== undefined);
  }

  function problems(): Problem[] {
    return [
      ...(desired?.problems ?? []),
      ...[...manifestProblems].flatMap(([app, ofApp]) => (isDesired(app) ? ofApp : [])),
      ...(desired ? described().routing.problems : []),
      ...stateProblems.values(),
    ];
  }

  function releaseOf(app: AppName): string {
    return desired?.apps.find((folder) => folder.app === app)?.release ?? localRelease;
  }

  function markStale(apps: readonly AppName[] = (desired?.apps ?? []).map(({ app }) => app)): void {
    // A host may name any app.
    for (const app of apps) if (isDesired(app)) stale.add(app);
  }

  return {
    tenant,
    desired: () => desired,
    setDesired(next) {
      const before = new Map(desired?.apps.map(({ app, folderId }) => [app, folderId]));
      desired = next;
      kept = undefined;
      // What is in a release never changes; its manifest was stored with it.
      for (const { app, folderId } of (next?.apps ?? []).filter(({ release }) => release === localRelease)) {
        const known = before.get(app);
        if (known !== folderId) stale.add(app);
        if (known !== undefined && known !== folderId) outdated.add(app);
      }
    },
    apps: () => described().apps,
    served: (app) => described().apps.get(app)?.served,
    specs,
    routes,
    urlsOf: (app) => described().routing.urlsByApp.get(app) ?? [],
    limits: () => config().limits,
    egress: () => config().egress,
    appsDir: () => (desired && desired.appsDirId !== '' ? desired.appsDir : undefined),
    wanted(isHeld, woken) {
      if (!desired) return undefined;
      const { apps } = described();
      const unread = (app: AppName): boolean => outdated.has(app) || (!apps.has(app) && (stale.has(app) || !manifestProblems.has(app)));
      const appsWithoutManifest = desired.apps.map(({ app }) => app).filter(unread);
      return {
        awake: isHeld || appsWithoutManifest.length > 0 || !isResting(desired.apps),
        woken: woken.filter((app) => apps.get(app)?.spec.desired === 'running'),
        limitsKey: JSON.stringify(config().limits),
        egressKey: config().egress.length === 0 ? '' : JSON.stringify(config().egress),
        routesKey: JSON.stringify([routes(), [...apps].map(([app, { served }]) => [app, served.manifest.compress])]),
        configureKey: JSON.stringify(specs()),
        appsDirId: desired.appsDirId,
        appsWithoutManifest,
        staleApps: [...stale].filter(isDesired),
      };
    },
    problems,
    markStale,
    takeStale(apps) {
      for (const app of apps) stale.delete(app);
    },
    setManifests(results) {
      for (const [app, { manifest, problems }] of results) {
        outdated.delete(app);
        manifestProblems.delete(app);
        if (problems.length > 0 || !manifest) manifestProblems.set(app, problems);
        const stored = store.appOf(tenant, app);
        // The generation follows in describeApp, from all that a worker is started from.
        if (manifest) {
          const { generationKey, generation } = stored ?? { generationKey: '', generation: 0 };
          store.setApp(tenant, app, { manifest, generationKey, generation, release: releaseOf(app) });
        }
      }
      kept = undefined;
    },
    replaceWorkers(app) {
      const stored = store.appOf(tenant, app);
      if (!stored) return;
      const generation = nextGeneration(app, stored.generation);
      store.setApp(tenant, app, { ...stored, generation });
      highest.set(app, generation);
      kept = undefined;
    },
    isBroken: (app) => !described().apps.has(app) && problems().some((problem) => problem.app === app),
    isStopped: (app) => store.lifecycle.isStopped(tenant, app),
    setStopped(app, stopped) {
      store.lifecycle.setStopped(tenant, app, stopped);
      kept = undefined;
    },
    setScale(app, workers) {
      store.lifecycle.setScale(tenant, app, workers);
      kept = undefined;
    },
    asleepSince,
    setAsleep(app, sinceMs) {
      store.lifecycle.setAsleep(tenant, app, sinceMs);
      asleep.set(app, sinceMs);
      kept = undefined;
    },
    wake(app) {
      asleep.set(app, undefined);
      kept = undefined;
    },
    rememberAwake(app) {
      if (asleepSince(app) !== undefined) return;
      try {
        store.lifecycle.setAsleep(tenant, app, undefined);
      } catch (error) {
        // After a restart it is woken by the next request, as if it had slept.
        noteStateFault(app, error);
      }
    },
    tryRelease(app, candidate) {
      // Its present generation is given first.
      described();
      const generation = nextGeneration(app, store.appOf(tenant, app)?.generation ?? 0);
      highest.set(app, generation);
      const generationKey = keyOf(app, orderOf(app, candidate.manifest, candidate.release), candidate.release);
      candidates.set(app, { ...candidate, generation, generationKey });
      kept = undefined;
      return generation;
    },
    triedGeneration: (app) => candidates.get(app)?.generation,
    commitRelease,
    dropRelease(app) {
      candidates.delete(app);
      kept = undefined;
    },
    noteGeneration(app, generation) {
      highest.set(app, Math.max(generation, highest.get(app) ?? 0));
    },
    holdSecrets() {
      for (const app of described().apps.keys()) if (!heldSecrets.has(app)) heldSecrets.set(app, store.secrets.revisionOf(tenant, app));
    },
    heldApps() {
      const isSame = ([app, revision]: [AppName, string]): boolean => revision === store.secrets.revisionOf(tenant, app);
      for (const [app] of [...heldSecrets].filter(isSame)) heldSecrets.delete(app);
      return [...heldSecrets.keys()];
    },
    releaseSecrets(app) {
      heldSecrets.delete(app);
      kept = undefined;
    },
  };
}
