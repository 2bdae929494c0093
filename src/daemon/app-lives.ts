import type { AppName } from '../base/ids.ts';
import type { AppState } from '../protocol/control.ts';
import { type AppSighting, appTransitions } from './app-states.ts';
import type { HostedAppState } from './host-handlers.ts';
import { createLife, type Life } from './life.ts';
import type { TenantPicture } from './tenant-picture.ts';

/** The states of a tenant's apps. */
export interface AppLives {
  /** Looks at each of them again. */
  look(): void;
  of(app: AppName): Pick<Life<AppState, AppSighting>, 'state' | 'sinceMs'>;
}

export function createAppLives(parts: {
  picture: TenantPicture;
  /** A release of it is tried. */
  isTrying: (app: AppName) => boolean;
  isServing: (app: AppName) => boolean;
  /** What its host said last. */
  toldState: (app: AppName) => HostedAppState['state'] | undefined;
  onChange: (app: AppName, state: AppState) => void;
  nowMs: () => number;
}): AppLives {
  const { picture, isTrying, isServing, toldState, onChange, nowMs } = parts;
  const lives = new Map<AppName, Life<AppState, AppSighting>>();

  /** In the order of `appSightings`. */
  function sight(app: AppName): AppSighting {
    if (picture.isBroken(app)) return 'broken';
    if (picture.isStopped(app) || picture.desired()?.suspended) return 'stopped';
    if (isTrying(app)) return 'trying';
    if (picture.asleepSince(app) !== undefined) return 'asleep';
    if (isServing(app)) return 'serving';
    const told = toldState(app);
    if (told === 'quarantined') return 'left-alone';
    return told === 'failed' ? 'failing' : 'beginning';
  }

  function lifeOf(app: AppName): Life<AppState, AppSighting> {
    const known = lives.get(app);
    if (known) return known;
    const life = createLife(appTransitions, 'starting', nowMs);
    life.see(sight(app));
    lives.set(app, life);
    return life;
  }

  return {
    look() {
      const apps = (picture.desired()?.apps ?? []).map(({ app }) => app);
      for (const app of lives.keys()) if (!apps.includes(app)) lives.delete(app);
      for (const app of apps) {
        const life = lifeOf(app);
        if (life.see(sight(app))) onChange(app, life.state);
      }
    },
    of: lifeOf,
  };
}
