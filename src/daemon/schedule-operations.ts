import type { AppName } from '../base/ids.ts';
import type { Audited } from './audited.ts';
import type { ControlOperations } from './control-server.ts';
import type { Schedules } from './schedule-keeper.ts';
import type { RunRow, ScheduleRows } from './schedule-rows.ts';
import { toScheduleRun } from './schedule-words.ts';
import type { Tenant } from './tenant.ts';

export interface ScheduleOperationParts {
  schedules: Pick<Schedules, 'list' | 'runNow'>;
  rows: Pick<ScheduleRows, 'history' | 'run'>;
  audited: Audited;
  /** These throw when there is none. */
  tenantOf: (name: string) => Tenant;
  servingOf: (name: string) => Tenant;
  appOf: (tenant: Tenant, name: string) => AppName;
  tenants: () => Tenant[];
}

type ScheduleOperations = Pick<ControlOperations, 'schedule-list' | 'schedule-history' | 'schedule-run'>;

/** What can be asked about schedules. */
export function createScheduleOperations({
  schedules,
  rows,
  audited,
  tenantOf,
  servingOf,
  appOf,
  tenants,
}: ScheduleOperationParts): ScheduleOperations {
  return {
    'schedule-list'({ tenant: tenantName, app }) {
      if (tenantName === undefined) return { schedules: tenants().flatMap(({ name }) => schedules.list(name)) };
      const tenant = tenantOf(tenantName);
      return { schedules: schedules.list(tenant.name, app === undefined ? undefined : appOf(tenant, app)) };
    },

    'schedule-history'({ tenant: tenantName, app, name, runs }) {
      const tenant = tenantOf(tenantName);
      return { runs: rows.history(tenant.name, appOf(tenant, app), name, runs).map((row) => toScheduleRun(row.name, row)) };
    },

    async 'schedule-run'({ tenant: tenantName, app, name, wait }, { actor }) {
      const tenant = servingOf(tenantName);
      const ref = { tenant: tenant.name, app: appOf(tenant, app), name };
      let row: RunRow | undefined;
      const look = (): unknown => ({ app: ref.app, schedule: name, run: row && toScheduleRun(name, row) });
      const started = await audited({ tenant: tenant.name, action: 'schedule-run', actor, look }, () => {
        const begun = schedules.runNow(ref);
        row = begun.row;
        return Promise.resolve(begun);
      });
      return { run: toScheduleRun(name, wait ? await started.ended : started.row) };
    },
  };
}
