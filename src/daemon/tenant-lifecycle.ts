import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { localRelease } from '../base/release-ids.ts';
import type { AppState, TenantState } from '../protocol/control.ts';
import { type AppLives, createAppLives } from './app-lives.ts';
import type { AppUse, EdgeLink } from './edge-link.ts';
import type { HostedAppState } from './host-handlers.ts';
import { createLife } from './life.ts';
import type { WantedTenant } from './plan.ts';
import { createReleaseTrials, type ReleaseTrials } from './release-trial.ts';
import { createRest, type Rest } from './rest.ts';
import { assertInService } from './tenant-in-service.ts';
import type { TenantHost } from './tenant-host.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { TenantService } from './tenant-service.ts';
import { type TenantSighting, tenantTransitions } from './tenant-states.ts';
import type { Waiters } from './waiters.ts';

/** What of a tenant is awake, what is tried, and which state all that is. */
export interface TenantLifecycle {
  readonly rest: Rest;
  readonly trials: ReleaseTrials;
  readonly lives: AppLives;
  /** As it is seen now. */
  life(): { readonly state: TenantState; readonly sinceMs: number };
  /** Something that is waited for, or shown, may be different now. */
  readonly changed: () => void;
  readonly wanted: () => WantedTenant | undefined;
  /** Something of its own is to run, and not only its disk for another tenant. */
  readonly isAwake: () => boolean;
  readonly keepAwake: (app?: AppName) => { ready: Promise<unknown>; release: () => void };
  readonly noteUse: (uses: readonly AppUse[]) => void;
  /** One worker, before its host is there to ask for it. Never rejects: the host does what is missing. */
  readonly startWoken: (app: AppName) => Promise<void>;
}

export interface TenantLifecycleParts {
  tenant: TenantName;
  picture: TenantPicture;
  edge: EdgeLink;
  log: Log;
  waiters: Waiters;
  service: () => TenantService;
  host: () => TenantHost;
  stateOf: (app: AppName) => HostedAppState | undefined;
  /** Its host knows what to run. */
  isConfigured: () => boolean;
  /** Something that it can't do without is not to be had. */
  isBlocked: () => boolean;
  hasSessions: () => boolean;
  lendsDisk: () => boolean;
  onAppState: (app: AppName, state: AppState) => void;
  requestReconcile: () => void;
}

/** A host that ended so often in a row is a problem of the tenant. */
export const hostFailuresInARow = 3;
const wakeTimeLimitMs = 90_000;
const lookAfterWakeMs = 2_000;

export function createTenantLifecycle(parts: TenantLifecycleParts): TenantLifecycle {
  const { tenant, picture, edge, log, waiters, service, host, stateOf, isConfigured, requestReconcile } = parts;
  const life = createLife(tenantTransitions, 'starting', Date.now);
  const workers = () => service().workers;
  const trials: ReleaseTrials = createReleaseTrials({
    ...{ tenant, picture, workers, waiters, log, stateOf, onChange: appChanged },
    wake: (app) => rest.wake(app),
  });
  const rest: Rest = createRest({
    ...{ tenant, picture, edge, isServing, onChange: appChanged, nowMs: Date.now },
    isBusy: (app) => trials.isTrying(app) || parts.hasSessions(),
  });
  const lives: AppLives = createAppLives({
    ...{ picture, isServing, isTrying: trials.isTrying, nowMs: Date.now, onChange: parts.onAppState },
    toldState: (app) => stateOf(app)?.state,
  });

  function changed(): void {
    lives.look();
    life.see(sight());
    waiters.notify();
  }

  /** Something else is wanted of it, as far as that app is concerned. */
  function appChanged(app: AppName): void {
    service().publish(app);
    requestReconcile();
  }

  /** A request would be answered. */
  function isServing(app: AppName): boolean {
    return service().routeOf(app).upstreams.length > 0;
  }

  function wanted(): WantedTenant | undefined {
    const own = ownWanted();
    return own && !own.awake && parts.lendsDisk() ? { ...own, awake: true } : own;
  }

  function ownWanted(): WantedTenant | undefined {
    return picture.wanted(rest.isHeld() || parts.hasSessions(), rest.woken());
  }

  /** In the order of `tenantSightings`. */
  function sight(): TenantSighting {
    if (!picture.desired()) return 'unwanted';
    if (picture.desired()?.suspended) return 'suspended';
    if (wanted()?.awake === false) return 'asleep';
    if (isConfigured()) return 'served';
    if (parts.isBlocked()) return 'blocked';
    return host().failures() >= hostFailuresInARow ? 'failing' : 'beginning';
  }

  async function startWoken(app: AppName): Promise<void> {
    if (
      workers()
        .all()
        .some((worker) => worker.app === app && !worker.draining)
    )
      return;
    await service()
      .startWoken(app)
      .catch((error: unknown) => log.warn({ tenant, app, error: messageOf(error) }, 'an app that was woken could not be started at once'));
    // What is in its folder may be another thing by now; who waits is served first.
    setTimeout(() => {
      if (picture.served(app)?.release !== localRelease) return;
      picture.markStale([app]);
      requestReconcile();
    }, lookAfterWakeMs).unref();
  }

  /** Its host chooses the number of its workers. */
  function isScaled(app: AppName): boolean {
    const order = picture.apps().get(app)?.order;
    return order !== undefined && order.maxWorkers > order.workers;
  }

  function isUp(): true | undefined {
    assertWanted();
    if (host().failures() > 0 && host().state() === 'waiting')
      throw new TenantdError('TENANTD_E_HOST_FAILED', `the host of ${tenant} ended`, 'see the log of the daemon');
    return isConfigured() || undefined;
  }

  function isAppUp(app: AppName): true | undefined {
    assertWanted();
    const name = `${tenant}/${app}`;
    if (picture.isStopped(app)) throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${name} is stopped`, `tenantctl app start ${name}`);
    const { state } = lives.of(app);
    if (state !== 'failed' && state !== 'quarantined') return isServing(app) || undefined;
    const { code = 'TENANTD_E_APP_FAILED', reason = state } = stateOf(app) ?? {};
    throw new TenantdError(code, `${name}: ${reason}`, `see tenantctl logs ${name}`);
  }

  function assertWanted(): void {
    if (!picture.desired()) throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `${tenant} is gone`, 'see tenantctl status');
    assertInService(tenant, picture);
  }

  return {
    ...{ rest, trials, lives, changed, wanted, startWoken },
    life() {
      life.see(sight());
      return life;
    },
    isAwake: () => ownWanted()?.awake ?? false,
    keepAwake(app) {
      const release = rest.hold(app);
      requestReconcile();
      const [look, name] = app === undefined ? [isUp, tenant] : [() => isAppUp(app), `${tenant}/${app}`];
      return { ready: waiters.until(look, `${name} did not wake`, wakeTimeLimitMs), release };
    },
    noteUse(uses) {
      for (const { app } of uses) rest.noteUse(app as AppName);
      const scaled = uses.filter(({ app }) => isScaled(app as AppName));
      if (scaled.length > 0) host().notify('app-load', { apps: scaled.map(({ app, open, waiting }) => ({ app, open, waiting })) });
    },
  };
}
