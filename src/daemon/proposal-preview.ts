import { TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { DomainChangeResult } from '../protocol/certificate-calls.ts';
import type { ScheduleListResult } from '../protocol/schedule-calls.ts';
import type { ProposalChange } from '../protocol/proposal-calls.ts';
import type { Caller, Operation } from './control-server.ts';
import type { CallName } from './policy.ts';
import type { Releases } from './releases.ts';
import { appState } from './status.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

/** The parameters of any call that can be proposed: those that it has. */
export interface ProposalParams {
  tenant: string;
  app: string;
  workers?: number | 'auto';
  to?: string;
  /** Of `app-deploy`. */
  release?: string;
  name?: string;
  names?: string[];
}

export interface PreviewParts {
  operation: (call: CallName) => Operation;
  releases: Pick<Releases, 'list' | 'compare'>;
  store: Pick<Store, 'lifecycle'>;
  /** These throw when there is none. */
  tenantOf: (name: string) => Tenant;
  appOf: (tenant: Tenant, name: string) => AppName;
}

/** What a call would change. It throws what the call would be refused for. */
export type Preview = (params: ProposalParams, caller: Caller) => Promise<ProposalChange>;

/** Of each call that the policy lets an agent propose. */
export function createPreviews({ operation, releases, store, tenantOf, appOf }: PreviewParts): Partial<Record<CallName, Preview>> {
  function find({ tenant: name, app }: ProposalParams): { tenant: Tenant; app: AppName } {
    const tenant = tenantOf(name);
    return { tenant, app: appOf(tenant, app) };
  }

  const state = (after: string): Preview => {
    return (params) => {
      const { tenant, app } = find(params);
      return Promise.resolve({ before: appState(tenant, app), after });
    };
  };

  function currentOf(tenant: Tenant, app: AppName): string {
    return releases.list(tenant.name, app).find(({ current }) => current)?.release ?? 'local';
  }

  async function previewDomains(call: 'domain-add' | 'domain-remove', params: ProposalParams, caller: Caller): Promise<ProposalChange> {
    const tried = { tenant: params.tenant, names: params.names, dryRun: true };
    const { changed, unchanged, problems } = (await operation(call)(tried, caller)) as DomainChangeResult;
    const fault = problems.find(({ code }) => code !== 'TENANTD_E_DOMAIN_PROOF');
    if (fault) throw new TenantdError(fault.code, fault.message, fault.fix);
    const words = call === 'domain-add' ? 'added' : 'removed';
    const same = unchanged.length === 0 ? '' : `; as they are: ${unchanged.join(', ')}`;
    return {
      before: `${tenantOf(params.tenant).picture.desired()?.config.domains.length ?? 0} domains`,
      after: `${words}: ${changed.join(', ')}${same}`,
      problems,
    };
  }

  return {
    'app-restart': state('running, with new workers'),
    'app-stop': state('stopped'),
    'app-start': state('running'),
    'app-scale': (params) => {
      const { tenant, app } = find(params);
      const before = store.lifecycle.scaleOf(tenant.name, app) ?? 'auto';
      return Promise.resolve({ before: `workers: ${before}`, after: `workers: ${params.workers}` });
    },
    'app-rollback': (params) => {
      const { tenant, app } = find(params);
      const target = releases
        .list(tenant.name, app)
        .find(({ release, previous }) => (params.to === undefined ? previous : release === params.to));
      if (!target || target.current) throw noRelease(`${tenant.name}/${app} has no release to go back to`, tenant, app);
      return Promise.resolve({ before: currentOf(tenant, app), after: target.release });
    },
    'app-deploy': async (params) => {
      const { tenant, app } = find(params);
      const { release = '' } = params;
      if (!releases.list(tenant.name, app).some((known) => known.release === release))
        throw noRelease(`the release ${release} is not there any more`, tenant, app);
      return { before: currentOf(tenant, app), after: release, files: await releases.compare(tenant.name, app, release) };
    },
    'schedule-run': async (params, caller) => {
      const { tenant, app } = find(params);
      const { schedules } = (await operation('schedule-list')({ tenant: tenant.name, app }, caller)) as ScheduleListResult;
      if (!schedules.some(({ name }) => name === params.name))
        throw new TenantdError(
          'TENANTD_E_NO_SUCH_SCHEDULE',
          `${tenant.name}/${app} has no schedule ${params.name}`,
          'see tenantctl schedule list',
        );
      return { before: 'as it is', after: `${params.name} is run once` };
    },
    'domain-add': (params, caller) => previewDomains('domain-add', params, caller),
    'domain-remove': (params, caller) => previewDomains('domain-remove', params, caller),
  };
}

function noRelease(message: string, tenant: Tenant, app: AppName): TenantdError {
  return new TenantdError('TENANTD_E_NO_SUCH_RELEASE', message, `see tenantctl app releases ${tenant.name}/${app}`);
}
