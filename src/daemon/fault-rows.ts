import type { TenantName } from '../base/ids.ts';
import type { FaultInfo, FaultProcess } from '../protocol/fault-calls.ts';
import { type StateDatabase } from './state-database.ts';
import { inTransaction } from './transaction.ts';
import { upsert } from './upsert.ts';

/** One fault, or the same again and again. Its first time is a part of its key: written anew, it is the same row. */
export interface FaultRow {
  tenant: TenantName;
  /** '' for none. */
  app: string;
  kind: FaultInfo['kind'];
  firstAtMs: number;
  lastAtMs: number;
  count: number;
  detail: string;
  processes: FaultProcess[];
}

/** What a tenant's faults were counted from, last: text of the watch's own. */
export type FaultMarks = readonly (readonly [TenantName, string])[];

/** The fault journal's part of the state store: bounded by rows of each tenant, and by days. */
export interface FaultRows {
  /** All or none: what is counted is counted once. */
  write(rows: readonly FaultRow[], marks: FaultMarks): void;
  /** The last one of that kind. */
  latest(ref: Pick<FaultRow, 'tenant' | 'app' | 'kind'>): FaultRow | undefined;
  /** The newest first; without a tenant, of all. */
  list(tenant: TenantName | undefined, sinceMs: number, most: number): FaultRow[];
  /** Of each tenant that has one after that, the newest. */
  newest(sinceMs: number): FaultRow[];
  marksOf(tenant: TenantName): string | undefined;
}

export const keptFaults = { rows: 200, days: 30 };

export const faultTables = `
  CREATE TABLE faults (tenant TEXT NOT NULL, app TEXT NOT NULL, kind TEXT NOT NULL, first_at_ms INTEGER NOT NULL, last_at_ms INTEGER NOT NULL,
    count INTEGER NOT NULL, detail TEXT NOT NULL, processes TEXT NOT NULL, PRIMARY KEY (tenant, app, kind, first_at_ms)) STRICT;
  CREATE INDEX faults_by_time ON faults (last_at_ms);
  CREATE TABLE fault_marks (tenant TEXT NOT NULL PRIMARY KEY, marks TEXT NOT NULL) STRICT;`;

const columns = 'tenant, app, kind, first_at_ms, last_at_ms, count, detail, processes';
const faultSql = upsert('faults', ['tenant', 'app', 'kind', 'first_at_ms'], ['last_at_ms', 'count', 'detail', 'processes']);
const surplusSql = `DELETE FROM faults WHERE rowid IN
  (SELECT rowid FROM faults WHERE tenant = ? ORDER BY last_at_ms DESC, rowid DESC LIMIT -1 OFFSET ${keptFaults.rows})`;

export function createFaultRows(database: StateDatabase): FaultRows {
  const run = (sql: string, ...values: (string | number)[]): void => void database.prepare(sql).run(...values);
  const all = (sql: string, ...values: (string | number)[]): FaultRow[] =>
    database
      .prepare(sql)
      .all(...values)
      .map(toRow);

  return {
    write: (rows, marks) =>
      inTransaction(database, () => {
        for (const { tenant, app, kind, firstAtMs, lastAtMs, count, detail, processes } of rows)
          run(faultSql, ...[tenant, app, kind, firstAtMs, lastAtMs, count, detail, JSON.stringify(processes)]);
        for (const tenant of new Set(rows.map((row) => row.tenant))) run(surplusSql, tenant);
        const newestMs = Math.max(0, ...rows.map(({ lastAtMs }) => lastAtMs));
        run('DELETE FROM faults WHERE last_at_ms < ?', newestMs - keptFaults.days * 86_400_000);
        for (const [tenant, text] of marks) run(upsert('fault_marks', ['tenant'], ['marks']), tenant, text);
      }),
    latest: ({ tenant, app, kind }) =>
      all(
        `SELECT ${columns} FROM faults WHERE tenant = ? AND app = ? AND kind = ? ORDER BY first_at_ms DESC LIMIT 1`,
        ...[tenant, app, kind],
      )[0],
    list: (tenant, sinceMs, most) =>
      tenant === undefined
        ? all(`SELECT ${columns} FROM faults WHERE last_at_ms >= ? ORDER BY last_at_ms DESC, rowid DESC LIMIT ?`, sinceMs, most)
        : all(
            `SELECT ${columns} FROM faults WHERE tenant = ? AND last_at_ms >= ? ORDER BY last_at_ms DESC, rowid DESC LIMIT ?`,
            ...[tenant, sinceMs, most],
          ),
    // Of a bare column beside max(), SQLite takes the row of the maximum (lang_select, "bare columns").
    newest: (sinceMs) =>
      all(
        `SELECT tenant, app, kind, first_at_ms, max(last_at_ms) AS last_at_ms, count, detail, processes FROM faults
        WHERE last_at_ms >= ? GROUP BY tenant`,
        sinceMs,
      ),
    marksOf(tenant) {
      const row = database.prepare('SELECT marks FROM fault_marks WHERE tenant = ?').get(tenant);
      return row && String(row['marks']);
    },
  };
}

function toRow(row: Record<string, unknown>): FaultRow {
  return {
    ...{ tenant: row['tenant'] as TenantName, app: String(row['app']), kind: row['kind'] as FaultRow['kind'] },
    ...{ firstAtMs: Number(row['first_at_ms']), lastAtMs: Number(row['last_at_ms']), count: Number(row['count']) },
    ...{ detail: String(row['detail']), processes: JSON.parse(String(row['processes'])) as FaultProcess[] },
  };
}
