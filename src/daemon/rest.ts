import type { AppName } from '../base/ids.ts';
import type { EdgeLink } from './edge-link.ts';
import type { TenantName } from '../base/ids.ts';
import type { TenantPicture } from './tenant-picture.ts';

/** An app that could sleep. */
export interface IdleApp {
  app: AppName;
  idleMs: number;
  lastUsedAtMs: number;
}

/**
 * Which of a tenant's apps sleep, and what keeps them awake.
 *
 * Invariants:
 * - An app is put to sleep only when every edge has said, in the moment that it began to hold what comes, that nothing of it was open.
 * - Whoever holds it keeps it awake; one that is woken while it falls asleep does not.
 */
export interface Rest {
  /** Apps that are awake, nobody holds, and may sleep at all. */
  idle(): IdleApp[];
  /** It is, or was until now, in use. */
  noteUse(app: AppName): void;
  /** False when it was used after all. */
  readonly fallAsleep: (app: AppName) => Promise<boolean>;
  wake(app: AppName): void;
  /** Wakes it, too. Without `app`: keeps the tenant up, whatever its apps do. */
  hold(app?: AppName): () => void;
  isHeld(): boolean;
  /** Apps that were woken since the last call. */
  takeWoken(): AppName[];
  woken(): AppName[];
}

export interface RestParts {
  tenant: TenantName;
  picture: TenantPicture;
  edge: Pick<EdgeLink, 'letSleep'>;
  /** It answers requests. */
  isServing: (app: AppName) => boolean;
  /** Something is done with the tenant as a whole: sessions, releases. */
  isBusy: (app: AppName) => boolean;
  /** Another number of apps is to be awake. */
  onChange: (app: AppName) => void;
  nowMs: () => number;
}

/** After it was woken, its row in the state store is removed: nobody waits for the disk. */
const rememberAfterMs = 1_000;

export function createRest({ tenant, picture, edge, isServing, isBusy, onChange, nowMs }: RestParts): Rest {
  const lastUsedAtMs = new Map<AppName, number>();
  const holders = new Map<AppName | undefined, number>();
  const fallingAsleep = new Map<AppName, { wasWoken: boolean }>();
  const woken = new Set<AppName>();

  function idleMsOf(app: AppName): number | 'never' {
    return picture.apps().get(app)?.served.manifest.idleMs ?? picture.desired()?.config.idleMs ?? 'never';
  }

  function maySleep(app: AppName): boolean {
    if (picture.asleepSince(app) !== undefined || (holders.get(app) ?? 0) > 0 || isBusy(app)) return false;
    return picture.apps().get(app)?.spec.desired === 'running' && isServing(app);
  }

  async function fallAsleep(app: AppName): Promise<boolean> {
    if (fallingAsleep.has(app) || !maySleep(app)) return false;
    const fall = { wasWoken: false };
    fallingAsleep.set(app, fall);
    try {
      const isAsleep = (await edge.letSleep(tenant, app)) && !fall.wasWoken && maySleep(app);
      if (isAsleep) picture.setAsleep(app, nowMs());
      else lastUsedAtMs.set(app, nowMs());
      return isAsleep;
    } finally {
      fallingAsleep.delete(app);
      // Edges that began to hold what comes send it on, or all hold it.
      onChange(app);
    }
  }

  function wake(app: AppName): void {
    lastUsedAtMs.set(app, nowMs());
    const falling = fallingAsleep.get(app);
    if (falling) falling.wasWoken = true;
    if (picture.asleepSince(app) === undefined) return;
    picture.wake(app);
    woken.add(app);
    // Forgotten by a daemon that is killed before, it sleeps a little longer than it should.
    setTimeout(() => picture.rememberAwake(app), rememberAfterMs).unref();
    onChange(app);
  }

  return {
    idle: () =>
      [...picture.apps().keys()].flatMap((app) => {
        const idleMs = idleMsOf(app);
        if (idleMs === 'never' || !maySleep(app)) return [];
        const since = lastUsedAtMs.get(app) ?? nowMs();
        lastUsedAtMs.set(app, since);
        return [{ app, idleMs, lastUsedAtMs: since }];
      }),
    noteUse(app) {
      if (picture.apps().has(app)) lastUsedAtMs.set(app, nowMs());
    },
    fallAsleep,
    wake,
    hold(app) {
      holders.set(app, (holders.get(app) ?? 0) + 1);
      if (app !== undefined) wake(app);
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        holders.set(app, (holders.get(app) ?? 1) - 1);
        if (holders.get(app) === 0) holders.delete(app);
        if (app !== undefined) lastUsedAtMs.set(app, nowMs());
        else onChange('' as AppName);
      };
    },
    isHeld: () => holders.size > 0,
    woken: () => [...woken],
    takeWoken() {
      const apps = [...woken];
      woken.clear();
      return apps;
    },
  };
}
