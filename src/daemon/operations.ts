import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { AccessLogsResult } from '../protocol/access.ts';
import type { controlCalls, LogLinesEvent, ReloadResult, Status } from '../protocol/control.ts';
import type { AccessReader } from './access-reader.ts';
import { restartApp, startApp, stopApp } from './app-operations.ts';
import { type Caller, type ControlOperations, outcomeOf } from './control-server.ts';
import { appState } from './status.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

export interface OperationParts {
  store: Store;
  access: AccessReader;
  findTenant: (name: string) => Tenant | undefined;
  status: (only?: TenantName) => Status;
  reload: () => Promise<ReloadResult>;
}

type LogParams = z.infer<typeof controlCalls.logs>;

/** What can be asked of the daemon over the control socket. Every change is written to the audit trail, done or not. */
export function createOperations({ store, access, findTenant, status, reload }: OperationParts): ControlOperations {
  function tenantOf(name: string): Tenant {
    const tenant = findTenant(name);
    if (!tenant) throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${name}`, 'see tenantctl status');
    return tenant;
  }

  function appOf(tenant: Tenant, name: string): AppName {
    const known = tenant.picture.desired()?.apps.some(({ app }) => app === name) ?? false;
    if (isAppName(name) && known) return name;
    throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${tenant.name} has no app ${name}`, `see tenantctl status ${tenant.name}`);
  }

  async function audited<Result>(
    what: { tenant: string; action: string; actor: string; look: () => unknown },
    change: () => Promise<Result>,
  ): Promise<Result> {
    const { tenant, action, actor, look } = what;
    const before = JSON.stringify(look());
    const write = (outcome: string): void => {
      store.appendAudit({ tenant, action, actor, before, after: JSON.stringify(look()), outcome, time: new Date().toISOString() });
    };
    try {
      const result = await change();
      write('done');
      return result;
    } catch (error) {
      write(outcomeOf(error));
      throw error;
    }
  }

  function changeApp(action: string, change: (tenant: Tenant, app: AppName) => Promise<void>) {
    return (params: { tenant: string; app: string }, { actor }: Caller): Promise<null> => {
      const tenant = tenantOf(params.tenant);
      const app = appOf(tenant, params.app);
      const look = (): unknown => ({ app, state: appState(tenant, app), generation: tenant.picture.apps().get(app)?.spec.generation });
      return audited({ tenant: tenant.name, action, actor, look }, () => change(tenant, app)).then(() => null);
    };
  }

  function logSourceOf(params: LogParams): { tenant: Tenant; app: AppName | undefined } {
    const tenant = tenantOf(params.tenant);
    return { tenant, app: params.app === undefined ? undefined : appOf(tenant, params.app) };
  }

  async function readLogs(params: LogParams, { channel }: Caller) {
    const { tenant, app } = logSourceOf(params);
    const lines = params.lines === 0 ? [] : await tenant.logs.read(app, params.lines);
    if (params.follow) {
      const stop = await tenant.logs.follow(app, (newLines, dropped) => {
        const event: LogLinesEvent = { lines: newLines, dropped };
        channel.notify('log-lines', event);
      });
      void channel.closed.then(stop);
    }
    return { lines };
  }

  async function readAccessLogs(params: LogParams, { channel }: Caller): Promise<AccessLogsResult> {
    const { tenant, app } = logSourceOf(params);
    if (!params.follow) return { lines: params.lines === 0 ? [] : await access.read(tenant.name, app, params.lines) };
    const { lines, stop, ended } = await access.follow(tenant.name, app, params.lines, (event) => channel.notify('access-lines', event));
    void channel.closed.then(stop);
    void ended.then(() => channel.close());
    return { lines };
  }

  return {
    status({ tenant }) {
      const result = status(tenant !== undefined && isTenantName(tenant) ? tenant : undefined);
      if (tenant !== undefined && result.tenants.length === 0)
        throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${tenant}`, 'see tenantctl status');
      return result;
    },
    reload: (_, { actor }) =>
      audited({ tenant: '', action: 'reload', actor, look: () => status().tenants.map(({ name }) => name) }, reload),
    'app-restart': changeApp('app-restart', restartApp),
    'app-stop': changeApp('app-stop', stopApp),
    'app-start': changeApp('app-start', startApp),
    logs: readLogs,
    'access-logs': readAccessLogs,
  };
}
