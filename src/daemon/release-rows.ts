import type { AppName, TenantName } from '../base/ids.ts';
import type { StateDatabase } from './state-database.ts';
import { upsert } from './upsert.ts';

/** A release that was unpacked whole: what it is, and when it began to serve. */
export interface ReleaseRow {
  id: string;
  /** ISO 8601, UTC; as the other times. */
  createdAt: string;
  createdBy: string;
  bytes: number;
  files: number;
  /** As checked JSON; it never changes, as the release itself. */
  manifest: unknown;
  /** When it last began to serve; absent: never. */
  switchedAt?: string;
  /** What served before it. */
  previous?: string;
  /** Why it serves no more, when it was taken back. */
  failure?: string;
}

/** The releases' part of the state store. Which one is current is told by the link `current` on the disk, not here. */
export interface ReleaseRows {
  /** The newest first. */
  of(tenant: TenantName, app: AppName): ReleaseRow[];
  get(tenant: TenantName, app: AppName, id: string): ReleaseRow | undefined;
  put(tenant: TenantName, app: AppName, row: ReleaseRow): void;
  remove(tenant: TenantName, app: AppName, id: string): void;
}

export const releaseTables = `
  CREATE TABLE releases (tenant TEXT NOT NULL, app TEXT NOT NULL, id TEXT NOT NULL, created_at TEXT NOT NULL, created_by TEXT NOT NULL,
    bytes INTEGER NOT NULL, files INTEGER NOT NULL, manifest TEXT NOT NULL, switched_at TEXT, previous TEXT, failure TEXT,
    PRIMARY KEY (tenant, app, id)) STRICT;
  ALTER TABLE apps ADD COLUMN release TEXT NOT NULL DEFAULT 'local';`;

export function createReleaseRows(database: StateDatabase): ReleaseRows {
  const values = ['created_at', 'created_by', 'bytes', 'files', 'manifest', 'switched_at', 'previous', 'failure'];
  const columns = ['id', ...values].join(', ');

  return {
    of: (tenant, app) =>
      database
        .prepare(`SELECT ${columns} FROM releases WHERE tenant = ? AND app = ? ORDER BY created_at DESC, id DESC`)
        .all(tenant, app)
        .map(toReleaseRow),
    get(tenant, app, id) {
      const row = database.prepare(`SELECT ${columns} FROM releases WHERE tenant = ? AND app = ? AND id = ?`).get(tenant, app, id);
      return row && toReleaseRow(row);
    },
    put(tenant, app, { id, createdAt, createdBy, bytes, files, manifest, switchedAt, previous, failure }) {
      database
        .prepare(upsert('releases', ['tenant', 'app', 'id'], values))
        .run(
          ...[tenant, app, id, createdAt, createdBy, bytes, files, JSON.stringify(manifest)],
          ...[switchedAt ?? null, previous ?? null, failure ?? null],
        );
    },
    remove: (tenant, app, id) => void database.prepare('DELETE FROM releases WHERE tenant = ? AND app = ? AND id = ?').run(tenant, app, id),
  };
}

function toReleaseRow(row: Record<string, unknown>): ReleaseRow {
  const text = (name: string): string => String(row[name]);
  const optional = (key: keyof ReleaseRow, name: string): Partial<ReleaseRow> => (row[name] === null ? {} : { [key]: text(name) });
  return {
    ...{ id: text('id'), createdAt: text('created_at'), createdBy: text('created_by') },
    ...{ bytes: Number(row['bytes']), files: Number(row['files']), manifest: JSON.parse(text('manifest')) as unknown },
    ...optional('switchedAt', 'switched_at'),
    ...optional('previous', 'previous'),
    ...optional('failure', 'failure'),
  };
}
