import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { openStore, type Store, type UidRange } from '../../../src/daemon/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const globex = 'globex' as TenantName;
const site = 'site' as AppName;
const shop = 'shop' as AppName;
const range: UidRange = { first: 200_000, count: 5, isTaken: () => false };

let folder: string;
let file: string;

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder, 'state.db');
});

function open(uids: Partial<UidRange> = {}): Store {
  const store = openStore(file, { ...range, ...uids });
  onTestFinished(() => {
    try {
      store.close();
    } catch {
      // the test closed it itself
    }
  });
  return store;
}

/** As someone with the file and sqlite would. */
function editFile(...statements: string[]): void {
  const database = new DatabaseSync(file);
  for (const statement of statements) database.exec(statement);
  database.close();
}

const entry = { time: '2026-01-02T03:04:05.678Z', actor: 'operator', action: 'reload', before: '[]', after: '[]', outcome: 'done' };

describe('uids', () => {
  test('are the same at every call, and different for every host and app', () => {
    const store = open();
    const first = [store.uidOf(acme, ''), store.uidOf(acme, site), store.uidOf(acme, shop), store.uidOf(globex, '')];
    const again = [store.uidOf(acme, ''), store.uidOf(acme, site), store.uidOf(acme, shop), store.uidOf(globex, '')];
    expect(first).toEqual([200_000, 200_001, 200_002, 200_003]);
    expect(again).toEqual(first);
  });

  test('keep apart what could be read as the same name', () => {
    const store = open();
    const names = [
      ['a', 'b'],
      ['ab', ''],
      ['a', ''],
      ['b', 'a'],
    ] as [TenantName, AppName][];
    expect(new Set(names.map(([tenant, app]) => store.uidOf(tenant, app))).size).toBe(4);
  });

  test('are not given to another after the store was opened again', () => {
    const before = open();
    expect(before.uidOf(acme, '')).toBe(200_000);
    before.close();
    const after = open();
    expect([after.uidOf(globex, ''), after.uidOf(acme, '')]).toEqual([200_001, 200_000]);
  });

  test('are not given twice by two who have the file open', () => {
    const [one, other] = [open(), open()];
    const uids = [one.uidOf(acme, ''), other.uidOf(globex, ''), one.uidOf(acme, site), other.uidOf(globex, site)];
    expect(new Set(uids).size).toBe(4);
    expect([other.uidOf(acme, ''), one.uidOf(globex, '')]).toEqual([uids[0], uids[1]]);
  });

  test("leave out those of other programs' users", () => {
    const store = open({ isTaken: (uid) => uid < 200_003 });
    expect([store.uidOf(acme, ''), store.uidOf(acme, site)]).toEqual([200_003, 200_004]);
  });

  test('begin where the range begins, also when a later configuration moves it', () => {
    const before = open();
    before.uidOf(acme, '');
    before.close();
    const after = open({ first: 300_000 });
    expect([after.uidOf(acme, ''), after.uidOf(globex, '')]).toEqual([200_000, 300_000]);
  });

  test('are taken over from a user that is there already, if in the range and free', () => {
    const store = open({ isTaken: (uid) => uid === 200_002 });
    expect(store.uidOf(acme, '', 200_002)).toBe(200_002);
    expect(store.uidOf(globex, '', 200_002)).toBe(200_003);
  });

  test.each([0, 999, 199_999, 200_005])('are not taken over from a user outside of the range: %i', (present) => {
    expect(open().uidOf(acme, '', present)).toBe(200_000);
  });

  test('are not changed by a user that is there, once given', () => {
    const store = open();
    store.uidOf(acme, '');
    expect(store.uidOf(acme, '', 200_004)).toBe(200_000);
  });

  test('come to an end with a problem that says so, and those given stay', () => {
    const store = open({ count: 2 });
    store.uidOf(acme, '');
    store.uidOf(acme, site);
    const refused = expect.objectContaining({ code: 'TENANTD_E_USER', message: expect.stringContaining('2 uids from 200000') });
    expect(() => store.uidOf(globex, '')).toThrow(refused);
    expect(() => store.uidOf(globex, '')).toThrow(refused);
    expect([store.uidOf(acme, ''), store.uidOf(acme, site)]).toEqual([200_000, 200_001]);
  });

  test('come to an end where all that is left is taken by others', () => {
    expect(() => open({ isTaken: () => true }).uidOf(acme, '')).toThrow(expect.objectContaining({ code: 'TENANTD_E_USER' }));
  });
});

describe('records', () => {
  test('are not there before they were written', () => {
    const store = open();
    expect(store.configTextOf(acme)).toBeUndefined();
    expect(store.appOf(acme, site)).toBeUndefined();
    expect(store.lifecycle.isStopped(acme, site)).toBe(false);
    expect([store.tenantsWithConfig(), [...store.domainOwners()]]).toEqual([[], []]);
  });

  test('are as they were written after the store was opened again', () => {
    const manifest = { kind: 'node', entry: 'über/"server".js', env: { EMPTY: '', LINES: 'a\nb\u0000c' }, workers: { min: 0, max: 4 } };
    const before = open();
    before.setConfigTexts([[globex, 'domains: [globex.example]\n']]);
    before.setConfigTexts([[acme, 'domains:\n  - "acme.example" # Grüße \u{1f600}\n']]);
    before.setApp(acme, site, { manifest, generationKey: 'key', generation: 7, release: 'local' });
    before.lifecycle.setStopped(acme, site, true);
    before.replaceDomainOwners(new Map([['acme.example', acme]]));
    before.close();
    const after = open();
    expect(after.tenantsWithConfig()).toEqual([acme, globex]);
    expect(after.configTextOf(acme)).toBe('domains:\n  - "acme.example" # Grüße \u{1f600}\n');
    expect(after.appOf(acme, site)).toEqual({ manifest, generationKey: 'key', generation: 7, release: 'local' });
    expect(after.lifecycle.isStopped(acme, site)).toBe(true);
    expect(after.domainOwners()).toEqual(new Map([['acme.example', acme]]));
  });

  test('are replaced by a later version', () => {
    const store = open();
    for (const text of ['domains: [a.example]', 'domains: [b.example]']) store.setConfigTexts([[acme, text]]);
    for (const generation of [1, 2])
      store.setApp(acme, site, { manifest: { generation }, generationKey: `${generation}`, generation, release: 'local' });
    for (const stopped of [true, true, false, false]) store.lifecycle.setStopped(acme, site, stopped);
    expect(store.configTextOf(acme)).toBe('domains: [b.example]');
    expect(store.appOf(acme, site)).toEqual({ manifest: { generation: 2 }, generationKey: '2', generation: 2, release: 'local' });
    expect(store.lifecycle.isStopped(acme, site)).toBe(false);
  });

  test('of one tenant or app are not those of another', () => {
    const store = open();
    store.setConfigTexts([[acme, 'domains: [acme.example]']]);
    store.setApp(acme, site, { manifest: 1, generationKey: '', generation: 1, release: 'local' });
    store.lifecycle.setStopped(acme, site, true);
    expect(store.configTextOf(globex)).toBeUndefined();
    expect([store.appOf(globex, site), store.appOf(acme, shop)]).toEqual([undefined, undefined]);
    expect([store.lifecycle.isStopped(globex, site), store.lifecycle.isStopped(acme, shop)]).toEqual([false, false]);
  });

  test('carry their tenant in their primary key, in every table', () => {
    open().close();
    const database = new DatabaseSync(file, { readOnly: true });
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    const keys = tables.map(
      ({ name }) => database.prepare('SELECT name FROM pragma_table_info(?) WHERE pk = 1').get(String(name))?.['name'],
    );
    database.close();
    expect(tables.length).toBeGreaterThan(5);
    expect(new Set(keys)).toEqual(new Set(['tenant']));
  });
});

test("the file is its owner's alone, also one that others could read before", () => {
  const modes = (): number[] => readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777);
  open().uidOf(acme, '');
  expect(modes()).toEqual([0o600, 0o600, 0o600]);
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o644);
  open();
  expect(modes()).toEqual([0o600, 0o600, 0o600]);
});

describe('the owners of domains', () => {
  const before = new Map([
    ['acme.example', acme],
    ['www.acme.example', acme],
  ]);

  test('are replaced all at once, also where a domain goes to another', () => {
    const store = open();
    store.replaceDomainOwners(before);
    const after = new Map([
      ['www.acme.example', globex],
      ['new.example', acme],
    ]);
    store.replaceDomainOwners(after);
    expect(store.domainOwners()).toEqual(after);
  });

  test('are as before for everybody else until the replacement is complete', () => {
    const [store, other] = [open(), open()];
    store.replaceDomainOwners(before);
    const seen: unknown[] = [];
    const watched = {
      *[Symbol.iterator]() {
        seen.push(other.domainOwners());
        yield ['a.example', globex] as const;
        seen.push(other.domainOwners());
        yield ['b.example', globex] as const;
        seen.push(other.domainOwners());
      },
    };
    store.replaceDomainOwners(watched as unknown as ReadonlyMap<string, string>);
    expect(seen).toEqual([before, before, before]);
    expect([...other.domainOwners().keys()]).toEqual(['a.example', 'b.example']);
  });

  test('are as before when the replacement fails in its middle', () => {
    const store = open();
    store.replaceDomainOwners(before);
    const twice = [
      ['new.example', globex],
      ['new.example', acme],
    ] as unknown as ReadonlyMap<string, string>;
    expect(() => store.replaceDomainOwners(twice)).toThrow('UNIQUE');
    expect(store.domainOwners()).toEqual(before);
    store.replaceDomainOwners(new Map());
    expect(store.domainOwners().size).toBe(0);
  });
});

describe('the audit trail', () => {
  const dropTriggers = ['DROP TRIGGER audit_is_append_only_1', 'DROP TRIGGER audit_is_append_only_2'];
  const columns = ['tenant', 'sequence', 'time', 'actor', 'action', 'before', 'after', 'outcome', 'previous_hash', 'hash'];

  function writeFive(): Store {
    const store = open();
    for (const tenant of ['', acme, globex, acme, acme]) store.appendAudit({ ...entry, tenant });
    return store;
  }

  test('is numbered without gaps over all tenants, and goes on after the store was opened again', () => {
    writeFive().close();
    const store = open();
    expect(store.appendAudit({ ...entry, tenant: globex }).sequence).toBe(6);
    expect(store.verifyAudit()).toBe(true);
  });

  test('is one chain also when two have the file open', () => {
    const [one, other] = [open(), open()];
    const sequences = [one, other, other, one].map((store) => store.appendAudit({ ...entry, tenant: acme }).sequence);
    expect(sequences).toEqual([1, 2, 3, 4]);
    expect([one.verifyAudit(), other.verifyAudit()]).toEqual([true, true]);
  });

  test('has the columns that are edited here', () => {
    open().close();
    const database = new DatabaseSync(file, { readOnly: true });
    expect(database.prepare("SELECT name FROM pragma_table_info('audit')").all()).toEqual(columns.map((name) => ({ name })));
    database.close();
  });

  test.each(columns)('shows that %s of any record was edited in the file', (column) => {
    const store = writeFive();
    const change = column === 'sequence' ? 'sequence + 100' : `${column} || 'x'`;
    const changeBack = column === 'sequence' ? 'sequence - 100' : `substr(${column}, 1, length(${column}) - 1)`;
    editFile(...dropTriggers);
    const found = [1, 2, 3, 4, 5].map((number) => {
      editFile(`UPDATE audit SET ${column} = ${change} WHERE rowid = ${number}`);
      const isValid = store.verifyAudit();
      editFile(`UPDATE audit SET ${column} = ${changeBack} WHERE rowid = ${number}`);
      return isValid;
    });
    expect(found).toEqual([false, false, false, false, false]);
    expect(store.verifyAudit()).toBe(true);
  });

  test.each([1, 2, 3, 4])('shows that record %i was cut out of the file', (sequence) => {
    const store = writeFive();
    editFile(...dropTriggers, `DELETE FROM audit WHERE sequence = ${sequence}`);
    expect(store.verifyAudit()).toBe(false);
    editFile(
      `UPDATE audit SET sequence = -sequence WHERE sequence > ${sequence}`,
      'UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0',
    );
    expect(store.verifyAudit()).toBe(false);
  });

  test.each([
    [1, 2],
    [2, 4],
    [1, 5],
  ])('shows that records %i and %i were swapped in the file', (first, second) => {
    const store = writeFive();
    const move = (from: number, to: number): string => `UPDATE audit SET sequence = ${to} WHERE sequence = ${from}`;
    editFile(...dropTriggers, move(first, 99), move(second, first), move(99, second));
    expect(store.verifyAudit()).toBe(false);
    editFile(move(first, 99), move(second, first), move(99, second));
    expect(store.verifyAudit()).toBe(true);
  });

  test.each([0, 6])('shows that a record was put in as number %i', (sequence) => {
    const store = writeFive();
    const copied = 'time, actor, action, before, after, outcome, previous_hash, hash';
    editFile(`INSERT INTO audit SELECT tenant, ${sequence}, ${copied} FROM audit WHERE sequence = 5`);
    expect(store.verifyAudit()).toBe(false);
  });

  test('shows that a record was put in the place of another', () => {
    const store = writeFive();
    const copied = "time, actor, 'another', before, after, outcome, previous_hash, hash";
    editFile(...dropTriggers, `INSERT OR REPLACE INTO audit SELECT tenant, sequence, ${copied} FROM audit WHERE sequence = 3`);
    expect(store.verifyAudit()).toBe(false);
  });

  test.each(["UPDATE audit SET outcome = 'done'", 'UPDATE audit SET sequence = 9 WHERE sequence = 1', 'DELETE FROM audit'])(
    'refuses: %s',
    (statement) => {
      const store = writeFive();
      expect(() => editFile(statement)).toThrow('the audit trail is append-only');
      expect(store.verifyAudit()).toBe(true);
    },
  );
});

describe('versions', () => {
  const ofTwo = new Set(['uids', 'configs', 'domains', 'apps', 'stopped_apps', 'audit', 'secrets', 'data_keys']);

  function toVersion(version: 1 | 2): string[] {
    const database = new DatabaseSync(file, { readOnly: true });
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    database.close();
    const later = tables.map(({ name }) => String(name)).filter((name) => !ofTwo.has(name));
    const dropped = version === 1 ? [...later, 'secrets', 'data_keys'] : later;
    const drops = dropped.map((table) => `DROP TABLE ${table}`);
    return [...drops, 'ALTER TABLE apps DROP COLUMN release', 'PRAGMA application_id = 0', `PRAGMA user_version = ${version}`];
  }

  /** "td", and the least version that can use it. */
  const idOf = (least: number): number => 0x7464_0000 + least;

  function tablesOf(): unknown[] {
    const database = new DatabaseSync(file, { readOnly: true });
    const schema = database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name').all();
    database.close();
    return schema.map(({ sql }) => String(sql).replaceAll(/\s+/g, ' '));
  }

  test.each([1, 2] as const)('of before get what they lack, and keep what they have: %i', (version) => {
    open().close();
    const whole = tablesOf();
    editFile(...toVersion(version));
    editFile("INSERT INTO uids VALUES ('acme', 'site', 200004)", "INSERT INTO apps VALUES ('acme', 'site', '{}', 'key', 3)");
    const store = open();
    expect([store.uidOf(acme, site), store.secrets.of(acme), store.releases.of(acme, site)]).toEqual([200_004, [], []]);
    expect(store.appOf(acme, site)).toEqual({ manifest: {}, generationKey: 'key', generation: 3, release: 'local' });
    store.close();
    expect(tablesOf()).toEqual(whole);
  });

  test('that are newer are used when they say that this one can use them, and all that they added is kept', () => {
    const before = open();
    before.setApp(acme, site, { manifest: 1, generationKey: '', generation: 1, release: 'local' });
    before.lifecycle.setAsleep(acme, site, 1);
    before.setConfigTexts([[acme, 'old']]);
    before.close();
    const added = ['apps', 'asleep_apps', 'configs', 'audit'].map(
      (table) => `ALTER TABLE ${table} ADD COLUMN later TEXT NOT NULL DEFAULT 'none'`,
    );
    editFile(...added, 'CREATE TABLE later (tenant TEXT PRIMARY KEY) STRICT', "INSERT INTO later VALUES ('acme')");
    for (const table of ['apps', 'asleep_apps', 'configs']) editFile(`UPDATE ${table} SET later = 'kept'`);
    editFile('PRAGMA user_version = 99', `PRAGMA application_id = ${idOf(4)}`);
    const store = open();
    store.setApp(acme, site, { manifest: 2, generationKey: '', generation: 2, release: 'local' });
    store.setApp(acme, shop, { manifest: 2, generationKey: '', generation: 2, release: 'local' });
    store.lifecycle.setAsleep(acme, site, 2);
    store.setConfigTexts([[acme, 'new']]);
    store.appendAudit({ ...entry, tenant: acme });
    expect([store.verifyAudit(), store.appOf(acme, site)?.manifest, store.configTextOf(acme)]).toEqual([true, 2, 'new']);
    store.close();
    const database = new DatabaseSync(file, { readOnly: true });
    const rows = (sql: string): unknown[] =>
      database
        .prepare(sql)
        .all()
        .map((row) => Object.values(row)[0]);
    expect(rows('SELECT later FROM apps ORDER BY app')).toEqual(['none', 'kept']);
    expect([...rows('SELECT later FROM asleep_apps'), ...rows('SELECT later FROM configs')]).toEqual(['kept', 'kept']);
    expect([...rows('SELECT tenant FROM later'), ...rows('PRAGMA user_version'), ...rows('PRAGMA application_id')]).toEqual([
      'acme',
      99,
      idOf(4),
    ]);
    database.close();
  });

  test('say in the file which one can use it at least', () => {
    open().close();
    const database = new DatabaseSync(file, { readOnly: true });
    expect(database.prepare('PRAGMA application_id').get()).toEqual({ application_id: idOf(4) });
    database.close();
  });
});

describe('a file that is no state store of this version', () => {
  function filesIn(): Record<string, string> {
    const names = readdirSync(folder).sort();
    return Object.fromEntries(
      names.map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
    );
  }

  function refusal(): { error: unknown; isUnchanged: boolean } {
    const before = filesIn();
    try {
      open();
    } catch (error) {
      return { error, isUnchanged: JSON.stringify(filesIn()) === JSON.stringify(before) };
    }
    throw new Error('it was opened');
  }

  const refused = (message: string): object => ({
    error: expect.objectContaining({ code: 'TENANTD_E_STATE', message: expect.stringContaining(message), fix: expect.stringMatching(/./) }),
    isUnchanged: true,
  });

  test.each(['delete', 'wal'])('is left as it is when a newer tenantd wrote it, with journal mode %s', (mode) => {
    editFile(`PRAGMA journal_mode = ${mode}`, 'CREATE TABLE later (x)', 'INSERT INTO later VALUES (1)', 'PRAGMA user_version = 99');
    expect(refusal()).toEqual(refused('version 99, newer than this tenantd knows (4)'));
    editFile(`PRAGMA application_id = ${0x7464_0000 + 98}`);
    expect(refusal()).toEqual(refused('version 99, newer than this tenantd knows (4)'));
  });

  test.each([
    ['text', 'tenantsDir: /srv\n'.repeat(300)],
    ['one byte', 'x'],
    ['a head of SQLite and garbage behind', `SQLite format 3\u0000${'garbage'.repeat(1_000)}`],
  ])('is left as it is when it holds garbage: %s', (_, content) => {
    writeFileSync(file, content);
    expect(refusal()).toEqual(refused(file));
  });

  test('is left as it is when it is the database of another program', () => {
    editFile('CREATE TABLE customers (name TEXT)', "INSERT INTO customers VALUES ('A')");
    expect(refusal()).toEqual(refused(file));
    editFile('PRAGMA user_version = 3', 'PRAGMA application_id = 1196444487');
    expect(refusal()).toEqual(refused(file));
  });

  test('is left as it is when it lacks its second half', () => {
    const store = open();
    for (let number = 0; number < 50; number++) store.setConfigTexts([[`t${number}` as TenantName, 'x'.repeat(2_000)]]);
    store.close();
    truncateSync(file, readFileSync(file).length / 2);
    const before = filesIn();
    expect(() => {
      const torn = open();
      torn.tenantsWithConfig().forEach((tenant) => torn.configTextOf(tenant));
    }).toThrow('malformed');
    expect(filesIn()['state.db']).toBe(before['state.db']);
  });

  test('is refused when it is a folder, or lies in none', () => {
    mkdirSync(file);
    expect(() => open()).toThrow(expect.objectContaining({ code: 'TENANTD_E_STATE' }));
    file = join(folder, 'nowhere', 'state.db');
    expect(() => open()).toThrow(expect.objectContaining({ code: 'TENANTD_E_STATE' }));
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });

  test('can be opened by the tenantd that knows it after the refusal', () => {
    open().close();
    editFile('PRAGMA user_version = 99', `PRAGMA application_id = ${0x7464_0000 + 99}`);
    expect(() => open()).toThrow('newer');
    editFile('PRAGMA user_version = 4', `PRAGMA application_id = ${0x7464_0000 + 4}`);
    expect(open().uidOf(acme, '')).toBe(200_000);
  });
});
