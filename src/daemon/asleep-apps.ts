import type { AppName, TenantName } from '../base/ids.ts';
import type { Store } from './store.ts';

/** Which of a tenant's apps sleep, also over a restart of the daemon. */
export interface AsleepApps {
  /** In Unix time. */
  readonly since: (app: AppName) => number | undefined;
  /** Throws when it can't be stored. */
  add(app: AppName, sinceMs: number): void;
  /** In memory: nobody waits for the disk. */
  wake(app: AppName): void;
  /** That it was woken, if it still is awake. Throws when it can't be stored: after a restart it sleeps until the next request. */
  rememberAwake(app: AppName): void;
}

export function createAsleepApps(store: Store, tenant: TenantName): AsleepApps {
  const known = new Map<AppName, number | undefined>();

  function since(app: AppName): number | undefined {
    if (!known.has(app)) known.set(app, store.lifecycle.asleepSince(tenant, app));
    return known.get(app);
  }

  return {
    since,
    add(app, sinceMs) {
      store.lifecycle.setAsleep(tenant, app, sinceMs);
      known.set(app, sinceMs);
    },
    wake: (app) => void known.set(app, undefined),
    rememberAwake(app) {
      if (since(app) === undefined) store.lifecycle.setAsleep(tenant, app, undefined);
    },
  };
}
