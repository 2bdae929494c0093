import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { ask, otherThan, probeTenant } from './probe.ts';

/**
 * An app leaves links to files of the machine and of another tenant wherever it can write, and things that hang or fail
 * who opens them. Then root does all it does with a tenant: nothing outside may change, nothing may hang.
 */
describe('what an app leaves behind where root works', () => {
  let daemon: TestDaemon;
  let folder: string;
  let before: string[];
  let victims: string[];
  const apps = ['alpha/site', 'alpha/shop', 'beta/site'];

  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(apps);
    folder = mkdtempSync('/root/tenantd-test-');
    mkdirSync(`${folder}/directory`, { mode: 0o700 });
    writeFileSync(`${folder}/directory/inner`, 'not to be touched', { mode: 0o600 });
    writeFileSync(`${folder}/file`, 'not to be touched', { mode: 0o640 });
    chmodSync(`${folder}/directory/inner`, 0o604);
    await ask(daemon, 'beta/site', 'write', { input: { '/data/kept.txt': 'of beta' } });
    const ofBeta = `${daemon.directory}/state/tenants/beta`;
    victims = [
      `${folder}/directory`,
      `${folder}/file`,
      `${folder}/new`,
      '/etc/shadow',
      '/etc',
      `${ofBeta}/data/apps/site`,
      `${ofBeta}/data/apps/site/kept.txt`,
    ];
    before = picture();
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    if (folder) rmSync(folder, { recursive: true });
  });

  /** Owner, mode, time of change and content of every victim. What is in /etc, others may change meanwhile. */
  function picture(): string[] {
    const paths = [
      ...victims,
      ...victims.slice(0, 1).map((path) => `${path}/inner`),
      `${daemon.directory}/state/tenants/beta/data`,
      folder,
    ];
    return paths.map((path) => {
      const seen = path.replace(`${daemon.directory}/state/tenants/beta/data`, daemon.dataOf('beta'));
      const stat = statSync(seen, { throwIfNoEntry: false });
      if (!stat) return `${path} is not there`;
      if (path.startsWith('/etc')) return [path, stat.uid, stat.gid, stat.mode.toString(8)].join(' ');
      const content = stat.isFile() ? createHash('sha256').update(readFileSync(seen)).digest('hex') : readdirSync(seen).sort().join();
      return [path, stat.uid, stat.gid, stat.mode.toString(8), stat.ctimeMs, content].join(' ');
    });
  }

  async function restartAndCompare(): Promise<void> {
    for (const app of ['alpha/site', 'alpha/shop']) {
      const { code, stderr } = await daemon.ctl('app', 'restart', app);
      expect({ code, stderr }).toMatchObject({ code: 0 });
    }
    expect((await daemon.ctl('reload')).code).toBe(0);
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    await daemon.untilApps(apps);
    expect(picture()).toEqual(before);
  }

  test('the victims are where the links lead to', () => {
    expect(before.filter((line) => line.endsWith('is not there'))).toHaveLength(1);
  });

  test('the places that root made for an app can not be moved, opened or taken', async () => {
    const refused = ['EBUSY', 'EPERM', 'EACCES', 'EXDEV', 'EROFS'];
    const found = await ask<Record<string, string>>(daemon, 'alpha/site', 'replaceMounts');
    expect(Object.keys(found)).toHaveLength(7);
    expect(otherThan(refused, found)).toEqual([]);
  });

  test('the mount point in its data belongs to root, in a sticky folder of root: no mount needs to hold it in place', () => {
    const data = `${daemon.dataOf('alpha')}/apps/site`;
    const [folder, shared, home] = ['', '/shared', '/home'].map((name) => statSync(`${data}${name}`));
    expect({ uid: folder?.uid, mode: (folder?.mode ?? 0) & 0o7777 }).toEqual({ uid: 0, mode: 0o1770 });
    expect({ uid: shared?.uid, mode: (shared?.mode ?? 0) & 0o7777 }).toEqual({ uid: 0, mode: 0o755 });
    expect(home?.uid).toBe(folder?.gid);
  });

  test('links to files of root and of other tenants lead root nowhere, over restarts of app and daemon', async () => {
    expect(await ask(daemon, 'alpha/site', 'plantLinks', { input: victims })).toBe(victims[0]);
    const home = (): string => `${daemon.dataOf('alpha')}/apps/site/home`;
    expect(readlinkSync(home())).toBe(victims[0]);
    await restartAndCompare();
    expect(readlinkSync(home())).toBe(victims[0]);
    expect(await ask(daemon, 'alpha/site', 'read', { input: ['/data/link-1', '/data/home/inner'] })).toEqual({
      '/data/link-1': 'ENOENT',
      '/data/home/inner': 'ENOENT',
    });
  });

  test('pipes, sockets, closed and endless folders and names for a terminal hold nothing up', async () => {
    expect(await ask(daemon, 'alpha/shop', 'plantTraps')).toBe('ok');
    await restartAndCompare();
    const { stdout } = await daemon.ctl('status', 'alpha');
    expect(stdout).not.toContain('\u001b');
  });

  test('they belong to the app alone: nothing that it made is owned by root or has rights of another', () => {
    const data = `${daemon.dataOf('alpha')}/apps/site`;
    const { status, stdout } = spawnSync('find', [data, '-mindepth', '1', '-not', '-path', `${data}/shared`, '-uid', '0'], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stdout).toBe('');
  });

  test('a tenant that is removed and comes back finds its data, and the links in it, as they were', async () => {
    daemon.removeTenant('alpha');
    await daemon.ctl('reload');
    expect((await daemon.status()).tenants.map(({ name }) => name)).toEqual(['beta']);
    expect(picture()).toEqual(before);
    daemon.writeTenant('alpha', probeTenant('alpha', ['site', 'shop']));
    await daemon.ctl('reload');
    await daemon.untilApps(apps);
    expect((await ask<Record<string, string[]>>(daemon, 'alpha/site', 'list', { input: ['/data'] }))['/data']).toContain('link-0');
    expect(picture()).toEqual(before);
  });
});
