import { TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { HostedAppState } from './host-handlers.ts';
import { appState, workersOf } from './status.ts';
import type { Tenant } from './tenant.ts';

/** A start may take its whole time limit, and a drain before it. */
const operationTimeLimitMs = 120_000;

/** New workers beside the old, then the old are drained; answered when that is done, or rejected when the new ones fail. */
export async function restartApp(tenant: Tenant, app: AppName): Promise<void> {
  const before = tenant.stateOf(app);
  tenant.replaceWorkers(app);
  await untilServed(tenant, app, before);
}

export async function startApp(tenant: Tenant, app: AppName): Promise<void> {
  const isNew = appState(tenant, app) !== 'running';
  tenant.setStopped(app, false);
  // Also out of a backoff: a new generation is tried at once.
  if (isNew) tenant.replaceWorkers(app);
  await untilServed(tenant, app, tenant.stateOf(app));
}

export async function stopApp(tenant: Tenant, app: AppName): Promise<void> {
  tenant.setStopped(app, true);
  await tenant.waiters.until(
    () => workersOf(tenant, app).length === 0 || undefined,
    `${tenant.name}/${app} was not stopped`,
    operationTimeLimitMs,
  );
}

/** `before`: what its host had said of it before the change, which tells nothing of the new workers. */
export async function untilServed(tenant: Tenant, app: AppName, before: HostedAppState | undefined): Promise<void> {
  await tenant.waiters.until(() => isServed(tenant, app, before), `${tenant.name}/${app} did not start`, operationTimeLimitMs);
}

/** Only workers of the current generation are left, and they are ready. */
function isServed(tenant: Tenant, app: AppName, before: HostedAppState | undefined): true | undefined {
  const spec = tenant.picture.apps().get(app)?.spec;
  if (!spec) return undefined;
  if (spec.kind === 'static') return appState(tenant, app) === 'running' || undefined;
  const told = tenant.stateOf(app);
  if (told?.reason !== undefined && told !== before && hasFailedSince(told, before) && !hasCurrent(tenant, app, spec.generation)) {
    throw new TenantdError('TENANTD_E_APP_FAILED', `${tenant.name}/${app}: ${told.reason}`, `see tenantctl logs ${tenant.name}/${app}`);
  }
  const workers = workersOf(tenant, app);
  return (
    (workers.length > 0 && workers.every(({ ready, draining, generation }) => ready && !draining && generation === spec.generation)) ||
    undefined
  );
}

function hasFailedSince({ restarts, state }: HostedAppState, before: HostedAppState | undefined): boolean {
  return restarts > (before?.restarts ?? 0) || state === 'failed';
}

function hasCurrent(tenant: Tenant, app: AppName, generation: number): boolean {
  return workersOf(tenant, app).some((worker) => worker.generation === generation);
}
