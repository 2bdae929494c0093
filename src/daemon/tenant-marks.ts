import type { TenantName } from '../base/ids.ts';
import type { TenantMark } from '../protocol/tenant-calls.ts';
import type { StateDatabase } from './state-database.ts';
import { upsert } from './upsert.ts';

/**
 * What operators made of tenants as a whole. `suspended`: out of service, with a page. `removing`: out of service, and its data is kept until
 * `untilMs`. `restoring`: it is not whole yet; what is there of it is deleted when nobody goes on with it. `purging`: its data is being
 * deleted, which nobody can take back.
 */
export interface Mark {
  mark: 'suspended' | 'removing' | 'restoring' | 'purging';
  sinceMs: number;
  /** As the audit trail has it. */
  by: string;
  reason?: string;
  untilMs?: number;
}

/** A part of the state store; a tenant may have one of each. */
export interface TenantMarkRows {
  /** The one that counts: that is nearest to its end. */
  of(tenant: TenantName): Mark | undefined;
  has(tenant: TenantName, mark: Mark['mark']): boolean;
  /** Those that count. */
  all(): Map<TenantName, Mark>;
  set(tenant: TenantName, mark: Mark): void;
  remove(tenant: TenantName, mark: Mark['mark']): void;
}

export const tenantMarkTables = `
  CREATE TABLE tenant_marks (tenant TEXT NOT NULL, mark TEXT NOT NULL, since_ms INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
    until_ms INTEGER, PRIMARY KEY (tenant, mark)) STRICT;`;

const order: readonly Mark['mark'][] = ['suspended', 'removing', 'restoring', 'purging'];
const markSql = upsert('tenant_marks', ['tenant', 'mark'], ['since_ms', 'actor', 'reason', 'until_ms']);

export function createTenantMarkRows(database: StateDatabase): TenantMarkRows {
  const all = (sql: string, ...values: string[]) => database.prepare(sql).all(...values);
  const of = (tenant: TenantName): Mark[] => all('SELECT * FROM tenant_marks WHERE tenant = ?', tenant).map(toMark);

  return {
    of: (tenant) => strongest(of(tenant)),
    has: (tenant, mark) => of(tenant).some((known) => known.mark === mark),
    all() {
      const byTenant = Map.groupBy(all('SELECT * FROM tenant_marks'), ({ tenant }) => tenant as TenantName);
      return new Map([...byTenant].flatMap(([tenant, rows]) => entryOf(tenant, strongest(rows.map(toMark)))));
    },
    set: (tenant, { mark, sinceMs, by, reason = '', untilMs }) =>
      void database.prepare(markSql).run(tenant, mark, sinceMs, by, reason, untilMs ?? null),
    remove: (tenant, mark) => void database.prepare('DELETE FROM tenant_marks WHERE tenant = ? AND mark = ?').run(tenant, mark),
  };
}

const stateOf = { suspended: 'suspended', removing: 'removing', restoring: 'starting', purging: 'removing' } as const;

/** As it is told to people. */
export function toTenantMark({ mark, sinceMs, by, reason, untilMs }: Mark): TenantMark {
  return {
    state: stateOf[mark],
    since: new Date(sinceMs).toISOString(),
    by,
    ...(reason !== undefined && { reason }),
    ...(untilMs !== undefined && { until: new Date(untilMs).toISOString() }),
  };
}

function strongest(marks: readonly Mark[]): Mark | undefined {
  return marks.toSorted((a, b) => order.indexOf(b.mark) - order.indexOf(a.mark))[0];
}

function entryOf(tenant: TenantName, mark: Mark | undefined): [TenantName, Mark][] {
  return mark ? [[tenant, mark]] : [];
}

function toMark(row: Record<string, unknown>): Mark {
  const [reason, untilMs] = [String(row['reason']), row['until_ms']];
  return {
    ...{ mark: row['mark'] as Mark['mark'], sinceMs: Number(row['since_ms']), by: String(row['actor']) },
    ...(reason !== '' && { reason }),
    ...(untilMs !== null && { untilMs: Number(untilMs) }),
  };
}
