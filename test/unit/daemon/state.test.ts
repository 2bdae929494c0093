import { randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openState, type State } from '../../../src/daemon/state.ts';
import type { StateFiles } from '../../../src/daemon/state-recovery.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const globex = 'globex' as TenantName;
const site = 'site' as AppName;

let folder: string;
let files: StateFiles;

beforeEach(() => {
  folder = temporaryFolder({ inMemory: true });
  files = createPaths({ tenantsDir: folder, stateDir: folder, runDir: folder, logDir: folder }).state;
  // Four megabytes are a long time, for a test.
  writeFileSync(files.reserve, '');
  truncateSync(files.reserve, 4 << 20);
});

function open(): State {
  const state = openState({ files, uids: { first: 200_000, count: 1_000, isTaken: () => false }, log: createRecordingLog().log });
  onTestFinished(async () => {
    await state.close().catch(() => {}); // the test closed it itself
  });
  return state;
}

/** Some of everything, so that the file has many pages. */
function fill({ store }: State): void {
  for (let number = 0; number < 40; number++) {
    const tenant = `t${number}` as TenantName;
    store.uidOf(tenant, '');
    store.setConfigTexts([[tenant, `domains: [t${number}.example] # ${'x'.repeat(400)}`]]);
    store.setApp(tenant, site, { manifest: { number }, generationKey: 'key', generation: 1, release: 'local' });
    store.appendAudit({ ...entry, tenant });
  }
  store.replaceDomainOwners(new Map([['acme.example', acme]]));
}

const entry = { time: '2026-01-02T03:04:05.678Z', actor: 'operator', action: 'create', before: 'null', after: '{}', outcome: 'done' };
const codesOf = (state: State): string[] => state.problems().map(({ code }) => code);
const aside = (): string[] => readdirSync(folder).filter((name) => name.startsWith('state.db.damaged-') && !name.endsWith('-wal'));

async function filled(): Promise<void> {
  const state = open();
  fill(state);
  await state.close();
}

/** What the state store holds, as far as this test fills it. */
function contentOf({ store }: State): unknown {
  const tenants = store.tenantsWithConfig();
  return [
    tenants.map((tenant) => [store.configTextOf(tenant), store.appOf(tenant, site)?.manifest]),
    store.givenUids(),
    [...store.domainOwners()],
    store.verifyAudit(),
  ];
}

/** Files of a daemon that was killed, as they are at this moment. */
function killedCopy(): void {
  const saved = ['', '-wal'].map((end) => [end, readFileSync(`${files.database}${end}`)] as const);
  onTestFinished(() => {});
  for (const [end, content] of saved) writeFileSync(join(folder, `killed${end}`), content);
}

function putBackKilled({ walBytes = Infinity } = {}): void {
  rmSync(`${files.database}-shm`, { force: true });
  copyFileSync(join(folder, 'killed'), files.database);
  const log = readFileSync(join(folder, 'killed-wal'));
  writeFileSync(`${files.database}-wal`, log.subarray(0, walBytes));
}

describe('a state store', () => {
  test('is begun where there never was one, and is well after that', async () => {
    const first = open();
    expect([first.problems(), first.store.uidOf(acme, '')]).toEqual([[], 200_000]);
    await first.close();
    const second = open();
    expect([second.problems(), second.store.uidOf(acme, '')]).toEqual([[], 200_000]);
  });

  test.each([0, 1])('is begun where the first daemon was killed while it made one: %i', (bytes) => {
    writeFileSync(files.database, '');
    if (bytes === 1) new DatabaseSync(files.database).exec('PRAGMA journal_mode = WAL');
    expect(open().problems()).toEqual([]);
  });

  test('has a copy that only root can read, made when it ends', async () => {
    await filled();
    expect(statSync(files.copy).mode & 0o777).toBe(0o600);
    const copy = new DatabaseSync(files.copy, { readOnly: true });
    expect(copy.prepare('SELECT count(*) AS count FROM configs').get()).toEqual({ count: 40 });
    copy.close();
    expect(readdirSync(folder).filter((name) => name.startsWith('state.db.copy'))).toEqual(['state.db.copy']);
  });

  test('overwrites a copy that it replaces', async () => {
    await filled();
    const fd = openSync(files.copy, 'r');
    const state = open();
    state.store.uidOf(globex, '');
    await state.close();
    const bytes = Buffer.alloc(fstatSync(fd).size, 1);
    readSync(fd, bytes, 0, bytes.length, 0);
    closeSync(fd);
    expect(bytes.length).toBeGreaterThan(4_096);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('removes what a copy that was cut left', async () => {
    await filled();
    for (const end of ['.new', '.old', '.new-journal']) writeFileSync(`${files.copy}${end}`, 'half');
    await open().close();
    expect(readdirSync(folder).filter((name) => name.startsWith('state.db.copy'))).toEqual(['state.db.copy']);
  });

  test('is told to be of a newer version while it is used', async () => {
    await filled();
    const database = new DatabaseSync(files.database);
    database.exec('CREATE TABLE later (tenant TEXT PRIMARY KEY) STRICT; PRAGMA user_version = 99');
    database.close();
    const state = open();
    expect(state.problems()).toEqual([
      expect.objectContaining({ code: 'TENANTD_E_STATE_NEWER', message: expect.stringContaining('version 99') }),
    ]);
    expect(state.store.uidOf('t3' as TenantName, '')).toBe(200_003);
  });

  test('of a newer version that can not be used is refused, and no copy takes its place', async () => {
    await filled();
    const database = new DatabaseSync(files.database);
    database.exec(`PRAGMA user_version = 99; PRAGMA application_id = ${0x7464_0000 + 99}`);
    database.close();
    const before = readFileSync(files.database);
    expect(open).toThrow(expect.objectContaining({ code: 'TENANTD_E_STATE', fix: 'start the newer tenantd' }));
    expect(readFileSync(files.database).equals(before)).toBe(true);
  });
});

describe('a damaged file', () => {
  /** What a start finds, says and keeps. */
  async function startOver(): Promise<{ content: unknown; codes: string[]; messages: string[]; kept: Buffer[] }> {
    const state = open();
    const [content, problems] = [contentOf(state), state.problems()];
    await state.close();
    const kept = aside().map((name) => readFileSync(join(folder, name)));
    for (const name of aside()) rmSync(join(folder, name));
    rmSync(files.notice);
    return { content, codes: problems.map(({ code }) => code), messages: problems.map(({ message }) => message), kept };
  }

  /** All is as in the copy, which is said, and the file is kept. */
  const copyUsed = (content: unknown, damaged: readonly Buffer[]): object => ({
    ...{ content, codes: ['TENANTD_E_STATE_RESTORED'], kept: damaged },
    messages: [expect.stringMatching(/its copy of 2\d{3}-.*Z was put in its place/)],
  });

  test('of any length that is too short gives way to the copy, and is kept', { timeout: 60_000 }, async () => {
    await filled();
    const state = open();
    const content = contentOf(state);
    await state.close();
    const whole = readFileSync(files.database);
    const lengths = [0, 1, 99, 100, 512, 4_095, ...Array.from({ length: 16 }, (_, step) => Math.floor((whole.length * (step + 1)) / 17))];
    for (const length of lengths) {
      truncateSync(files.database, length);
      const damaged = readFileSync(files.database);
      expect(await startOver()).toEqual(copyUsed(content, [damaged]));
    }
  });

  test('with any page overwritten gives way to the copy, and is kept', { timeout: 60_000 }, async () => {
    await filled();
    const state = open();
    const content = contentOf(state);
    await state.close();
    const pages = statSync(files.database).size / 4_096;
    expect(pages).toBeGreaterThan(15);
    for (let page = 0; page < pages; page++) {
      const fd = openSync(files.database, 'r+');
      writeSync(fd, randomBytes(4_096), 0, 4_096, page * 4_096);
      closeSync(fd);
      const damaged = readFileSync(files.database);
      expect(await startOver()).toEqual(copyUsed(content, damaged.length > 0 ? [damaged] : []));
    }
  });

  test.each(['gone', 'text'])('gives way to the copy: %s', async (what) => {
    await filled();
    const state = open();
    const content = contentOf(state);
    await state.close();
    rmSync(files.database);
    if (what === 'text') writeFileSync(files.database, 'tenantsDir: /srv\n'.repeat(300));
    const damaged = what === 'text' ? [readFileSync(files.database)] : [];
    expect(await startOver()).toEqual(copyUsed(content, damaged));
  });

  test('is told of until an operator removes the notice, also over restarts', async () => {
    await filled();
    truncateSync(files.database, 5_000);
    await open().close();
    const again = open();
    expect(codesOf(again)).toEqual(['TENANTD_E_STATE_RESTORED']);
    expect(again.problems()[0]?.fix).toContain(files.notice);
    rmSync(files.notice);
    expect(codesOf(again)).toEqual([]);
  });

  test('does not lose the uids that were given since the copy was made', async () => {
    await filled();
    const state = open();
    copyFileSync(files.copy, join(folder, 'early'));
    const given = [state.store.uidOf(acme, ''), state.store.uidOf(acme, site)];
    await state.close();
    copyFileSync(join(folder, 'early'), files.copy);
    truncateSync(files.database, 5_000);
    const after = open();
    expect(after.store.uidOf(globex, '')).toBeGreaterThan(Math.max(...given));
    expect([after.store.uidOf(acme, ''), after.store.uidOf(acme, site)]).toEqual(given);
  });

  test('leaves a trail that is whole, and says so', async () => {
    await filled();
    truncateSync(files.database, 5_000);
    const state = open();
    const { sequence } = state.store.appendAudit({ ...entry, tenant: acme });
    expect([sequence, state.store.verifyAudit()]).toEqual([82, true]);
    await state.close();
    const database = new DatabaseSync(files.database, { readOnly: true });
    expect(database.prepare('SELECT action, actor FROM audit WHERE sequence = 81').get()).toEqual({
      action: 'state-restored',
      actor: 'tenantd',
    });
    database.close();
  });

  test('makes no worker that lives pass for one of a later generation', async () => {
    await filled();
    truncateSync(files.database, 5_000);
    expect(open().store.appOf('t1' as TenantName, site)?.generation).toBeGreaterThan(10_000);
  });

  test.each(['', '-wal'])('is refused without a copy, and left as it is, and so is a gone one %s', async (end) => {
    await filled();
    rmSync(files.copy);
    if (end === '') rmSync(files.database);
    else truncateSync(files.database, 5_000);
    const before = readdirSync(folder).sort();
    const refused = expect.objectContaining({ code: 'TENANTD_E_STATE', fix: expect.stringContaining(`touch ${files.beginAnew}`) });
    expect(open).toThrow(refused);
    expect(open).toThrow(refused);
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  test('is refused with a copy that is damaged, too', async () => {
    await filled();
    for (const file of [files.database, files.copy]) truncateSync(file, 5_000);
    expect(open).toThrow(expect.objectContaining({ code: 'TENANTD_E_STATE' }));
    expect([statSync(files.database).size, statSync(files.copy).size]).toEqual([5_000, 5_000]);
  });

  test('without a copy gives way to a new one when an operator says so, with the uids that were given', async () => {
    await filled();
    rmSync(files.copy);
    truncateSync(files.database, 5_000);
    writeFileSync(files.beginAnew, '');
    const state = open();
    expect([state.store.tenantsWithConfig(), state.store.uidOf(acme, ''), state.store.uidOf('t7' as TenantName, '')]).toEqual([
      [],
      200_040,
      200_007,
    ]);
    expect(codesOf(state)).toEqual(['TENANTD_E_STATE_RESTORED']);
    expect([existsSync(files.beginAnew), aside().length]).toEqual([false, 1]);
    await state.close();
    expect(codesOf(open())).toEqual(['TENANTD_E_STATE_RESTORED']);
  });

  test('whose replacement was cut by a kill is replaced by the next daemon', async () => {
    await filled();
    // As it is between the two renames.
    truncateSync(files.database, 5_000);
    copyFileSync(files.database, `${files.damaged}-before`);
    rmSync(files.database);
    const state = open();
    expect(state.store.tenantsWithConfig()).toHaveLength(40);
    expect(codesOf(state)).toEqual(['TENANTD_E_STATE_RESTORED']);
  });
});

describe('after a kill', () => {
  test('a log that was cut anywhere leaves a whole store, of some moment', { timeout: 60_000 }, async () => {
    await filled();
    const state = open();
    const given: number[] = [];
    for (let number = 0; number < 30; number++) {
      given.push(state.store.uidOf(`new${number}` as TenantName, ''));
      state.store.appendAudit({ ...entry, tenant: acme });
    }
    killedCopy();
    await state.close();
    const copy = readFileSync(files.copy);
    const length = statSync(join(folder, 'killed-wal')).size;
    for (let step = 0; step <= 20; step++) {
      putBackKilled({ walBytes: Math.floor((length * step) / 20) });
      writeFileSync(files.copy, copy);
      const after = open();
      expect(after.store.verifyAudit()).toBe(true);
      expect(given.map((_, number) => after.store.uidOf(`new${number}` as TenantName, ''))).toEqual(given);
      await after.close();
    }
  });

  test('a log that is gone is told of', async () => {
    await filled();
    const state = open();
    state.store.uidOf(acme, '');
    killedCopy();
    const mark = readFileSync(files.mark);
    await state.close();
    putBackKilled();
    writeFileSync(files.mark, mark);
    rmSync(`${files.database}-wal`);
    const after = open();
    expect(codesOf(after)).toEqual(['TENANTD_E_STATE_RESTORED']);
    expect([after.store.uidOf(globex, ''), after.store.uidOf(acme, '')]).toEqual([200_041, 200_040]);
  });

  test('nothing is told of, and nothing is lost', async () => {
    await filled();
    const state = open();
    state.store.setConfigTexts([[acme, 'acknowledged']]);
    killedCopy();
    const marks = [files.mark, files.runMark].map((file) => readFileSync(file));
    await state.close();
    putBackKilled();
    [files.mark, files.runMark].forEach((file, index) => writeFileSync(file, marks[index] ?? ''));
    const after = open();
    expect([after.problems(), after.store.configTextOf(acme)]).toEqual([[], 'acknowledged']);
  });
});

describe('an older file that was put in place', () => {
  async function withBackup(change: (state: State) => void): Promise<void> {
    await filled();
    copyFileSync(files.database, join(folder, 'backup'));
    const state = open();
    change(state);
    await state.close();
    copyFileSync(join(folder, 'backup'), files.database);
  }

  test('is used, told of, and goes on without giving a uid twice', async () => {
    const given: number[] = [];
    await withBackup(({ store }) => {
      given.push(store.uidOf(acme, ''), store.uidOf(acme, site));
      store.setConfigTexts([[acme, 'later']]);
    });
    const state = open();
    expect(state.problems()).toEqual([
      expect.objectContaining({
        code: 'TENANTD_E_STATE_RESTORED',
        message: expect.stringContaining('another state.db than the one that was used last'),
      }),
    ]);
    expect(state.store.configTextOf(acme)).toBeUndefined();
    expect([state.store.uidOf(globex, ''), state.store.uidOf(acme, site), state.store.uidOf(acme, '')]).toEqual([
      200_042,
      given[1],
      given[0],
    ]);
  });

  test('keeps the copy that is newer', async () => {
    await withBackup(({ store }) => store.setConfigTexts([[acme, 'later']]));
    await open().close();
    const kept = readdirSync(folder).find((name) => name.startsWith('state.db.copy-')) ?? '';
    const database = new DatabaseSync(join(folder, kept), { readOnly: true });
    expect(database.prepare("SELECT text FROM configs WHERE tenant = 'acme'").get()).toEqual({ text: 'later' });
    database.close();
  });

  test('has an audit trail that goes on from there, whole, and says so', async () => {
    await withBackup(({ store }) => store.appendAudit({ ...entry, tenant: acme }));
    const { store } = open();
    expect([store.appendAudit({ ...entry, tenant: acme }).sequence, store.verifyAudit()]).toEqual([82, true]);
  });

  test('is not told of twice', async () => {
    await withBackup(({ store }) => store.setConfigTexts([[acme, 'later']]));
    await open().close();
    rmSync(files.notice);
    expect(open().problems()).toEqual([]);
  });

  test('beside the log of a newer one does not pass for whole', async () => {
    await filled();
    copyFileSync(files.database, join(folder, 'backup'));
    const state = open();
    for (let number = 0; number < 60; number++) state.store.setConfigTexts([[`more${number}` as TenantName, 'x'.repeat(1_000)]]);
    killedCopy();
    await state.close();
    putBackKilled();
    copyFileSync(join(folder, 'backup'), files.database);
    const after = open();
    expect(after.store.verifyAudit()).toBe(true);
    expect(after.store.tenantsWithConfig().length).toBeGreaterThanOrEqual(40);
  });
});
