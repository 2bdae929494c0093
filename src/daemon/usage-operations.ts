import { setImmediate as nextTurn } from 'node:timers/promises';
import { TenantdError } from '../base/errors.ts';
import { type UsageFigures, usageFigureNames, type UsageResult, type UsageRow } from '../protocol/usage-calls.ts';
import type { ControlOperations } from './control-server.ts';
import type { Usage } from './usage.ts';
import { type FoundUsage, type Hour, hourMs } from './usage-rows.ts';

export interface UsageOperationParts {
  usage: Pick<Usage, 'bringUpToDate' | 'rows'>;
  isTenant: (name: string) => boolean;
  nowMs: () => number;
}

/** One answer is one frame, which the daemon makes in one turn. */
const pageRows = 5_000;

export function createUsageOperations({ usage, isTenant, nowMs }: UsageOperationParts): Pick<ControlOperations, 'usage'> {
  return {
    async usage({ tenant: only, month = monthOf(nowMs()), by, byApp, after }): Promise<UsageResult> {
      await usage.bringUpToDate();
      const from = hourOf(`${month}-01T00:00:00Z`);
      const to = monthAfter(from);
      const tenants = only === undefined ? usage.rows.tenantsAfter('') : [only];
      // Of one that is gone what it used is kept.
      if (only !== undefined && !isTenant(only) && !usage.rows.tenantsAfter('').includes(only))
        throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${only}`, 'see tenantctl status');
      const rows: UsageRow[] = [];
      for (const tenant of tenants.filter((name) => name >= (after?.tenant ?? ''))) {
        const offset = tenant === after?.tenant ? after.rows : 0;
        const limit = pageRows - rows.length;
        // Between two of them others have their turn.
        await nextTurn();
        const found = usage.rows.find({ tenant, from, to, by, byApp, limit, offset });
        for (const row of found) rows.push(toRow(tenant, row, byApp, by === 'month' ? to : row.from + { day: 24, hour: 1 }[by]));
        if (found.length === limit) return { month, rows, next: { tenant, rows: offset + limit } };
      }
      return { month, rows };
    },
  };
}

function toRow(tenant: string, { app, from, figures }: FoundUsage, byApp: boolean, to: Hour): UsageRow {
  return { tenant, ...(byApp && { app }), from: timeOf(from), to: timeOf(to), ...rounded(figures) };
}

/** Sums of fractions have digits at their end that nobody measured. */
function rounded(figures: UsageFigures): UsageFigures {
  const entries = usageFigureNames.map((name) => [name, Math.round(figures[name] * 1e6) / 1e6]);
  return Object.fromEntries(entries) as UsageFigures;
}

function monthOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 7);
}

function hourOf(time: string): Hour {
  return Math.floor(Date.parse(time) / hourMs);
}

function timeOf(hour: Hour): string {
  return new Date(hour * hourMs).toISOString().replace('.000Z', 'Z');
}

function monthAfter(hour: Hour): Hour {
  const start = new Date(hour * hourMs);
  return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1) / hourMs;
}
