import type { z } from 'zod';
import type { AppName } from '../base/ids.ts';
import type { AccessLogsResult } from '../protocol/access.ts';
import type { controlCalls, LogLinesEvent, LogsResult } from '../protocol/control.ts';
import type { AccessReader } from './access-reader.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import type { Tenant } from './tenant.ts';

export interface LogOperationParts {
  access: AccessReader;
  tenantOf: (name: string) => Tenant;
  appOf: (tenant: Tenant, name: string) => AppName;
}

type Source = Pick<z.infer<typeof controlCalls.logs>, 'tenant' | 'app'>;

/** What was printed and asked for, and what comes until the connection ends. */
export function createLogOperations({ access, tenantOf, appOf }: LogOperationParts): Pick<ControlOperations, 'logs' | 'access-logs'> {
  function sourceOf(params: Source): { tenant: Tenant; app: AppName | undefined } {
    const tenant = tenantOf(params.tenant);
    return { tenant, app: params.app === undefined ? undefined : appOf(tenant, params.app) };
  }

  return {
    async logs({ lines, since, until, after, follow, ...source }, { channel }: Caller): Promise<LogsResult> {
      const { tenant, app } = sourceOf(source);
      const page = await tenant.logs.read({ app, lines, since, until, after });
      if (!follow) return page;
      const onLines = (event: LogLinesEvent): void => channel.notify('log-lines', event);
      const stop = await tenant.logs.follow({ app, after: page.positions, onLines });
      void channel.closed.then(stop);
      return page;
    },

    async 'access-logs'({ lines, since, until, follow, ...source }, { channel }: Caller): Promise<AccessLogsResult> {
      const { tenant, app } = sourceOf(source);
      const query = { app, lines, since, until };
      if (!follow) return { lines: lines === 0 ? [] : await access.read(tenant.name, query) };
      const following = await access.follow(tenant.name, query, (event) => channel.notify('access-lines', event));
      void channel.closed.then(following.stop);
      void following.ended.then(() => channel.close());
      return { lines: following.lines };
    },
  };
}
