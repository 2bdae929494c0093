import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, probeTenant, processFacts } from './probe.ts';

const apps = ['alpha/site', 'alpha/shop', 'beta/site'];

/** Beside planted-files.test.ts: names that change while root works, and what the tenant's own user, host and code folder can plant. */
describe('names that a tenant can write, while root works', () => {
  let daemon: TestDaemon;
  let folder: string;
  let victims: string[];
  let before: string[];

  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(apps);
    folder = mkdtempSync('/root/tenantd-test-');
    mkdirSync(`${folder}/directory`, { mode: 0o755 });
    writeFileSync(`${folder}/directory/server.js`, 'not to be read', { mode: 0o600 });
    writeFileSync(`${folder}/file`, 'not to be touched', { mode: 0o640 });
    victims = [`${folder}/directory`, `${folder}/file`, `${folder}/new`, '/etc/shadow'];
    before = picture();
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    if (folder) rmSync(folder, { recursive: true });
  });

  function picture(): string[] {
    return [folder, ...victims, `${folder}/directory/server.js`].map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (!stat) return `${path} is not there`;
      // Users come and go meanwhile.
      if (path === '/etc/shadow') return [path, stat.uid, stat.gid, stat.mode.toString(8)].join(' ');
      const content = stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : readdirSync(path).sort().join();
      return [path, stat.uid, stat.gid, stat.mode.toString(8), stat.ctimeMs, content].join(' ');
    });
  }

  /** All that root does with a tenant, and nothing outside of it is other than before. */
  async function expectRootUnharmed({ whileBroken = false } = {}): Promise<void> {
    const running = whileBroken ? ['beta/site'] : apps;
    for (const app of running) {
      const { code, stderr } = await daemon.ctl('app', 'restart', app);
      expect({ code, stderr }).toMatchObject({ code: 0 });
    }
    await daemon.kill();
    await daemon.start();
    await daemon.untilApps(running);
    expect((await daemon.ctl('reload')).code).toBe(0);
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    await daemon.untilApps(running);
    expect(picture()).toEqual(before);
    expect(await ask(daemon, 'beta/site', 'alive')).toMatchObject({ tenant: 'beta' });
  }

  /** As the tenant's own user, in the mounts of its host: what a host that was taken over could do. */
  async function inHost(script: string): Promise<string> {
    const { hostPid } = await daemon.tenant('alpha');
    const [uid = 0] = processFacts(hostPid).uids;
    expect(uid).toBeGreaterThan(1_000);
    const as = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--no-new-privs', '--'];
    const { stdout, stderr } = spawnSync('nsenter', [`--mount=/proc/${hostPid}/ns/mnt`, '--', ...as, 'sh', '-c', script], {
      encoding: 'utf8',
    });
    return stdout + stderr;
  }

  test('that are a link, a folder, a pipe and nothing in turn lead root nowhere', async () => {
    for (const app of ['alpha/site', 'alpha/shop']) expect(await ask(daemon, app, 'swapForever', { input: victims })).toBe('ok');
    await expectRootUnharmed();
  });

  test('of its own user, in the data of its shells, lead root nowhere', async () => {
    const plant = victims
      .map((victim, index) => `ln -s ${victim} /data/link-${index}; ln -s ${victim} /data/shared/user-${index}`)
      .join('; ');
    const script = `${plant}; rm -rf /data/home && ln -s ${victims[0]} /data/home; mkfifo /data/fifo; readlink /data/home`;
    const planted = await daemon.ctl('exec', 'alpha', '--', 'sh', '-c', script);
    expect(planted).toMatchObject({ code: 0, stdout: `${victims[0]}\n` });
    await expectRootUnharmed();
    const again = await daemon.ctl('exec', 'alpha', '--', 'sh', '-c', 'readlink /data/home; ls /data/home/');
    expect(again.stdout).toContain(`${victims[0]}\n`);
    expect(again.stdout).not.toContain('server.js');
    expect(picture()).toEqual(before);
  });

  test('can not be made by its host where sockets, pipes and its way to the daemon are', async () => {
    const places = ['/run/tenantd/control', '/run/tenantd/sockets', '/run/tenantd/pipes', '/run/tenantd', '/apps', '/opt/tenantd/lib'];
    const attempts = places.map((place) => `ln -s /etc/shadow ${place}/x 2>/dev/null && echo made in ${place}; true`);
    const moves = ['sockets', 'pipes', 'control'].map(
      (name) => `mv /run/tenantd/${name} /run/tenantd/x 2>/dev/null && echo moved ${name}; true`,
    );
    expect(await inHost([...attempts, ...moves].join('\n'))).toBe('');
  });

  test('in a folder of code that was given to it by mistake show it nothing of others', async () => {
    const appsDir = `${daemon.tenantsDir}/alpha/apps`;
    const [uid = 0] = processFacts((await daemon.tenant('alpha')).hostPid).uids;
    chownSync(appsDir, uid, uid);
    chmodSync(appsDir, 0o777);
    symlinkSync(`${folder}/directory`, `${appsDir}/planted`);
    spawnSync('mkfifo', [`${appsDir}/pipe`]);
    spawnSync('sh', ['-c', `mv ${appsDir}/shop ${appsDir}/.moved && ln -s ${folder}/directory ${appsDir}/shop`]);
    expect((await daemon.ctl('reload')).code).toBe(0);
    await until(async () => (await daemon.tenant('alpha')).apps.every(({ name }) => name !== 'shop'), 'an app that is a link is none');
    expect(JSON.stringify((await daemon.tenant('alpha')).problems)).toContain('shop');
    rmSync(`${appsDir}/shop`);
    spawnSync('mv', [`${appsDir}/.moved`, `${appsDir}/shop`]);
    expect((await daemon.ctl('reload')).code).toBe(0);
    await daemon.untilApps(apps);
    chownSync(appsDir, 0, 0);
    chmodSync(appsDir, 0o755);
    expect(picture()).toEqual(before);
  });

  // The last: with its logs, the tenant's own host is broken.
  test('in the place of its logs lead nobody else anywhere, and root waits for none of them', async () => {
    const links = `cd /var/log/tenantd && for name in *; do mv "$name" "$name.old"; ln -s ${victims[1]} "$name"; done; ls`;
    expect(await inHost(links)).toContain('site.log.old');
    for (const at of ['alpha/site', 'alpha/shop', 'alpha']) {
      const { stdout } = await daemon.ctl('logs', '-n', '100', at);
      expect(stdout).not.toContain('not to be');
    }
    const more = `cd /var/log/tenantd && rm -f site.log && mkfifo site.log fifo.log && ln -s ${victims[0]} folder && mkdir shop.log.1 && ls`;
    expect(await inHost(more)).toContain('fifo.log');
    await expectRootUnharmed({ whileBroken: true });
  });
});
