import type { StateDatabase } from './state-database.ts';
import { inTransaction } from './transaction.ts';
import type { GivenUid, UidJournal } from './uid-journal.ts';

/** What lasts when a tenant is gone: who had which uid, what was done, and what is to be billed. */
const lasting: ReadonlySet<string> = new Set(['uids', 'audit', 'audit_begun', 'usage_hours']);

/**
 * Takes all that the store has of a tenant. Its uids stay used, under a name that no tenant can have: a tenant of the same name is another
 * one, and gets others (Invariant 10).
 */
export function forgetTenant(database: StateDatabase, tenant: string, journal: UidJournal | undefined): void {
  inTransaction(database, () => {
    retireUids(database, tenant, journal);
    for (const table of tablesOfTenants(database)) database.prepare(`DELETE FROM ${table} WHERE tenant = ?`).run(tenant);
  });
  // Wrapped keys leave the write-ahead log, too.
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

/**
 * Of a database that was put back: tenants whose uids the journal knows as retired were removed since, and who has their name now must
 * find nothing of them.
 */
export function forgetRetired(database: StateDatabase, journal: UidJournal): void {
  const given = givenUids(database).filter(({ uid, tenant }) => !isRetired(tenant) && isRetired(journal.ownerOf(uid)?.tenant ?? ''));
  for (const tenant of new Set(given.map((row) => row.tenant))) forgetTenant(database, tenant, journal);
}

function retireUids(database: StateDatabase, tenant: string, journal: UidJournal | undefined): void {
  const given = givenUids(database).filter((row) => row.tenant === tenant);
  if (given.length === 0) return;
  // No other can have that: uids are given once.
  const retired = `${tenant}${retiredMark}${Math.min(...given.map(({ uid }) => uid))}`;
  journal?.add(given.map((row) => ({ ...row, tenant: retired })));
  database.prepare('UPDATE uids SET tenant = ? WHERE tenant = ?').run(retired, tenant);
}

const retiredMark = '#';

function isRetired(tenant: string): boolean {
  return tenant.includes(retiredMark);
}

function givenUids(database: StateDatabase): GivenUid[] {
  return database
    .prepare('SELECT tenant, app, uid FROM uids')
    .all()
    .map(({ tenant, app, uid }) => ({ tenant: String(tenant), app: String(app), uid: Number(uid) }));
}

/** Whatever tables there are: also those of a newer tenantd. */
function tablesOfTenants(database: StateDatabase): string[] {
  const sql = `SELECT m.name AS name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'tenant'`;
  const names = database.prepare(sql).all();
  return names.map(({ name }) => String(name)).filter((name) => !lasting.has(name));
}
