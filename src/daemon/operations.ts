import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { AccessLogsResult } from '../protocol/access.ts';
import type { controlCalls, GrantStatus, LogLinesEvent, ReloadResult, Status } from '../protocol/control.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { AccessReader } from './access-reader.ts';
import { restartApp, scaleApp, startApp, stopApp } from './app-operations.ts';
import { createAudited } from './audited.ts';
import { createCertificateOperations } from './certificate-operations.ts';
import type { CertsLink } from './certs-link.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import { createDomainOperations } from './domain-operations.ts';
import type { Paths } from './paths.ts';
import type { Schedules } from './schedule-keeper.ts';
import { createScheduleOperations } from './schedule-operations.ts';
import { createReleaseOperations } from './release-operations.ts';
import type { Releases } from './releases.ts';
import { createSecretOperations } from './secret-operations.ts';
import type { SecretVault } from './secret-vault.ts';
import { createShellOperations } from './shell-operations.ts';
import type { Sessions } from './shell-sessions.ts';
import { appState } from './status.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';
import { createVerifyOperations } from './verify-operations.ts';
import type { Verifier } from './verify-passes.ts';
import type { ProbeRunner } from './verify-probes.ts';

export interface OperationParts {
  store: Store;
  access: AccessReader;
  listGrants: (only?: string) => GrantStatus[];
  certs: CertsLink | undefined;
  paths: Paths;
  vault: SecretVault;
  schedules: Schedules;
  sessions: Sessions;
  releases: Releases;
  findTenant: (name: string) => Tenant | undefined;
  tenants: () => Tenant[];
  verifier: Verifier;
  probes: ProbeRunner;
  config: () => DaemonConfig;
  refresh: (tenant: TenantName) => Promise<void>;
  status: (only?: TenantName) => Status;
  /** Before `status`, of what has to be asked for. */
  readUse: () => Promise<void>;
  reload: (withEdges: boolean) => Promise<ReloadResult>;
}

type LogParams = z.infer<typeof controlCalls.logs>;

/** What can be asked of the daemon over the control socket. Every change is written to the audit trail, done or not. */
export function createOperations(parts: OperationParts): ControlOperations {
  const { store, access, certs, paths, vault, findTenant, tenants, refresh, status, reload } = parts;
  const audited = createAudited(store);

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
    async status({ tenant }) {
      await parts.readUse();
      const result = status(tenant !== undefined && isTenantName(tenant) ? tenant : undefined);
      if (tenant !== undefined && result.tenants.length === 0)
        throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${tenant}`, 'see tenantctl status');
      return result;
    },
    reload: ({ edges = false }, { actor }) => {
      const look = () =>
        edges
          ? status().edge.processes
          : tenants()
              .map(({ name }) => name)
              .sort();
      return audited({ tenant: '', action: edges ? 'reload-edges' : 'reload', actor, look }, () => reload(edges));
    },
    grants: ({ tenant }) => ({ grants: parts.listGrants(tenant === undefined ? undefined : tenantOf(tenant).name) }),
    'app-restart': changeApp('app-restart', restartApp),
    'app-stop': changeApp('app-stop', stopApp),
    'app-start': changeApp('app-start', startApp),
    'app-scale': ({ tenant: name, app: appName, workers }, { actor }) => {
      const tenant = tenantOf(name);
      const app = appOf(tenant, appName);
      const look = (): unknown => ({ app, workers: store.lifecycle.scaleOf(tenant.name, app) ?? 'auto' });
      return audited({ tenant: tenant.name, action: 'app-scale', actor, look }, () => scaleApp(tenant, app, workers));
    },
    ...createCertificateOperations({ certs, audited, tenantOf, tenants, localCaFile: paths.localCaFile }),
    ...createDomainOperations({ paths, store, audited, tenantOf, refresh }),
    ...createVerifyOperations({ verifier: parts.verifier, probes: parts.probes, config: parts.config, tenantOf, tenants }),
    ...createSecretOperations({ vault, rows: store.secrets, audited, tenantOf }),
    ...createScheduleOperations({ schedules: parts.schedules, rows: store.schedules, audited, tenantOf, appOf, tenants }),
    ...createShellOperations({ sessions: parts.sessions, tenantOf, appOf }),
    ...createReleaseOperations({ releases: parts.releases, tenantOf, appOf }),
    logs: readLogs,
    'access-logs': readAccessLogs,
  };
}
