import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { forgetRetired } from '../../../src/daemon/forget-tenant.ts';
import { wrapDatabase } from '../../../src/daemon/state-database.ts';
import { openDatabase } from '../../../src/daemon/state-schema.ts';
import { createStore, type Store } from '../../../src/daemon/store.ts';
import { openUidJournal } from '../../../src/daemon/uid-journal.ts';
import { temporaryFolder } from './temporary-folder.ts';

const [acme, globex] = ['acme', 'globex'] as [TenantName, TenantName];
const site = 'site' as AppName;

let folder: string;
let closed: Set<Store>;

beforeEach(() => {
  folder = temporaryFolder();
  closed = new Set();
});

function close(store: Store): void {
  store.close();
  closed.add(store);
}

/** As a daemon over this database, and the one journal. */
function open(name = 'state.db'): { store: Store; file: string } {
  const file = join(folder, name);
  const journal = openUidJournal(join(folder, 'journal'));
  const database = wrapDatabase(openDatabase(file).database);
  forgetRetired(database, journal);
  const store = createStore(database, { first: 200_000, count: 50, isTaken: () => false, journal });
  onTestFinished(() => {
    if (!closed.has(store)) store.close();
  });
  return { store, file };
}

function fill(store: Store, tenant: TenantName): number[] {
  store.setConfigTexts([[tenant, 'domains: [a.test]']]);
  store.setApp(tenant, site, { manifest: {}, generationKey: '', generation: 1, release: 'local' });
  store.lifecycle.setStopped(tenant, site, true);
  store.marks.set(tenant, { mark: 'purging', sinceMs: 1, by: 'operator' });
  return [store.uidOf(tenant, ''), store.uidOf(tenant, site)];
}

/** Tables that have something of it. */
function tablesWith(file: string, tenant: string): string[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const tables = database
    .prepare("SELECT m.name AS name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'tenant'")
    .all()
    .map(({ name }) => String(name));
  // The trail lasts.
  const found = tables.filter(
    (name) => name !== 'audit' && database.prepare(`SELECT 1 FROM ${name} WHERE tenant = ?`).get(tenant) !== undefined,
  );
  database.close();
  return found.toSorted();
}

describe('a tenant that is forgotten', () => {
  test('has no row but in the audit trail, and nobody else loses one', () => {
    const { store, file } = open();
    fill(store, acme);
    fill(store, globex);
    const others = tablesWith(file, globex);
    store.forgetTenant(acme);
    expect(tablesWith(file, acme)).toEqual([]);
    expect(tablesWith(file, globex)).toEqual(others);
    expect([store.knownUid(acme), store.configTextOf(acme), store.marks.of(acme)]).toEqual([undefined, undefined, undefined]);
  });

  test('loses what a newer tenantd knows of it, too', () => {
    const { store, file } = open();
    fill(store, acme);
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE later (tenant TEXT, x TEXT) STRICT; INSERT INTO later VALUES ('acme', 'x')");
    database.close();
    store.forgetTenant(acme);
    expect(tablesWith(file, acme)).toEqual([]);
  });

  test('gives its uids to nobody: a new one of its name gets others, also a third and from the next daemon', () => {
    const given = new Set<number>();
    for (let round = 0; round < 3; round++) {
      const { store } = open();
      const uids = fill(store, acme);
      expect(uids.filter((uid) => given.has(uid))).toEqual([]);
      uids.forEach((uid) => given.add(uid));
      store.forgetTenant(acme);
      close(store);
    }
    expect(given.size).toBe(6);
  });

  test('gets other uids than before also where the database is made anew, or from before it was there', () => {
    const first = open();
    const before = fill(first.store, acme);
    first.store.forgetTenant(acme);
    const second = open('another.db');
    expect(fill(second.store, acme).filter((uid) => before.includes(uid))).toEqual([]);
  });

  test('comes back with nothing when a database from before is put in place', () => {
    const { store, file } = open();
    const before = fill(store, acme);
    fill(store, globex);
    const others = tablesWith(file, globex);
    const copy = new DatabaseSync(file);
    copy.exec(`VACUUM INTO '${join(folder, 'copy.db')}'`);
    copy.close();
    store.forgetTenant(acme);
    const after = fill(store, acme);
    close(store);
    const restored = open('copy.db');
    expect(tablesWith(restored.file, acme)).toEqual([]);
    expect(tablesWith(restored.file, globex)).toEqual(others);
    // What the tenant of now was given is on record beside the database.
    expect([restored.store.uidOf(acme, ''), restored.store.uidOf(acme, site)]).toEqual(after);
    expect(after.filter((uid) => before.includes(uid))).toEqual([]);
  });

  test('that never had anything is no fault', () => {
    const { store } = open();
    expect(() => store.forgetTenant(acme)).not.toThrow();
  });
});
