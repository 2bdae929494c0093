import { closeSync, existsSync, openSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type UsageFigures, usageFigureNames } from '../protocol/usage-calls.ts';
import { isDamage } from './state-database.ts';

/** Since 1970, in UTC. */
export type Hour = number;
export const hourMs = 3_600_000;
const rootAlone = 0o600;

/** How far a counter that only grows was counted. */
export interface UsageMark {
  tenant: string;
  /** Which counter: one name for each of its lives. */
  source: string;
  value: number;
  atMs: number;
}

export interface UsageChange {
  tenant: string;
  app: string;
  figures: UsageFigures;
}

export interface UsageQuery {
  tenant: string;
  from: Hour;
  to: Hour;
  by: 'month' | 'day' | 'hour';
  byApp: boolean;
  limit: number;
  offset: number;
}

export interface FoundUsage {
  app: string;
  from: Hour;
  figures: UsageFigures;
}

/**
 * What tenants used, by the hour, in a database of its own: it changes every few seconds, and the state store is copied whole whenever
 * it changed. It is not worth a tenant's standstill either: what is damaged is put aside.
 *
 * Invariants:
 * - What a counter brought and how far it was counted are written in one transaction: nothing counts twice.
 * - A commit survives the daemon; a power cut may take the last seconds of them, all of a transaction or nothing.
 */
export interface UsageRows {
  /** What was done to have a database at all, if it was not there as it should be. */
  readonly notice: string | undefined;
  marks(): UsageMark[];
  /** All of it or, when it throws, nothing. */
  write(hour: Hour, changes: Iterable<UsageChange>, marks: Iterable<UsageMark>, forgotten: Iterable<UsageMark>): void;
  /** That have anything, after this one, in order. */
  tenantsAfter(tenant: string): string[];
  /** In order of time and app. */
  find(query: UsageQuery): FoundUsage[];
  removeBefore(hour: Hour): void;
  close(): void;
}

const figureColumns = ['requests', 'bytes_in', 'bytes_out', 'cpu_seconds', 'memory_gib_hours', 'disk_gib_hours', 'egress_out', 'egress_in'];

const tables = `
  CREATE TABLE IF NOT EXISTS usage_hours (tenant TEXT NOT NULL, hour INTEGER NOT NULL, app TEXT NOT NULL,
    requests INTEGER NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, cpu_seconds REAL NOT NULL,
    memory_gib_hours REAL NOT NULL, disk_gib_hours REAL NOT NULL, egress_out INTEGER NOT NULL, egress_in INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, app)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS usage_marks (tenant TEXT NOT NULL, source TEXT NOT NULL, value REAL NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, source)) STRICT, WITHOUT ROWID;`;

const addSql = `INSERT INTO usage_hours (tenant, hour, app, ${figureColumns.join(', ')})
  VALUES (?, ?, ?, ${figureColumns.map(() => '?').join(', ')})
  ON CONFLICT (tenant, hour, app) DO UPDATE SET ${figureColumns.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`;
const markSql = `INSERT INTO usage_marks (tenant, source, value, at_ms) VALUES (?, ?, ?, ?)
  ON CONFLICT (tenant, source) DO UPDATE SET value = excluded.value, at_ms = excluded.at_ms`;
/** Of as many as there are, however many rows these have: a look into the index for each. */
const tenantsSql = `WITH RECURSIVE found (tenant) AS (SELECT min(tenant) FROM usage_hours WHERE tenant > ?
  UNION ALL SELECT (SELECT min(tenant) FROM usage_hours WHERE usage_hours.tenant > found.tenant) FROM found WHERE found.tenant IS NOT NULL)
  SELECT tenant FROM found WHERE tenant IS NOT NULL`;
function findSql({ by, byApp, from }: UsageQuery): string {
  const period = { month: Math.trunc(from), day: 'hour - hour % 24', hour: 'hour' }[by];
  const sums = figureColumns.map((name) => `sum(${name}) AS ${name}`).join(', ');
  return `SELECT ${period} AS period, ${byApp ? 'app' : "''"} AS of_app, ${sums}
    FROM usage_hours WHERE tenant = ? AND hour >= ? AND hour < ? GROUP BY period, of_app ORDER BY period, of_app LIMIT ? OFFSET ?`;
}

export function openUsageRows(file: string, log: Log): UsageRows {
  const { database, notice } = openOrBeginAnew(file, log);
  const [add, mark, forget] = [addSql, markSql, 'DELETE FROM usage_marks WHERE tenant = ? AND source = ?'].map((sql) =>
    database.prepare(sql),
  );

  function writeAll(...[hour, changes, marks, forgotten]: Parameters<UsageRows['write']>): void {
    for (const { tenant, app, figures } of changes) add?.run(tenant, hour, app, ...usageFigureNames.map((name) => figures[name]));
    for (const { tenant, source, value, atMs } of marks) mark?.run(tenant, source, value, Math.trunc(atMs));
    for (const { tenant, source } of forgotten) forget?.run(tenant, source);
  }

  return {
    notice,
    marks: () =>
      database
        .prepare('SELECT tenant, source, value, at_ms FROM usage_marks')
        .all()
        .map(({ tenant, source, value, at_ms: atMs }) => ({
          ...{ tenant: String(tenant), source: String(source), value: Number(value), atMs: Number(atMs) },
        })),
    write(...words) {
      database.exec('BEGIN IMMEDIATE');
      try {
        writeAll(...words);
        database.exec('COMMIT');
      } catch (error) {
        // On a full disk SQLite has rolled it back already.
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    },
    tenantsAfter: (tenant) =>
      database
        .prepare(tenantsSql)
        .all(tenant)
        .map((row) => String(row['tenant'])),
    find: (query) =>
      database
        .prepare(findSql(query))
        .all(query.tenant, query.from, query.to, query.limit, query.offset)
        .map((row) => ({ app: String(row['of_app']), from: Number(row['period']), figures: toFigures(row) })),
    removeBefore(hour) {
      const remove = database.prepare('DELETE FROM usage_hours WHERE tenant = ? AND hour < ?');
      for (const { tenant } of database.prepare(tenantsSql).all('')) remove.run(String(tenant), hour);
    },
    close: () => database.close(),
  };
}

function toFigures(row: Record<string, unknown>): UsageFigures {
  const entries = usageFigureNames.map((name, index) => [name, Number(row[figureColumns[index] ?? ''])]);
  return Object.fromEntries(entries) as UsageFigures;
}

function openOrBeginAnew(file: string, log: Log): { database: DatabaseSync; notice: string | undefined } {
  try {
    return { database: openDatabase(file), notice: undefined };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const aside = `${file}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
    const notice = `${file} was damaged (${messageOf(error)}): it is kept as ${aside}, and usage is counted anew`;
    log.error({ file }, notice);
    for (const end of ['', '-wal', '-shm']) if (existsSync(file + end)) renameSync(file + end, aside + end);
    return { database: openDatabase(file), notice };
  }
}

function openDatabase(file: string): DatabaseSync {
  if (!existsSync(file)) closeSync(openSync(file, 'wx', rootAlone));
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${tables}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
