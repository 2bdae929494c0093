import type { AppName, TenantName } from '../base/ids.ts';
import type { StateDatabase } from './state-database.ts';
import { inTransaction } from './transaction.ts';
import { upsert } from './upsert.ts';

/** One app's, or '' for all apps of the tenant. */
export type SecretScope = AppName | '';

export interface SecretRow {
  app: SecretScope;
  name: string;
  /** Another one each time it is set. */
  revision: string;
  /** Of the tenant's data key that it is sealed with. */
  keyVersion: number;
  sealed: Uint8Array;
  /** ISO 8601, UTC. */
  setAt: string;
  setBy: string;
}

/** What a tenant's secrets are sealed with, itself wrapped by a key of the machine. */
export interface DataKeyRow {
  tenant: TenantName;
  /** From 1 on; another one with each rotation. */
  version: number;
  machineKeyId: string;
  wrapped: Uint8Array;
}

/** The secrets' part of the state store. */
export interface SecretRows {
  /** In order of scope and name: those of all apps first. */
  of(tenant: TenantName): SecretRow[];
  /** Those of the tenant's that one app gets, in order of name: its own go before those of all apps. */
  forApp(tenant: TenantName, app: AppName): SecretRow[];
  /** Another one when what `forApp` answers is another; '' when that is nothing. */
  revisionOf(tenant: TenantName, app: AppName): string;
  dataKeyOf(tenant: TenantName): DataKeyRow | undefined;
  /** Of all tenants. */
  dataKeys(): DataKeyRow[];
  /** Of the machine keys that these are wrapped with. */
  machineKeyIds(): string[];
  /** Makes the data key and its first secret one change. */
  put(dataKey: DataKeyRow, secret: SecretRow): void;
  /** With its last secret, a tenant's data key goes. False when there is no such secret. */
  remove(tenant: TenantName, app: SecretScope, name: string): boolean;
  /** Replaces a tenant's data key and everything sealed with it, at once. */
  replace(dataKey: DataKeyRow, secrets: readonly SecretRow[]): void;
  /** Replaces data keys, all of them or none. */
  rewrap(dataKeys: readonly DataKeyRow[]): void;
}

export const secretTables = `
  CREATE TABLE data_keys (tenant TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, machine_key TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT;
  CREATE TABLE secrets (tenant TEXT NOT NULL, app TEXT NOT NULL, name TEXT NOT NULL, revision TEXT NOT NULL, key_version INTEGER NOT NULL,
    sealed BLOB NOT NULL, set_at TEXT NOT NULL, set_by TEXT NOT NULL, PRIMARY KEY (tenant, app, name)) STRICT;`;

const putSecretSql = upsert('secrets', ['tenant', 'app', 'name'], ['revision', 'key_version', 'sealed', 'set_at', 'set_by']);

export function createSecretRows(database: StateDatabase): SecretRows {
  const all = (sql: string, ...values: string[]): Record<string, unknown>[] => database.prepare(sql).all(...values);
  const run = (sql: string, ...values: (string | number | Uint8Array)[]): number => Number(database.prepare(sql).run(...values).changes);

  function putDataKey({ tenant, version, machineKeyId, wrapped }: DataKeyRow): void {
    run(upsert('data_keys', ['tenant'], ['version', 'machine_key', 'wrapped']), tenant, version, machineKeyId, wrapped);
  }

  function putSecret(tenant: TenantName, { app, name, revision, keyVersion, sealed, setAt, setBy }: SecretRow): void {
    run(putSecretSql, tenant, app, name, revision, keyVersion, sealed, setAt, setBy);
  }

  /** What was replaced leaves the write-ahead log, too. */
  function forgetOld(): void {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  const of = (tenant: TenantName): SecretRow[] =>
    all('SELECT * FROM secrets WHERE tenant = ? ORDER BY app, name', tenant).map((row) => toSecretRow(row));

  /** The app's own come after those of all apps, and take their place. */
  function rowsForApp(columns: string, tenant: TenantName, app: AppName): Record<string, unknown>[] {
    const rows = all(`SELECT ${columns} FROM secrets WHERE tenant = ? AND app IN ('', ?) ORDER BY app, name`, tenant, app);
    const byName = new Map(rows.map((row) => [String(row['name']), row]));
    return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }

  return {
    of,
    forApp: (tenant, app) => rowsForApp('*', tenant, app).map(toSecretRow),
    revisionOf: (tenant, app) =>
      rowsForApp('name, revision', tenant, app)
        .map(({ name, revision }) => `${String(name)}=${String(revision)}`)
        .join(),
    dataKeyOf: (tenant) => all('SELECT * FROM data_keys WHERE tenant = ?', tenant).map(toDataKeyRow)[0],
    dataKeys: () => all('SELECT * FROM data_keys ORDER BY tenant').map(toDataKeyRow),
    machineKeyIds: () => all('SELECT DISTINCT machine_key AS id FROM data_keys').map(({ id }) => String(id)),
    put: (dataKey, secret) =>
      inTransaction(database, () => {
        putDataKey(dataKey);
        putSecret(dataKey.tenant, secret);
      }),
    remove: (tenant, app, name) =>
      inTransaction(database, () => {
        const changes = run('DELETE FROM secrets WHERE tenant = ? AND app = ? AND name = ?', tenant, app, name);
        run('DELETE FROM data_keys WHERE tenant = ? AND tenant NOT IN (SELECT tenant FROM secrets)', tenant);
        return changes > 0;
      }),
    replace(dataKey, secrets) {
      inTransaction(database, () => {
        putDataKey(dataKey);
        for (const secret of secrets) putSecret(dataKey.tenant, secret);
      });
      forgetOld();
    },
    rewrap(dataKeys) {
      inTransaction(database, () => dataKeys.forEach(putDataKey));
      forgetOld();
    },
  };
}

function toSecretRow(row: Record<string, unknown>): SecretRow {
  const text = (name: string): string => String(row[name]);
  return {
    ...{ app: text('app') as SecretScope, name: text('name'), revision: text('revision'), keyVersion: Number(row['key_version']) },
    ...{ sealed: row['sealed'] as Uint8Array, setAt: text('set_at'), setBy: text('set_by') },
  };
}

function toDataKeyRow(row: Record<string, unknown>): DataKeyRow {
  return {
    tenant: String(row['tenant']) as TenantName,
    version: Number(row['version']),
    machineKeyId: String(row['machine_key']),
    wrapped: row['wrapped'] as Uint8Array,
  };
}
