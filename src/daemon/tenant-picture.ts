import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { localRelease } from '../base/release-ids.ts';
import type { AppAnswer } from '../config/manifest-answer.ts';
import { type RouteRequest, routesOf } from '../config/routes.ts';
import type { Plan } from '../config/plans.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import type { TenantRoutes } from '../protocol/edge.ts';
import type { AppSpec } from '../protocol/host.ts';
import { type Candidate, createAppBook, type TenantApp } from './app-book.ts';
import type { AppOrder } from './app-order.ts';
import { createAsleepApps } from './asleep-apps.ts';
import type { AppFolder, DesiredTenant } from './desired.ts';
import { callsGranted } from './grant-ledger.ts';
import { createManifestReads } from './manifest-reads.ts';
import type { WantedTenant } from './plan.ts';
import type { Store } from './store.ts';

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
  /** Of all that its host is told. */
  configureKey(): string;
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
  const reads = createManifestReads();
  const asleep = createAsleepApps(store, tenant);
  const book = createAppBook({ store, tenant, limits: () => config().limits, sharedBy: () => desired?.sharedBy ?? [] });

  function describe() {
    const untried = new Map(
      (desired?.apps ?? []).flatMap((folder) => {
        const described = book.describe(folder, desired?.suspended || asleep.since(folder.app) !== undefined);
        return described ? [[folder.app, described] as const] : [];
      }),
    );
    return { apps: book.withTried(untried), routing: routesOf(routeRequest(tenant, desired, untried)) };
  }

  function described(): ReturnType<typeof describe> {
    kept ??= describe();
    return kept;
  }

  /** What was described before holds no longer. */
  function forget(): void {
    kept = undefined;
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

  /** Logs have a share of the disk. */
  function configureKey(): string {
    return JSON.stringify([config().limits.diskBytes, specs()]);
  }

  function routes(): Omit<TenantRoutes, 'apps'> {
    const { limits, tls, branding } = config();
    return {
      ...{ tenant, hosts: described().routing.hosts, limits: limits.requests, grants: desired ? callsGranted(desired) : [] },
      tls: { redirect: tls.redirect, hstsSeconds: tls.hstsSeconds },
      ...(branding.name !== undefined && { brandName: branding.name }),
      ...(desired?.suspended && { suspended: true }),
    };
  }

  function commitRelease(app: AppName, commit: () => void): void {
    const { release = '' } = book.tried(app) ?? {};
    book.commitRelease(app, commit);
    reads.forgetProblems(app);
    const others = desired?.apps.filter((other) => other.app !== app) ?? [];
    const apps = [...others, { app, release, folderId: release }].sort((a, b) => (a.app < b.app ? -1 : 1));
    desired = desired && { ...desired, apps };
    forget();
  }

  /** Nothing of it is to run, and not only because all was stopped, or is broken. */
  function isResting(folders: readonly AppFolder[]): boolean {
    const { apps } = described();
    const isAtRest = (app: AppName): boolean => apps.get(app)?.spec.desired !== 'running';
    return folders.every(({ app }) => isAtRest(app)) && folders.some(({ app }) => asleep.since(app) !== undefined);
  }

  function problems(): Problem[] {
    return [
      ...(desired?.problems ?? []),
      ...reads.problems(isDesired),
      ...(desired ? described().routing.problems : []),
      ...book.problems(),
    ];
  }

  function releaseOf(app: AppName): string {
    return desired?.apps.find((folder) => folder.app === app)?.release ?? localRelease;
  }

  function markStale(apps: readonly AppName[] = (desired?.apps ?? []).map(({ app }) => app)): void {
    // A host may name any app.
    for (const app of apps) if (isDesired(app)) reads.markStale(app);
  }

  return {
    ...{ tenant, specs, configureKey, routes, problems, markStale, commitRelease, takeStale: reads.takeStale, asleepSince: asleep.since },
    ...{ noteGeneration: book.noteGeneration, heldApps: book.heldApps },
    desired: () => desired,
    setDesired(next) {
      reads.setFolders(desired?.apps ?? [], next?.apps ?? []);
      desired = next;
      forget();
    },
    apps: () => described().apps,
    served: (app) => described().apps.get(app)?.served,
    urlsOf: (app) => described().routing.urlsByApp.get(app) ?? [],
    limits: () => config().limits,
    egress: () => config().egress,
    appsDir: () => (desired && desired.appsDirId !== '' ? desired.appsDir : undefined),
    wanted(isHeld, woken) {
      if (!desired) return undefined;
      const { apps } = described();
      const folders = desired.suspended ? [] : desired.apps;
      const appsWithoutManifest = folders.map(({ app }) => app).filter((app) => reads.isMissing(app, apps.has(app)));
      return {
        awake: !desired.suspended && (isHeld || appsWithoutManifest.length > 0 || !isResting(desired.apps)),
        woken: woken.filter((app) => apps.get(app)?.spec.desired === 'running'),
        limitsKey: JSON.stringify(config().limits),
        egressKey: config().egress.length === 0 ? '' : JSON.stringify(config().egress),
        routesKey: JSON.stringify([routes(), [...apps].map(([app, { served }]) => [app, served.manifest.compress])]),
        configureKey: configureKey(),
        appsDirId: desired.appsDirId,
        appsWithoutManifest,
        staleApps: reads.stale().filter(isDesired),
      };
    },
    setManifests(results) {
      for (const [app, { manifest, problems }] of results) {
        reads.noteRead(app, problems, manifest !== undefined);
        if (manifest) book.setManifest(app, releaseOf(app), manifest);
      }
      forget();
    },
    replaceWorkers(app) {
      book.replaceWorkers(app);
      forget();
    },
    isBroken: (app) => !described().apps.has(app) && problems().some((problem) => problem.app === app),
    isStopped: (app) => store.lifecycle.isStopped(tenant, app),
    setStopped(app, stopped) {
      store.lifecycle.setStopped(tenant, app, stopped);
      forget();
    },
    setScale(app, workers) {
      store.lifecycle.setScale(tenant, app, workers);
      forget();
    },
    setAsleep(app, sinceMs) {
      asleep.add(app, sinceMs);
      forget();
    },
    wake(app) {
      asleep.wake(app);
      forget();
    },
    rememberAwake(app) {
      try {
        asleep.rememberAwake(app);
      } catch (error) {
        book.noteStateFault(app, error);
      }
    },
    tryRelease(app, candidate) {
      // Its present generation is given first.
      described();
      const generation = book.tryRelease(app, candidate);
      forget();
      return generation;
    },
    triedGeneration: (app) => book.tried(app)?.generation,
    dropRelease(app) {
      book.dropRelease(app);
      forget();
    },
    holdSecrets: () => book.holdSecrets(described().apps.keys()),
    releaseSecrets(app) {
      book.releaseSecrets(app);
      forget();
    },
  };
}

function routeRequest(tenant: TenantName, desired: DesiredTenant | undefined, apps: ReadonlyMap<AppName, TenantApp>): RouteRequest {
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
