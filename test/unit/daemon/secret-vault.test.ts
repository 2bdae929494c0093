import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { maxSecrets, maxSecretsBytes } from '../../../src/daemon/secret-vault.ts';
import { type OpenedVault, openVault } from './opened-vault.ts';
import { temporaryFolder } from './temporary-folder.ts';

const [acme, globex] = ['acme', 'globex'] as [TenantName, TenantName];
const [site, shop] = ['site', 'shop'] as [AppName, AppName];

let folder: string;
let vault: OpenedVault;

beforeEach(() => {
  folder = temporaryFolder();
  vault = openVault({ folder });
});

/** As a daemon that is started again. */
function restart(): void {
  vault.store.close();
  vault = openVault({ folder });
}

/** As someone with the file and sqlite would. */
function editStore(...statements: string[]): void {
  const database = new DatabaseSync(join(folder, 'state.db'));
  for (const statement of statements) database.exec(statement);
  database.close();
}

const keyFile = (): string => join(folder, 'machine.key');
const filesHolding = (bytes: Uint8Array): string[] =>
  readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(bytes));
const secretsFault = (message: RegExp) => expect.objectContaining({ code: 'TENANTD_E_SECRETS', message: expect.stringMatching(message) });

describe('a secret', () => {
  test('is handed to the apps of its scope; the own one of an app goes before', () => {
    vault.set(acme, 'A', 'of all');
    vault.set(acme, 'B', 'of all');
    vault.set(acme, 'B', 'of site', site);
    vault.set(globex, 'A', 'of globex');
    expect(vault.handed(acme, site)).toEqual({ A: 'of all', B: 'of site' });
    expect(vault.handed(acme, shop)).toEqual({ A: 'of all', B: 'of all' });
    expect(vault.handed(globex, site)).toEqual({ A: 'of globex' });
  });

  test('is there after a restart, and gone when it was removed', () => {
    vault.set(acme, 'A', '1');
    restart();
    expect(vault.handed(acme, site)).toEqual({ A: '1' });
    expect([vault.store.secrets.remove(acme, '', 'A'), vault.store.secrets.remove(acme, '', 'A')]).toEqual([true, false]);
    expect([vault.handed(acme, site), vault.store.secrets.dataKeyOf(acme)]).toEqual([{}, undefined]);
  });

  test('is in no file, neither as it is nor as part of another', () => {
    const value = randomBytes(24).toString('hex');
    vault.set(acme, 'A', value);
    vault.set(acme, 'A', `${value}${value}`, site);
    vault.vault.rotateDataKey(acme);
    vault.vault.rotateMachineKey();
    expect(filesHolding(Buffer.from(value))).toEqual([]);
    vault.store.close();
    expect(filesHolding(Buffer.from(value))).toEqual([]);
    expect(filesHolding(Buffer.from('operator'))).toEqual(['state.db']);
  });

  test('makes the key of the machine when it is the first, for root alone', () => {
    expect(existsSync(keyFile())).toBe(false);
    vault.handed(acme, site);
    vault.vault.rotateDataKey(acme);
    vault.vault.rotateMachineKey();
    expect(existsSync(keyFile())).toBe(false);
    vault.set(acme, 'A', '1');
    expect([statSync(keyFile()).size, statSync(keyFile()).mode & 0o777]).toEqual([32, 0o600]);
    const key = readFileSync(keyFile());
    vault.set(globex, 'A', '1');
    expect(readFileSync(keyFile())).toEqual(key);
  });

  test('wipes the bytes that it was set from', () => {
    const value = Buffer.from('to be wiped');
    vault.vault.set(acme, { app: '', name: 'A', value, by: 'operator' });
    expect(value).toEqual(Buffer.alloc(value.length));
  });

  test(`is refused over ${maxSecrets} of a tenant, and replaced where it is one of them`, () => {
    for (let number = 0; number < maxSecrets; number++) vault.set(acme, `KEY_${number}`, 'x');
    expect(() => vault.set(acme, 'ONE_MORE', 'x')).toThrow(expect.objectContaining({ code: 'TENANTD_E_TOO_MANY' }));
    vault.set(acme, 'KEY_7', 'y');
    expect(vault.handed(acme, site)['KEY_7']).toBe('y');
    vault.set(globex, 'ONE_MORE', 'x');
  });

  test('is refused when all of a tenant are too large together, to the byte', () => {
    const part = 'x'.repeat(64 << 10);
    for (let number = 0; number < 7; number++) vault.set(acme, `KEY_${number}`, part);
    vault.set(acme, 'REST', 'x'.repeat(maxSecretsBytes - 7 * part.length));
    expect(() => vault.set(acme, 'ONE_MORE', 'x')).toThrow(expect.objectContaining({ code: 'TENANTD_E_TOO_MANY' }));
    vault.set(acme, 'REST', 'x');
    vault.set(acme, 'ONE_MORE', 'x');
  });
});

describe('what an app is started with is told by a revision that', () => {
  const revisions = (): string[] => [vault.store.secrets.revisionOf(acme, site), vault.store.secrets.revisionOf(acme, shop)];

  test('is nothing without secrets, and does not change by a rotation', () => {
    expect(revisions()).toEqual(['', '']);
    vault.set(acme, 'A', '1');
    const before = revisions();
    vault.vault.rotateDataKey(acme);
    vault.vault.rotateMachineKey();
    restart();
    expect(revisions()).toEqual(before);
  });

  test('changes for whom a change concerns', () => {
    vault.set(acme, 'A', '1');
    vault.set(acme, 'A', '2', site);
    const [ofSite, ofShop] = revisions();
    vault.set(acme, 'A', '3');
    expect(revisions()).toEqual([ofSite, expect.not.stringMatching(`^${ofShop}$`)]);
  });

  test('is another one when a secret was removed and set to the same again', () => {
    vault.set(acme, 'A', '1');
    const [before] = revisions();
    vault.store.secrets.remove(acme, '', 'A');
    vault.set(acme, 'A', '1');
    expect(revisions()[0]).not.toBe(before);
  });
});

describe('a row that was moved or changed is refused:', () => {
  beforeEach(() => {
    vault.set(acme, 'A', 'of acme');
    vault.set(acme, 'B', 'of acme, too');
    vault.set(acme, 'A', 'of the site', site);
    vault.set(globex, 'A', 'of globex');
  });

  const sealedOf = (tenant: string, name: string, app = ''): string =>
    `(SELECT sealed FROM secrets WHERE tenant = '${tenant}' AND name = '${name}' AND app = '${app}')`;

  test.each([
    ["another tenant's", `UPDATE secrets SET sealed = ${sealedOf('acme', 'A')} WHERE tenant = 'globex'`, globex],
    [
      "another tenant's, with its data key",
      `DELETE FROM data_keys WHERE tenant = 'globex'; UPDATE data_keys SET tenant = 'globex'`,
      globex,
    ],
    ['of another name', `UPDATE secrets SET sealed = ${sealedOf('acme', 'B')} WHERE tenant = 'acme' AND name = 'A'`, acme],
    ['of another scope', `UPDATE secrets SET sealed = ${sealedOf('acme', 'A', 'site')} WHERE tenant = 'acme' AND app = ''`, acme],
    ['renamed', `UPDATE secrets SET name = 'C' WHERE tenant = 'acme' AND name = 'B'`, acme],
    [
      "made one of all apps'",
      `DELETE FROM secrets WHERE app = '' AND name = 'A' AND tenant = 'acme'; UPDATE secrets SET app = '' WHERE app = 'site'`,
      acme,
    ],
    ['an older value in its place', `UPDATE secrets SET revision = 'x' WHERE tenant = 'globex'`, globex],
    ['changed', `UPDATE secrets SET sealed = zeroblob(40) WHERE tenant = 'globex'`, globex],
    ['a data key that was changed', `UPDATE data_keys SET wrapped = zeroblob(60) WHERE tenant = 'globex'`, globex],
    ['without its data key', `DELETE FROM data_keys WHERE tenant = 'globex'`, globex],
  ])('%s', (_, statement, tenant) => {
    editStore(statement);
    expect(() => vault.handed(tenant, shop)).toThrow(secretsFault(/./));
    expect(vault.vault.problems(tenant)).toEqual([secretsFault(new RegExp(tenant))]);
  });

  test('and told from the start on, until it is set again; other tenants notice nothing', () => {
    editStore(`UPDATE secrets SET sealed = zeroblob(40) WHERE tenant = 'globex'`);
    restart();
    expect(vault.handed(acme, shop)).toEqual({ A: 'of acme', B: 'of acme, too' });
    expect(vault.vault.problems(globex)).toEqual([secretsFault(/^the secret A of globex was changed/)]);
    expect(vault.vault.problems(acme)).toEqual([]);
    vault.set(globex, 'A', 'again');
    expect([vault.vault.problems(globex), vault.handed(globex, shop)]).toEqual([[], { A: 'again' }]);
  });
});

describe('without the key of the machine', () => {
  beforeEach(() => {
    vault.set(acme, 'A', '1');
  });

  test.each([
    ['missing', () => rmSync(keyFile()), /is missing: .*machine\.key is not there/],
    ['another one', () => writeFileSync(keyFile(), randomBytes(32)), /is missing: .*machine\.key is another one \([0-9a-f]{16}\)/],
    ['torn', () => writeFileSync(keyFile(), randomBytes(31)), /can not be used: it does not hold keys of 32 bytes each/],
    ['empty', () => writeFileSync(keyFile(), ''), /can not be used/],
  ])('(%s) nothing opens, nothing is set, rotated or made in its place, and all is well when it is back', (_, lose, message) => {
    const key = readFileSync(keyFile());
    lose();
    const lost = existsSync(keyFile()) ? readFileSync(keyFile()) : undefined;
    restart();
    expect(vault.vault.problems(acme)).toEqual([secretsFault(message)]);
    const tries = [
      () => vault.handed(acme, site),
      () => vault.set(acme, 'B', '2'),
      () => vault.set(globex, 'A', '2'),
      () => vault.vault.rotateDataKey(acme),
      () => vault.vault.rotateMachineKey(),
    ];
    for (const attempt of tries) expect(attempt).toThrow(secretsFault(message));
    expect(existsSync(keyFile()) ? readFileSync(keyFile()) : undefined).toEqual(lost);
    expect(vault.handed(globex, site)).toEqual({});
    expect(vault.vault.problems(globex)).toEqual([]);
    writeFileSync(keyFile(), key, { mode: 0o600 });
    expect([vault.vault.problems(acme), vault.handed(acme, site)]).toEqual([[], { A: '1' }]);
  });

  test('secrets can be removed, and set again with a new one when none is left', () => {
    const key = readFileSync(keyFile());
    rmSync(keyFile());
    restart();
    vault.store.secrets.remove(acme, '', 'A');
    expect(vault.vault.problems(acme)).toEqual([]);
    vault.set(acme, 'A', '2');
    expect(vault.handed(acme, site)).toEqual({ A: '2' });
    expect(readFileSync(keyFile())).not.toEqual(key);
  });
});

describe('a rotation', () => {
  beforeEach(() => {
    vault.set(acme, 'A', '1');
    vault.set(acme, 'B', '2', site);
    vault.set(globex, 'A', '3');
  });

  const all = () => [vault.handed(acme, site), vault.handed(acme, shop), vault.handed(globex, site)];
  const whole = [{ A: '1', B: '2' }, { A: '1' }, { A: '3' }];

  test('of a data key replaces it, and leaves no trace of the one before', () => {
    const before = vault.store.secrets.dataKeyOf(acme);
    const ofGlobex = vault.store.secrets.dataKeyOf(globex);
    const sealed = vault.store.secrets.of(acme).map((row) => row.sealed);
    expect([before?.version, vault.vault.rotateDataKey(acme)]).toEqual([1, 2]);
    expect(vault.store.secrets.of(acme).map(({ keyVersion }) => keyVersion)).toEqual([2, 2]);
    expect(vault.store.secrets.dataKeyOf(globex)).toEqual(ofGlobex);
    expect(all()).toEqual(whole);
    for (const old of [before?.wrapped ?? Buffer.alloc(1), ...sealed]) expect(filesHolding(old)).toEqual([]);
    expect(filesHolding(ofGlobex?.wrapped ?? Buffer.alloc(1))).toEqual(['state.db']);
  });

  test("of the machine's key replaces it, and leaves no trace of the one before", () => {
    const key = readFileSync(keyFile());
    const wrapped = vault.store.secrets.dataKeys().map((row) => row.wrapped);
    expect(vault.vault.rotateMachineKey()).toBe(2);
    expect([statSync(keyFile()).size, statSync(keyFile()).mode & 0o777, readFileSync(keyFile()).equals(key)]).toEqual([32, 0o600, false]);
    expect(all()).toEqual(whole);
    for (const old of [key, ...wrapped]) expect(filesHolding(old)).toEqual([]);
    restart();
    expect(all()).toEqual(whole);
  });

  test("of the machine's key does nothing when a data key does not open", () => {
    const key = readFileSync(keyFile());
    editStore(`UPDATE data_keys SET wrapped = zeroblob(60) WHERE tenant = 'globex'`);
    expect(() => vault.vault.rotateMachineKey()).toThrow(secretsFault(/^the data key of globex was changed/));
    expect(readFileSync(keyFile())).toEqual(key);
    expect(vault.handed(acme, site)).toEqual(whole[0]);
  });
});

describe('a systemd credential', () => {
  const directory = (): string => join(folder, 'credentials');
  const give = (name: string, key: Uint8Array): void => writeFileSync(join(directory(), name), key, { mode: 0o400 });

  function start(): void {
    vault.store.close();
    vault = openVault({ folder, credentialsDir: directory() });
  }

  beforeEach(() => mkdirSync(directory()));

  test('is the key of the machine, and no file is made', () => {
    give('tenantd.machine-key', randomBytes(32));
    start();
    vault.set(acme, 'A', '1');
    start();
    expect([vault.handed(acme, site), existsSync(keyFile())]).toEqual([{ A: '1' }, false]);
    expect(() => vault.vault.rotateMachineKey()).toThrow(secretsFault(/is the systemd credential/));
  });

  test('is rotated by loading the one before it as well, once', () => {
    const [first, second] = [randomBytes(32), randomBytes(32)];
    give('tenantd.machine-key', first);
    start();
    vault.set(acme, 'A', '1');
    rmSync(join(directory(), 'tenantd.machine-key'));
    give('tenantd.machine-key', second);
    give('tenantd.machine-key-previous', first);
    start();
    rmSync(join(directory(), 'tenantd.machine-key-previous'));
    expect(vault.handed(acme, site)).toEqual({ A: '1' });
  });

  test('takes over from the file, which is not needed afterwards', () => {
    vault.set(acme, 'A', '1');
    give('tenantd.machine-key', randomBytes(32));
    start();
    rmSync(keyFile());
    start();
    expect([vault.handed(acme, site), vault.vault.problems(acme)]).toEqual([{ A: '1' }, []]);
  });

  test('that is not given any more is missed', () => {
    give('tenantd.machine-key', randomBytes(32));
    start();
    vault.set(acme, 'A', '1');
    restart();
    expect(vault.vault.problems(acme)).toEqual([secretsFault(/machine\.key is not there/)]);
    expect(() => vault.set(globex, 'A', '1')).toThrow(secretsFault(/is missing/));
  });
});
