import { messageOf } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { type AppManifest, appManifestSchema } from '../config/app-manifest.ts';
import type { Plan } from '../config/plans.ts';
import type { AppSpec } from '../protocol/host.ts';
import { type AppOrder, clampToPlan, generationKeyOf, mayGoOn, toAppSpec } from './app-order.ts';
import type { AppFolder } from './desired.ts';
import type { Store, StoredApp } from './store.ts';

/** One app as it is to run. */
export interface TenantApp {
  order: AppOrder;
  spec: AppSpec;
  /** That its requests are for: `order`, but while another release is tried. */
  served: AppOrder;
}

/** A release that is tried before it is the app's. */
export interface Candidate {
  release: string;
  manifest: AppManifest;
  generation: number;
  generationKey: string;
}

/**
 * What is stored of a tenant's apps, and which generation that is.
 *
 * Invariants:
 * - A generation is given once: also one of a release that was dropped is not given again.
 * - What can't be stored does not change what runs.
 */
export interface AppBook {
  /** Undefined while no good manifest of it is known. */
  describe(folder: AppFolder, isAsleep: boolean): TenantApp | undefined;
  /** With the releases that are tried in the place of others. */
  withTried(apps: ReadonlyMap<AppName, TenantApp>): Map<AppName, TenantApp>;
  setManifest(app: AppName, release: string, manifest: AppManifest): void;
  replaceWorkers(app: AppName): void;
  tryRelease(app: AppName, candidate: Pick<Candidate, 'release' | 'manifest'>): number;
  tried(app: AppName): Candidate | undefined;
  commitRelease(app: AppName, commit: () => void): void;
  dropRelease(app: AppName): void;
  readonly noteGeneration: (app: AppName, generation: number) => void;
  holdSecrets(apps: Iterable<AppName>): void;
  readonly heldApps: () => AppName[];
  releaseSecrets(app: AppName): void;
  noteStateFault(app: AppName, error: unknown): void;
  problems(): Problem[];
}

export interface AppBookParts {
  store: Store;
  tenant: TenantName;
  limits: () => Plan;
  sharedBy: () => readonly string[];
}

export function createAppBook({ store, tenant, limits, sharedBy }: AppBookParts): AppBook {
  const heldSecrets = new Map<AppName, string>();
  const candidates = new Map<AppName, Candidate>();
  /** The highest generation that was ever given. */
  const highest = new Map<AppName, number>();
  const stateProblems = new Map<AppName, Problem>();

  /** What is stored of it, if that is of the release that the disk says is current; else of that release, where it is known. */
  function storedOf(app: AppName, release: string): StoredApp | undefined {
    const stored = store.appOf(tenant, app);
    if (stored?.release === release) return stored;
    const known = store.releases.get(tenant, app, release);
    return known && { generationKey: '', generation: stored?.generation ?? 0, manifest: known.manifest, release };
  }

  function orderOf(app: AppName, manifest: AppManifest, release: string): AppOrder {
    return clampToPlan(manifest, limits(), release, store.lifecycle.scaleOf(tenant, app));
  }

  function keyOf(app: AppName, order: AppOrder, folderId: string): string {
    // A static app gets none of these.
    if (order.manifest.kind === 'static') return generationKeyOf(order, folderId, '', []);
    return generationKeyOf(order, folderId, heldSecrets.get(app) ?? store.secrets.revisionOf(tenant, app), sharedBy());
  }

  function nextGeneration(app: AppName, current: number): number {
    return Math.max(current, highest.get(app) ?? 0) + 1;
  }

  /** The generation that is current then: the next one, if it could be stored. */
  function bump(app: AppName, stored: StoredApp): number {
    const generation = nextGeneration(app, stored.generation);
    if (!remember(app, { ...stored, generation })) return stored.generation;
    highest.set(app, generation);
    return generation;
  }

  /** New workers of it may have larger sizes than those that run; a smaller plan later is compared with the largest. */
  function goOn(app: AppName, stored: StoredApp, generationKey: string): number {
    if (generationKey !== stored.generationKey) remember(app, { ...stored, generationKey });
    return stored.generation;
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

  function describeTried(app: AppName, { manifest, release, generation }: Candidate, untried: TenantApp | undefined): TenantApp {
    const order = orderOf(app, manifest, release);
    // Until a static app is one with workers, its files are served on.
    const staticRoot = untried?.spec.staticRoot;
    const spec = { ...(staticRoot !== undefined && { staticRoot }), ...toAppSpec(app, order, { generation, stopped: false }) };
    return { order, served: untried?.served ?? order, spec };
  }

  return {
    describe({ app, folderId, release }, isAsleep) {
      const stored = storedOf(app, release);
      const manifest = stored && appManifestSchema.safeParse(stored.manifest).data;
      if (!stored || !manifest) return undefined;
      const order = orderOf(app, manifest, release);
      const generationKey = keyOf(app, order, folderId);
      const generation = mayGoOn(stored.generationKey, generationKey)
        ? goOn(app, stored, generationKey)
        : bump(app, { ...stored, generationKey });
      const stopped = isAsleep || store.lifecycle.isStopped(tenant, app);
      return { order, served: order, spec: toAppSpec(app, order, { generation, stopped }) };
    },
    withTried(apps) {
      const tried = [...candidates].map(([app, candidate]) => [app, describeTried(app, candidate, apps.get(app))] as const);
      return new Map([...apps, ...tried]);
    },
    /** The generation follows in `describe`, from all that a worker is started from. */
    setManifest(app, release, manifest) {
      const { generationKey, generation } = store.appOf(tenant, app) ?? { generationKey: '', generation: 0 };
      store.setApp(tenant, app, { manifest, generationKey, generation, release });
    },
    replaceWorkers(app) {
      const stored = store.appOf(tenant, app);
      if (!stored) return;
      const generation = nextGeneration(app, stored.generation);
      store.setApp(tenant, app, { ...stored, generation });
      highest.set(app, generation);
    },
    tryRelease(app, candidate) {
      const generation = nextGeneration(app, store.appOf(tenant, app)?.generation ?? 0);
      highest.set(app, generation);
      const generationKey = keyOf(app, orderOf(app, candidate.manifest, candidate.release), candidate.release);
      candidates.set(app, { ...candidate, generation, generationKey });
      return generation;
    },
    tried: (app) => candidates.get(app),
    /** The row first: with the link alone, after a crash, the workers that are there would be taken for those of the release before. */
    commitRelease(app, commit) {
      const candidate = candidates.get(app);
      if (!candidate) throw new Error(`no release of ${app} is tried`);
      const before = store.appOf(tenant, app);
      store.setApp(tenant, app, candidate);
      try {
        commit();
      } catch (error) {
        // What can't be put back is read anew: it is not of the release that the disk names.
        if (before) remember(app, before);
        throw error;
      }
      candidates.delete(app);
    },
    dropRelease: (app) => void candidates.delete(app),
    noteGeneration: (app, generation) => void highest.set(app, Math.max(generation, highest.get(app) ?? 0)),
    holdSecrets(apps) {
      for (const app of apps) if (!heldSecrets.has(app)) heldSecrets.set(app, store.secrets.revisionOf(tenant, app));
    },
    heldApps() {
      const isSame = ([app, revision]: [AppName, string]): boolean => revision === store.secrets.revisionOf(tenant, app);
      for (const [app] of [...heldSecrets].filter(isSame)) heldSecrets.delete(app);
      return [...heldSecrets.keys()];
    },
    releaseSecrets: (app) => void heldSecrets.delete(app),
    noteStateFault,
    problems: () => [...stateProblems.values()],
  };
}
