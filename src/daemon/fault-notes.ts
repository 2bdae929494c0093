import type { AppName, TenantName } from '../base/ids.ts';
import type { AppState } from '../protocol/control.ts';
import type { LimitHit, TenantStall } from '../protocol/edge.ts';
import type { FaultBook } from './fault-book.ts';
import { requestFaultWords } from './fault-words.ts';
import { isFailure, type RunRow, type ScheduleRef } from './schedule-rows.ts';
import type { Tenant } from './tenant.ts';

/** What others see, as faults of the tenant whose it is. */
export function noteFaultsOf({
  book,
  tenants,
}: {
  book: Pick<FaultBook, 'note' | 'lastDetail'>;
  tenants: ReadonlyMap<TenantName, Tenant>;
}) {
  return {
    /** By edges: of tenants that may be gone by now. */
    limitHits: (hits: readonly LimitHit[]): void => {
      for (const { tenant: name, app, limit: kind, count, firstAtMs, lastAtMs } of hits) {
        const tenant = tenants.get(name as TenantName);
        if (!tenant?.picture.desired()) continue;
        const detail = requestFaultWords(kind, tenant.picture.limits());
        book.note({ tenant: tenant.name, app, kind, count, firstAtMs, lastAtMs, detail });
      }
    },
    stall: ({ tenant, heldUpMs }: TenantStall): void => {
      if (!tenants.has(tenant as TenantName)) return;
      book.note({ tenant: tenant as TenantName, kind: 'stall', detail: `held up an edge for ${Math.round(heldUpMs)} ms, again and again` });
    },
    scheduleEnd: ({ tenant, app, name }: ScheduleRef, { outcome, detail = outcome, status }: RunRow): void => {
      if (!isFailure(outcome)) return;
      book.note({ tenant, app, kind: 'schedule', detail: `${name}: ${status === undefined ? detail : `answered ${status}`}` });
    },
    takenBack: (tenant: TenantName, app: AppName, failure: string): void => {
      book.note({ tenant, app, kind: 'release', detail: failure });
    },
    appState: (tenant: TenantName, app: AppName, state: AppState): void => {
      if (state !== 'quarantined') return;
      const { reason = 'failed again and again', nextTryAtMs = 0 } = tenants.get(tenant)?.stateOf(app) ?? {};
      const until = new Date(nextTryAtMs).toISOString();
      const fault = { tenant, app, kind: 'quarantine' } as const;
      // Told again at each start of the daemon.
      if (!book.lastDetail(fault)?.includes(until)) book.note({ ...fault, detail: `is left alone until ${until}: it ${reason}` });
    },
  };
}
