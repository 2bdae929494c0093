import type { TenantMarkResult, TenantProgressEvent } from '../protocol/tenant-calls.ts';
import type { TenantName } from '../base/ids.ts';
import type { Audited } from './audited.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import type { Store } from './store.ts';
import type { TenantLife } from './tenant-life.ts';
import { toTenantMark } from './tenant-marks.ts';

export interface TenantOperationParts {
  life: TenantLife;
  marks: Store['marks'];
  audited: Audited;
}

type TenantOperations = Pick<ControlOperations, 'tenant-list' | 'tenant-create' | 'tenant-suspend' | 'tenant-resume' | 'tenant-remove'>;

/** What can be done with a tenant as a whole. */
export function createTenantOperations({ life, marks, audited }: TenantOperationParts): TenantOperations {
  async function change(name: string, action: string, { actor }: Caller, work: (tenant: TenantName) => Promise<void>) {
    const tenant = life.known(name);
    const look = (): unknown => markOf(tenant) ?? null;
    await audited({ tenant, action, actor, look }, () => work(tenant));
    const mark = markOf(tenant);
    return { tenant, ...(mark && { mark }) } satisfies TenantMarkResult;
  }

  function markOf(tenant: TenantName) {
    const mark = marks.of(tenant);
    return mark && toTenantMark(mark);
  }

  return {
    'tenant-list': ({ tenant }) => ({ tenants: life.list(tenant) }),
    async 'tenant-create'({ tenant: name, domains, plan, template, set = {} }, { actor, channel }) {
      const startedAtMs = performance.now();
      const order = await life.check({ tenant: name, domains, plan, template, set });
      // What is set for a template may be anything: it is in the tenant's files, not here.
      const look = (): unknown => ({ domains: order.domains, plan, template, set: Object.keys(set) });
      const created = await audited({ tenant: order.tenant, action: 'tenant-create', actor, look }, () =>
        life.create(order, teller(channel)),
      );
      return { ...created, tookMs: Math.round(performance.now() - startedAtMs) };
    },
    'tenant-suspend': ({ tenant, reason }, caller) =>
      change(tenant, 'tenant-suspend', caller, (known) => life.suspend(known, caller.actor, reason)),
    'tenant-resume': ({ tenant }, caller) => change(tenant, 'tenant-resume', caller, (known) => life.resume(known)),
    'tenant-remove': ({ tenant, now }, caller) =>
      change(tenant, 'tenant-remove', caller, (known) => life.remove(known, caller.actor, now, teller(caller.channel))),
  };
}

function teller(channel: Caller['channel']): (doing: string) => void {
  return (doing) => {
    const event: TenantProgressEvent = { doing };
    channel.notify('tenant-progress', event);
  };
}
