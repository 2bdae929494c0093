import type { TenantName } from '../base/ids.ts';
import type { TokenRole } from '../protocol/token-calls.ts';
import type { StateDatabase } from './state-database.ts';

export interface TokenRow {
  /** '' for the operator's. */
  tenant: TenantName | '';
  id: string;
  role: TokenRole;
  name: string;
  /** SHA-256 of its secret. */
  hash: Uint8Array;
  createdAt: string;
  createdBy: string;
  /** The token that made it; '' for the operator at its own socket. */
  parent: string;
  /** As Unix time; undefined: never. */
  expiresAtMs: number | undefined;
  lastUsedAtMs: number | undefined;
  revokedAtMs: number | undefined;
}

/** A part of the state store. */
export interface TokenRows {
  of(tenant: string): TokenRow[];
  /** Of all tenants. */
  all(): TokenRow[];
  /** By the id that its text has. */
  find(id: string): TokenRow | undefined;
  put(row: TokenRow): void;
  setLastUsed(row: TokenRow, atMs: number): void;
  setRevoked(row: TokenRow, atMs: number): void;
  remove(row: TokenRow): void;
}

export const tokenTables = `
  CREATE TABLE tokens (tenant TEXT NOT NULL, id TEXT NOT NULL UNIQUE, role TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL,
    created_at TEXT NOT NULL, created_by TEXT NOT NULL, parent TEXT NOT NULL, expires_at_ms INTEGER, last_used_at_ms INTEGER,
    revoked_at_ms INTEGER, PRIMARY KEY (tenant, id)) STRICT;`;

const putSql = `INSERT INTO tokens (tenant, id, role, name, hash, created_at, created_by, parent, expires_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export function createTokenRows(database: StateDatabase): TokenRows {
  const rows = (where: string, ...values: string[]): TokenRow[] =>
    database
      .prepare(`SELECT * FROM tokens ${where} ORDER BY created_at DESC, id`)
      .all(...values)
      .map(toRow);
  const stamp = (column: string, { tenant, id }: TokenRow, atMs: number): void =>
    void database.prepare(`UPDATE tokens SET ${column} = ? WHERE tenant = ? AND id = ?`).run(atMs, tenant, id);

  return {
    of: (tenant) => rows('WHERE tenant = ?', tenant),
    all: () => rows(''),
    find: (id) => rows('WHERE id = ?', id)[0],
    put({ tenant, id, role, name, hash, createdAt, createdBy, parent, expiresAtMs }) {
      database.prepare(putSql).run(...[tenant, id, role, name], hash, ...[createdAt, createdBy, parent], expiresAtMs ?? null);
    },
    setLastUsed: (row, atMs) => stamp('last_used_at_ms', row, atMs),
    setRevoked: (row, atMs) => stamp('revoked_at_ms', row, atMs),
    remove: ({ tenant, id }) => void database.prepare('DELETE FROM tokens WHERE tenant = ? AND id = ?').run(tenant, id),
  };
}

function toRow(row: Record<string, unknown>): TokenRow {
  const text = (name: string): string => String(row[name]);
  const time = (name: string): number | undefined => (row[name] === null ? undefined : Number(row[name]));
  return {
    ...{ tenant: text('tenant') as TenantName | '', id: text('id'), role: text('role') as TokenRole, name: text('name') },
    ...{ hash: row['hash'] as Uint8Array, createdAt: text('created_at'), createdBy: text('created_by'), parent: text('parent') },
    ...{ expiresAtMs: time('expires_at_ms'), lastUsedAtMs: time('last_used_at_ms'), revokedAtMs: time('revoked_at_ms') },
  };
}
