import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { TenantdError } from '../base/errors.ts';
import { faultTables } from './fault-rows.ts';
import { domainProofTables } from './domain-proof-rows.ts';
import { auditTables } from './audit-rows.ts';
import { lifecycleTables } from './lifecycle-rows.ts';
import { proposalTables } from './proposal-rows.ts';
import { releaseTables } from './release-rows.ts';
import { scheduleTables } from './schedule-rows.ts';
import { secretTables } from './secret-rows.ts';
import { sealTable } from './state-seal.ts';
import { tenantMarkTables } from './tenant-marks.ts';
import { wrapDatabase } from './state-database.ts';
import { templateTables } from './template-rows.ts';
import { tokenTables } from './token-rows.ts';
import { inTransaction } from './transaction.ts';

/** What one version has more than the one before it. Only added is, so that versions before it can go on with the file. */
interface Migration {
  sql: string;
  /** The first version that can use the file afterwards. */
  least: number;
}

const migrations: Migration[] = [
  {
    least: 1,
    sql: `CREATE TABLE uids (tenant TEXT NOT NULL, app TEXT NOT NULL, uid INTEGER NOT NULL UNIQUE, PRIMARY KEY (tenant, app)) STRICT;
  CREATE TABLE configs (tenant TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE domains (tenant TEXT NOT NULL, domain TEXT NOT NULL UNIQUE, PRIMARY KEY (tenant, domain)) STRICT;
  CREATE TABLE apps (tenant TEXT NOT NULL, app TEXT NOT NULL, manifest TEXT NOT NULL, generation_key TEXT NOT NULL,
    generation INTEGER NOT NULL, PRIMARY KEY (tenant, app)) STRICT;
  CREATE TABLE stopped_apps (tenant TEXT NOT NULL, app TEXT NOT NULL, PRIMARY KEY (tenant, app)) STRICT;
  CREATE TABLE audit (tenant TEXT NOT NULL, sequence INTEGER NOT NULL UNIQUE, time TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL, outcome TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (tenant, sequence)) STRICT;
  CREATE TRIGGER audit_is_append_only_1 BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
  CREATE TRIGGER audit_is_append_only_2 BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;`,
  },
  { least: 2, sql: secretTables },
  { least: 3, sql: [releaseTables, lifecycleTables, scheduleTables, sealTable].join('\n') },
  {
    least: 4,
    sql: [auditTables, tokenTables, proposalTables, domainProofTables, tenantMarkTables, templateTables, faultTables].join('\n'),
  },
];
export const stateVersion: number = migrations.length;
/** In the file's head, as its application id: whose it is ("td"), and the first version that can use it. 0 before version 3. */
const idBase = 0x7464_0000;

/** It holds sealed secrets. */
const rootAlone = 0o600;

/** How a database is opened where there is no room for the index that several users of one would share. */
export type Locking = 'shared' | 'exclusive';

/**
 * The daemon's database, of this version unless it is of a newer one that this can use. Throws for one that it can't use, and
 * leaves that as it is.
 */
export function openDatabase(file: string, locking: Locking = 'shared'): { database: DatabaseSync; version: number } {
  if (!existsSync(file)) closeSync(openSync(file, 'wx', rootAlone));
  const sizeBytes = statSync(file).size;
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    if (locking === 'exclusive') database.exec('PRAGMA locking_mode = EXCLUSIVE');
    // Before anything is written: what is refused stays as it is.
    const version = usableVersionOf(database, file, sizeBytes);
    // What is deleted is overwritten: a wrapped key that was replaced must not be found on the disk.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;');
    for (const name of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(name)) chmodSync(name, rootAlone);
    if (version < stateVersion) inTransaction(wrapDatabase(database), () => migrate(database, version));
    return { database, version: Math.max(version, stateVersion) };
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync, version: number): void {
  for (const { sql } of migrations.slice(version)) database.exec(sql);
  const least = migrations.at(-1)?.least ?? stateVersion;
  database.exec(`PRAGMA user_version = ${stateVersion}; PRAGMA application_id = ${idBase + least}`);
}

/** 0 for a new file. Throws when it is another program's, or of a version that this one can't use. */
export function usableVersionOf(database: DatabaseSync, file: string, sizeBytes: number): number {
  const numberOf = (sql: string): number => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
  const version = numberOf('PRAGMA user_version');
  const id = numberOf('PRAGMA application_id');
  const isOurs = id === 0 || (id & ~0xffff) === idBase;
  // SQLite takes a file of a few bytes for a new one, and another program's database for one of version 0.
  const isNew = sizeBytes === 0 || (numberOf('PRAGMA page_count') > 0 && numberOf('SELECT count(*) FROM sqlite_schema') === 0);
  if (!isOurs || (version === 0 && !isNew)) throw new Error('it holds something else');
  const least = id === 0 ? version : id - idBase;
  if (least <= stateVersion) return version;
  const message = `${file} is of version ${version}, newer than this tenantd knows (${stateVersion})`;
  throw new TenantdError('TENANTD_E_STATE', message, 'start the newer tenantd');
}
