import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { controlCalls } from '../protocol/control.ts';
import type { TerminalSize } from '../protocol/terminal.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import type { Sessions } from './shell-sessions.ts';
import type { Tenant } from './tenant.ts';
import type { Twin } from './twin.ts';

type Params = z.infer<typeof controlCalls.shell> & { command?: readonly string[] };

/** A tenant that was just found, or that a new daemon takes up, is made in less. */
const readyTimeLimitMs = 10_000;

export function createShellOperations(parts: {
  sessions: Sessions;
  tenantOf: (name: string) => Tenant;
  appOf: (tenant: Tenant, name: string) => AppName;
}): Pick<ControlOperations, 'shell' | 'exec'> {
  async function open(kind: 'shell' | 'exec', { app: appName, command, tty, secrets = false, ...params }: Params, { actor }: Caller) {
    const tenant = parts.tenantOf(params.tenant);
    const app = appName === undefined ? undefined : parts.appOf(tenant, appName);
    if (secrets && app === undefined) {
      throw new TenantdError('TENANTD_E_INVALID_REQUEST', 'secrets belong to apps', `name one, as in ${tenant.name}/site`);
    }
    // From when it is open, the session itself does.
    const { ready, release } = tenant.keepAwake();
    ready.catch(() => undefined);
    try {
      const twin = await twinOf(tenant, app);
      const settings = { ...(command && { command }), ...(tty && { tty: tty satisfies TerminalSize }) };
      return await parts.sessions.open({ kind, actor, tenant: tenant.name, app, settings, secrets, twin });
    } finally {
      release();
    }
  }

  return {
    shell: (params, caller) => open('shell', params, caller),
    exec: (params, caller) => open('exec', params, caller),
  };
}

function twinOf(tenant: Tenant, app: AppName | undefined): Promise<Twin> {
  const look = (): Twin | undefined => {
    try {
      return tenant.twinOf(app);
    } catch (error) {
      if (tenant.picture.desired() && error instanceof TenantdError && error.code === 'TENANTD_E_NO_SUCH_TENANT') return undefined;
      throw error;
    }
  };
  return tenant.waiters.until(look, `${tenant.name} is not ready`, readyTimeLimitMs);
}
