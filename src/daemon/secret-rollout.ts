import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { SecretChangeResult } from '../protocol/secret-calls.ts';
import { untilServed } from './app-operations.ts';
import type { Tenant } from './tenant.ts';

/**
 * Makes a change of secrets, then replaces the workers that have others by it: one app after another, since with all of them
 * at once the tenant would need twice its memory. Answered at once without `wait`, or while the tenant does not run.
 */
export async function changeSecrets(tenant: Tenant, change: () => void, wait: boolean): Promise<SecretChangeResult> {
  const held = changeHeld(tenant, change);
  const apps = held.filter((app) => hasWorkers(tenant, app));
  const waited = wait && tenant.isConfigured();
  const replaced = replaceInTurn(tenant, held);
  if (waited) await replaced;
  // Nobody waits for it: status says how they are.
  else replaced.catch(() => {});
  return { apps, waited };
}

function changeHeld({ picture }: Tenant, change: () => void): AppName[] {
  picture.holdSecrets();
  try {
    change();
  } catch (error) {
    // Nothing is another: this releases them.
    picture.heldApps();
    throw error;
  }
  return picture.heldApps();
}

async function replaceInTurn(tenant: Tenant, apps: readonly AppName[]): Promise<void> {
  const faults: unknown[] = [];
  for (const app of apps) {
    tenant.releaseSecrets(app);
    if (!tenant.isConfigured() || !hasWorkers(tenant, app)) continue;
    await untilServed(tenant, app).catch((error: unknown) => faults.push(error));
  }
  if (faults.length > 0) throw notServed(faults);
}

function hasWorkers({ picture }: Tenant, app: AppName): boolean {
  const spec = picture.apps().get(app)?.spec;
  return spec !== undefined && spec.kind !== 'static' && spec.desired === 'running';
}

function notServed([first, ...others]: readonly unknown[]): TenantdError {
  const known = first instanceof TenantdError ? first : undefined;
  const more = others.length > 0 ? `, and ${others.length} more` : '';
  const message = `it is done, but not served yet: ${messageOf(first)}${more}`;
  return new TenantdError(known?.code ?? 'TENANTD_E_INTERNAL', message, known?.fix ?? 'see the log of the daemon', { cause: first });
}
