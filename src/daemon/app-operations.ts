import { TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { AppScaleResult } from '../protocol/control.ts';
import { appState, workersOf } from './status.ts';
import type { Tenant } from './tenant.ts';

/** A start may take its whole time limit, and a drain before it. */
const operationTimeLimitMs = 120_000;

/** New workers beside the old, then the old are drained; answered when that is done, or rejected when the new ones fail. */
export async function restartApp(tenant: Tenant, app: AppName): Promise<void> {
  tenant.rest.wake(app);
  tenant.replaceWorkers(app);
  await untilServed(tenant, app);
}

export async function startApp(tenant: Tenant, app: AppName): Promise<void> {
  const isNew = appState(tenant, app) !== 'running';
  tenant.rest.wake(app);
  tenant.setStopped(app, false);
  // Also out of a backoff or a quarantine: a new generation is tried at once.
  if (isNew) tenant.replaceWorkers(app);
  await untilServed(tenant, app);
}

export async function stopApp(tenant: Tenant, app: AppName): Promise<void> {
  tenant.setStopped(app, true);
  await tenant.waiters.until(
    () => workersOf(tenant, app).length === 0 || undefined,
    `${tenant.name}/${app} was not stopped`,
    operationTimeLimitMs,
  );
}

/** Answers with how many workers it is to have at least, and at most: the plan may allow fewer than were asked for. */
export async function scaleApp(tenant: Tenant, app: AppName, workers: number | 'auto'): Promise<AppScaleResult> {
  tenant.setScale(app, workers === 'auto' ? undefined : workers);
  const order = tenant.picture.apps().get(app)?.order;
  if (!order) throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${tenant.name}/${app} can not run`, `see tenantctl status ${tenant.name}`);
  const kept = order.maxWorkers;
  if (order.manifest.kind !== 'static' && tenant.picture.apps().get(app)?.spec.desired === 'running') {
    const count = (): number => workersOf(tenant, app).filter(({ ready, draining }) => ready && !draining).length;
    const isThere = (): true | undefined => (count() >= order.workers && workersOf(tenant, app).length <= kept) || undefined;
    await tenant.waiters.until(isThere, `${tenant.name}/${app} has not that many workers yet`, operationTimeLimitMs);
  }
  return {
    workers: { min: order.workers, max: order.maxWorkers },
    ...(workers !== 'auto' && workers > order.maxWorkers && { asked: workers }),
  };
}

export async function untilServed(tenant: Tenant, app: AppName): Promise<void> {
  await tenant.waiters.until(() => isServed(tenant, app), `${tenant.name}/${app} did not start`, operationTimeLimitMs);
}

/** Only workers of the current generation are left, and they are ready. */
function isServed(tenant: Tenant, app: AppName): true | undefined {
  const spec = tenant.picture.apps().get(app)?.spec;
  if (!spec) return undefined;
  if (spec.kind === 'static') return appState(tenant, app) === 'running' || undefined;
  const told = tenant.stateOf(app);
  const hasFailed = told?.generation === spec.generation && (told.failures ?? 0) > 0;
  if (hasFailed && !hasCurrent(tenant, app, spec.generation)) {
    throw new TenantdError('TENANTD_E_APP_FAILED', `${tenant.name}/${app}: ${told.reason}`, `see tenantctl logs ${tenant.name}/${app}`);
  }
  // One that finishes a schedule's run may take hours, and is nobody's to wait for.
  const workers = workersOf(tenant, app).filter(({ unlisted }) => !unlisted);
  return (
    (workers.length > 0 && workers.every(({ ready, draining, generation }) => ready && !draining && generation === spec.generation)) ||
    undefined
  );
}

function hasCurrent(tenant: Tenant, app: AppName, generation: number): boolean {
  return workersOf(tenant, app).some((worker) => worker.generation === generation);
}
