import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { AppName, TenantName } from '../base/ids.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import { isValidChain, sealEntry, type AuditEntry, type AuditRecord } from './audit.ts';
import { createSecretRows, type SecretRows, secretTables } from './secret-rows.ts';
import { inTransaction } from './transaction.ts';

/** What is remembered of one app: its last good manifest (as checked JSON) and which workers are current. */
export interface StoredApp {
  manifest: unknown;
  /** Hash of all that a worker is started from; when it changes, `generation` grows. */
  generationKey: string;
  generation: number;
}

/**
 * The daemon's durable state. Every record has its tenant in its primary key (Invariant 8); `''` stands for the daemon itself.
 * Written in transactions with full synchronisation: what was acknowledged survives a crash and a power cut.
 */
export interface Store {
  /**
   * The uid of a tenant's host (`app` is '') or app; made at first use, never used again (Invariant 10). `present` is the uid
   * of a Unix user of the tenant's name, left by an earlier state: it is taken if it is in the range and nobody else's.
   */
  uidOf(tenant: TenantName, app: AppName | '', present?: number): number;
  /** Last good tenant.yaml, as the text that was read. */
  configTextOf(tenant: TenantName): string | undefined;
  setConfigText(tenant: TenantName, text: string): void;
  tenantsWithConfig(): TenantName[];
  /** Who has each domain: kept while the tenant lists it, also while its files are broken. */
  domainOwners(): Map<string, TenantName>;
  replaceDomainOwners(owners: ReadonlyMap<string, string>): void;
  appOf(tenant: TenantName, app: AppName): StoredApp | undefined;
  setApp(tenant: TenantName, app: AppName, stored: StoredApp): void;
  isStopped(tenant: TenantName, app: AppName): boolean;
  setStopped(tenant: TenantName, app: AppName, stopped: boolean): void;
  /** Sealed: what opens them is not in here. */
  readonly secrets: SecretRows;
  appendAudit(entry: AuditEntry): AuditRecord;
  /** False when a record was edited, cut out or put elsewhere. */
  verifyAudit(): boolean;
  close(): void;
}

export interface UidRange {
  first: number;
  count: number;
  /** Of another program's users: not to be given out. */
  isTaken(uid: number): boolean;
}

/** What each version has more than the one before it. */
const migrations = [
  `CREATE TABLE uids (tenant TEXT NOT NULL, app TEXT NOT NULL, uid INTEGER NOT NULL UNIQUE, PRIMARY KEY (tenant, app)) STRICT;
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
  secretTables,
];
const schemaVersion = migrations.length;

/** Throws TENANTD_E_STATE when the file can't be opened, is no state store, or is from a newer version. */
export function openStore(file: string, uids: UidRange): Store {
  try {
    return createStore(openDatabase(file), uids);
  } catch (error) {
    if (error instanceof TenantdError) throw error;
    const fix = `move ${file} away and restore it from a backup; nothing was changed`;
    throw new TenantdError('TENANTD_E_STATE', `the state store ${file} can't be used: ${messageOf(error)}`, fix, { cause: error });
  }
}

function openDatabase(file: string): DatabaseSync {
  const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    // Before anything is written: what is refused stays as it is.
    const version = assertOurs(database, file, sizeBytes);
    // What is deleted is overwritten: a wrapped key that was replaced must not be found on the disk.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;');
    if (version < schemaVersion) inTransaction(database, () => migrate(database, version));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync, version: number): void {
  for (const migration of migrations.slice(version)) database.exec(migration);
  database.exec(`PRAGMA user_version = ${schemaVersion}`);
}

/** Answers with the version of the store; 0 for a file that is new. */
function assertOurs(database: DatabaseSync, file: string, sizeBytes: number): number {
  const numberOf = (sql: string): number => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
  const version = numberOf('PRAGMA user_version');
  if (version > schemaVersion) {
    throw new TenantdError(
      'TENANTD_E_STATE',
      `${file} is of version ${version}, newer than this tenantd knows (${schemaVersion})`,
      'start the newer tenantd',
    );
  }
  // SQLite takes a file of a few bytes for a new one, and another program's database for one of version 0.
  const isNew = sizeBytes === 0 || (numberOf('PRAGMA page_count') > 0 && numberOf('SELECT count(*) FROM sqlite_schema') === 0);
  if (version === 0 && !isNew) throw new Error('it holds something else');
  return version;
}

function createStore(database: DatabaseSync, uids: UidRange): Store {
  const one = (sql: string, ...values: (string | number)[]): Record<string, unknown> | undefined => database.prepare(sql).get(...values);
  const all = (sql: string): Record<string, unknown>[] => database.prepare(sql).all();
  const run = (sql: string, ...values: (string | number)[]): void => void database.prepare(sql).run(...values);

  function newUid(): number {
    const highest = Number(one('SELECT max(uid) AS uid FROM uids')?.['uid'] ?? uids.first - 1);
    for (let uid = Math.max(highest + 1, uids.first); uid < uids.first + uids.count; uid++) if (!uids.isTaken(uid)) return uid;
    throw new TenantdError(
      'TENANTD_E_USER',
      `all ${uids.count} uids from ${uids.first} on are used`,
      'give a larger range as uids.count in tenantd.yaml',
    );
  }

  function isFree(uid: number | undefined): uid is number {
    if (uid === undefined || uid < uids.first || uid >= uids.first + uids.count) return false;
    return one('SELECT 1 FROM uids WHERE uid = ?', uid) === undefined;
  }

  function lastHash(): { sequence: number; hash: string } {
    const last = one('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1');
    return { sequence: Number(last?.['sequence'] ?? 0), hash: typeof last?.['hash'] === 'string' ? last['hash'] : '' };
  }

  return {
    uidOf: (tenant, app, present) =>
      inTransaction(database, () => {
        const known = one('SELECT uid FROM uids WHERE tenant = ? AND app = ?', tenant, app);
        if (known) return Number(known['uid']);
        const uid = isFree(present) ? present : newUid();
        run('INSERT INTO uids (tenant, app, uid) VALUES (?, ?, ?)', tenant, app, uid);
        return uid;
      }),

    configTextOf: (tenant) => one('SELECT text FROM configs WHERE tenant = ?', tenant)?.['text'] as string | undefined,
    setConfigText: (tenant, text) =>
      run('INSERT INTO configs VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET text = excluded.text', tenant, text),
    tenantsWithConfig: () => all('SELECT tenant FROM configs ORDER BY tenant').map((row) => row['tenant'] as TenantName),

    domainOwners: () =>
      new Map(all('SELECT tenant, domain FROM domains').map((row) => [String(row['domain']), row['tenant'] as TenantName])),
    replaceDomainOwners: (owners) =>
      inTransaction(database, () => {
        const insert = database.prepare('INSERT INTO domains (tenant, domain) VALUES (?, ?)');
        run('DELETE FROM domains');
        for (const [domain, tenant] of owners) insert.run(tenant, domain);
      }),

    appOf(tenant, app) {
      const row = one('SELECT manifest, generation_key, generation FROM apps WHERE tenant = ? AND app = ?', tenant, app);
      return (
        row && {
          manifest: JSON.parse(String(row['manifest'])),
          generationKey: String(row['generation_key']),
          generation: Number(row['generation']),
        }
      );
    },
    setApp: (tenant, app, stored) =>
      run(
        `INSERT INTO apps VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, app) DO UPDATE
           SET manifest = excluded.manifest, generation_key = excluded.generation_key, generation = excluded.generation`,
        ...[tenant, app, JSON.stringify(stored.manifest), stored.generationKey, stored.generation],
      ),

    isStopped: (tenant, app) => one('SELECT 1 FROM stopped_apps WHERE tenant = ? AND app = ?', tenant, app) !== undefined,
    setStopped: (tenant, app, stopped) =>
      stopped
        ? run('INSERT OR IGNORE INTO stopped_apps VALUES (?, ?)', tenant, app)
        : run('DELETE FROM stopped_apps WHERE tenant = ? AND app = ?', tenant, app),

    secrets: createSecretRows(database),

    appendAudit: (entry) =>
      inTransaction(database, () => {
        const last = lastHash();
        const record = sealEntry(entry, last.sequence + 1, last.hash);
        const { tenant, sequence, time, actor, action, before, after, outcome, previousHash, hash } = record;
        run(
          'INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
          tenant,
          sequence,
          time,
          actor,
          action,
          before,
          after,
          outcome,
          previousHash,
          hash,
        );
        return record;
      }),
    verifyAudit: () => isValidChain(all('SELECT * FROM audit ORDER BY sequence').map(toAuditRecord)),

    close: () => database.close(),
  };
}

function toAuditRecord(row: Record<string, unknown>): AuditRecord {
  const text = (name: string): string => String(row[name]);
  return {
    sequence: Number(row['sequence']),
    previousHash: text('previous_hash'),
    ...{ tenant: text('tenant'), time: text('time'), actor: text('actor'), action: text('action') },
    ...{ before: text('before'), after: text('after'), outcome: text('outcome'), hash: text('hash') },
  };
}
