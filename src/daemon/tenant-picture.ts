import type { AppName, TenantName } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import { appManifestSchema } from '../config/app-manifest.ts';
import type { AppAnswer } from '../config/manifest-answer.ts';
import { type RouteRequest, routesOf } from '../config/routes.ts';
import type { Plan } from '../config/plans.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import type { TenantRoutes } from '../protocol/edge.ts';
import type { AppSpec } from '../protocol/host.ts';
import { type AppOrder, clampToPlan, generationKeyOf, toAppSpec } from './app-order.ts';
import type { DesiredTenant } from './desired.ts';
import { callsGranted } from './grant-ledger.ts';
import type { WantedTenant } from './plan.ts';
import type { Store, StoredApp } from './store.ts';

/** One app as it is to run. */
export interface TenantApp {
  order: AppOrder;
  spec: AppSpec;
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
  specs(): AppSpec[];
  routes(): Omit<TenantRoutes, 'apps'>;
  urlsOf(app: AppName): { host: string; path: string }[];
  limits(): Plan;
  egress(): TenantConfig['egress'];
  /** Undefined while the tenant has no `apps/`. */
  appsDir(): string | undefined;
  wanted(): WantedTenant | undefined;
  problems(): Problem[];
  markStale(apps?: readonly AppName[]): void;
  /** Before a job reads them: what changes while it runs is read again. */
  takeStale(apps: readonly AppName[]): void;
  setManifests(results: ReadonlyMap<AppName, AppAnswer>): void;
  replaceWorkers(app: AppName): void;
  setStopped(app: AppName, stopped: boolean): void;
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
  const stateProblems = new Map<AppName, Problem>();
  const manifestProblems = new Map<AppName, Problem[]>();

  function describe() {
    const apps = new Map((desired?.apps ?? []).flatMap(({ app, folderId }) => describeApp(app, folderId)));
    return { apps, routing: routesOf(routeRequest(apps)) };
  }

  function routeRequest(apps: ReadonlyMap<AppName, TenantApp>): RouteRequest {
    const file = (app: AppName): string => `${desired?.appsDir ?? ''}/${app}/app.yaml`;
    return {
      tenant,
      domains: desired?.domains ?? [],
      owners: desired?.owners ?? new Map(),
      apps: new Map(
        [...apps].map(([app, { order }]) => [app, { file: file(app), ...(order.manifest.routes && { routes: order.manifest.routes }) }]),
      ),
    };
  }

  function described(): ReturnType<typeof describe> {
    kept ??= describe();
    return kept;
  }

  function describeApp(app: AppName, folderId: string): [AppName, TenantApp][] {
    const stored = store.appOf(tenant, app);
    const manifest = stored && appManifestSchema.safeParse(stored.manifest).data;
    if (!desired || !stored || !manifest) return [];
    const order = clampToPlan(manifest, desired.config.limits);
    // A static app gets none.
    const secretsRevision = manifest.kind === 'static' ? '' : (heldSecrets.get(app) ?? store.secrets.revisionOf(tenant, app));
    const generationKey = generationKeyOf(order, folderId, secretsRevision, manifest.kind === 'static' ? [] : desired.sharedBy);
    const next = { manifest: stored.manifest, generationKey, generation: stored.generation + 1 };
    const generation = generationKey !== stored.generationKey && remember(app, next) ? next.generation : stored.generation;
    return [[app, { order, spec: toAppSpec(app, order, { generation, stopped: store.isStopped(tenant, app) }) }]];
  }

  /** False when the disk is full, say: then what runs goes on, and the next look tries again. */
  function remember(app: AppName, stored: StoredApp): boolean {
    try {
      store.setApp(tenant, app, stored);
      stateProblems.delete(app);
      return true;
    } catch (error) {
      const message = `the state store can not be written: ${messageOf(error)}`;
      stateProblems.set(app, { code: 'TENANTD_E_STATE', message, fix: 'make room on the disk of stateDir', app });
      return false;
    }
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
      for (const { app, folderId } of next?.apps ?? []) {
        const known = before.get(app);
        if (known !== folderId) stale.add(app);
        if (known !== undefined && known !== folderId) outdated.add(app);
      }
    },
    apps: () => described().apps,
    specs,
    routes,
    urlsOf: (app) => described().routing.urlsByApp.get(app) ?? [],
    limits: () => config().limits,
    egress: () => config().egress,
    appsDir: () => (desired && desired.appsDirId !== '' ? desired.appsDir : undefined),
    wanted() {
      if (!desired) return undefined;
      const { apps } = described();
      const unread = (app: AppName): boolean => outdated.has(app) || (!apps.has(app) && (stale.has(app) || !manifestProblems.has(app)));
      return {
        limitsKey: JSON.stringify(config().limits),
        egressKey: config().egress.length === 0 ? '' : JSON.stringify(config().egress),
        routesKey: JSON.stringify([routes(), [...apps].map(([app, { order }]) => [app, order.manifest.compress])]),
        configureKey: JSON.stringify(specs()),
        appsDirId: desired.appsDirId,
        appsWithoutManifest: desired.apps.map(({ app }) => app).filter(unread),
        staleApps: [...stale].filter(isDesired),
      };
    },
    problems: () => [
      ...(desired?.problems ?? []),
      ...[...manifestProblems].flatMap(([app, problems]) => (isDesired(app) ? problems : [])),
      ...(desired ? described().routing.problems : []),
      ...stateProblems.values(),
    ],
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
        if (manifest)
          store.setApp(tenant, app, { manifest, generationKey: stored?.generationKey ?? '', generation: stored?.generation ?? 0 });
      }
      kept = undefined;
    },
    replaceWorkers(app) {
      const stored = store.appOf(tenant, app);
      if (stored) store.setApp(tenant, app, { ...stored, generation: stored.generation + 1 });
      kept = undefined;
    },
    setStopped(app, stopped) {
      store.setStopped(tenant, app, stopped);
      kept = undefined;
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
