import { TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { GrantStatus, ReloadResult, Status } from '../protocol/control.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { MetricsSnapshot } from '../protocol/metrics.ts';
import type { Log } from '../base/log.ts';
import type { AccessReader } from './access-reader.ts';
import { restartApp, scaleApp, startApp, stopApp } from './app-operations.ts';
import { createAuditOperations } from './audit-operations.ts';
import { createAudited } from './audited.ts';
import { createBackupOperations } from './backup-operations.ts';
import type { Backups } from './backups.ts';
import { createCertificateOperations } from './certificate-operations.ts';
import type { CertsLink } from './certs-link.ts';
import type { Caller, ControlOperations, Gate, Operation } from './control-server.ts';
import { createDiffOperations } from './diff-operations.ts';
import { createDomainOperations } from './domain-operations.ts';
import { createDomainProofs } from './domain-proof.ts';
import { createLogOperations } from './log-operations.ts';
import type { FaultBook } from './fault-book.ts';
import { createFaultOperations } from './fault-operations.ts';
import type { Paths } from './paths.ts';
import { createPlanOperations, type PlanOperationParts } from './plan-operations.ts';
import { createProposalOperations, type ProposalOperations } from './proposal-operations.ts';
import { createProposals } from './proposals.ts';
import type { Schedules } from './schedule-keeper.ts';
import { createScheduleOperations } from './schedule-operations.ts';
import { createReleaseOperations } from './release-operations.ts';
import type { Releases } from './releases.ts';
import { createSecretOperations } from './secret-operations.ts';
import { assertNotRemoved, inService } from './tenant-in-service.ts';
import type { TenantLife } from './tenant-life.ts';
import { createTenantOperations } from './tenant-operations.ts';
import type { SecretVault } from './secret-vault.ts';
import { createShellOperations } from './shell-operations.ts';
import { createTemplateOperations } from './template-operations.ts';
import type { Templating } from './templating.ts';
import type { Sessions } from './shell-sessions.ts';
import { appState } from './status.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';
import { createTokenOperations } from './token-operations.ts';
import type { Tokens } from './tokens.ts';
import { createUsageOperations, type UsageOperationParts } from './usage-operations.ts';
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
  faults: Pick<FaultBook, 'list'>;
  plans: Omit<PlanOperationParts, 'tenantOf'>;
  tokens: Tokens;
  onTokensRevoked: () => void;
  backups: Backups;
  log: Log;
  life: TenantLife;
  findTenant: (name: string) => Tenant | undefined;
  tenants: () => Tenant[];
  verifier: Verifier;
  probes: ProbeRunner;
  config: () => DaemonConfig;
  refresh: (tenant: TenantName) => Promise<void>;
  status: (only?: TenantName) => Status;
  usage: UsageOperationParts['usage'];
  metrics: () => MetricsSnapshot;
  templating: Templating;
  /** Before `status`, of what has to be asked for. */
  readUse: () => Promise<void>;
  reload: (withEdges: boolean) => Promise<ReloadResult>;
}

/** What can be asked of the daemon over the control socket. Every change is written to the audit trail, done or not. */
export function createOperations(parts: OperationParts): {
  operations: ControlOperations;
  propose: Gate['propose'];
  expireProposals: () => void;
} {
  const { store, access, certs, paths, vault, findTenant, tenants, refresh, status, reload } = parts;
  const audited = createAudited(store);

  function tenantOf(name: string): Tenant {
    const tenant = findTenant(name);
    if (!tenant && isTenantName(name)) assertNotRemoved(store, name);
    if (!tenant) throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${name}`, 'see tenantctl status');
    return tenant;
  }

  function appOf(tenant: Tenant, name: string): AppName {
    const known = tenant.picture.desired()?.apps.some(({ app }) => app === name) ?? false;
    if (isAppName(name) && known) return name;
    throw new TenantdError('TENANTD_E_NO_SUCH_APP', `${tenant.name} has no app ${name}`, `see tenantctl status ${tenant.name}`);
  }

  const servingOf = inService(tenantOf);

  function changeApp(action: string, change: (tenant: Tenant, app: AppName) => Promise<void>) {
    return (params: { tenant: string; app: string }, { actor }: Caller): Promise<null> => {
      const tenant = servingOf(params.tenant);
      const app = appOf(tenant, params.app);
      const look = (): unknown => ({ app, state: appState(tenant, app), generation: tenant.picture.apps().get(app)?.spec.generation });
      return audited({ tenant: tenant.name, action, actor, look }, () => change(tenant, app)).then(() => null);
    };
  }

  const direct: Omit<ControlOperations, keyof ProposalOperations> = {
    async status({ tenant }, { who }) {
      await parts.readUse();
      const result = status(tenant !== undefined && isTenantName(tenant) ? tenant : undefined);
      if (tenant !== undefined && result.tenants.length === 0)
        throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${tenant}`, 'see tenantctl status');
      // Those of the machine are the operator's.
      return who.role === 'operator' ? result : { ...result, problems: [] };
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
    ...createBackupOperations(parts.backups, tenantOf),
    ...createCertificateOperations({ certs, audited, tenantOf, tenants, localCaFile: paths.localCaFile }),
    ...createDomainOperations({
      paths,
      store,
      audited,
      tenantOf,
      refresh,
      inTurn: parts.templating.inTurn,
      proofs: createDomainProofs({ certs, store }),
    }),
    ...createVerifyOperations({ verifier: parts.verifier, probes: parts.probes, config: parts.config, tenantOf, tenants }),
    ...createSecretOperations({ vault, rows: store.secrets, audited, tenantOf }),
    ...createScheduleOperations({ schedules: parts.schedules, rows: store.schedules, audited, tenantOf, servingOf, appOf, tenants }),
    ...createShellOperations({ sessions: parts.sessions, tenantOf: servingOf, appOf }),
    ...createTenantOperations({ life: parts.life, marks: store.marks, audited }),
    ...createTokenOperations({ tokens: parts.tokens, audited, tenantOf, onRevoked: parts.onTokensRevoked }),
    ...createAuditOperations(store),
    ...createUsageOperations({ usage: parts.usage, isTenant: (name) => findTenant(name) !== undefined, nowMs: Date.now }),
    metrics: () => parts.metrics(),
    ...createTemplateOperations({ ...parts, ...parts.templating, audited, tenantOf }),
    ...createDiffOperations({ ...parts, ...parts.templating, currentPlans: parts.templating.plans, tenantOf }),
    ...createReleaseOperations({ releases: parts.releases, tenantOf, servingOf, appOf }),
    ...createFaultOperations({ faults: parts.faults, tenantOf }),
    ...createPlanOperations({ ...parts.plans, tenantOf }),
    ...createLogOperations({ access, tenantOf, appOf }),
  };
  const proposals = createProposals({ rows: store.proposals, nowMs: Date.now });
  proposals.takeUp();
  const desk = createProposalOperations({
    ...{ proposals, store, audited, tenantOf: servingOf, appOf, releases: parts.releases, log: parts.log },
    operation: (call) => operations[call] as Operation,
  });
  const operations: ControlOperations = { ...direct, ...desk.operations };
  return { operations, propose: desk.propose, expireProposals: desk.expire };
}
