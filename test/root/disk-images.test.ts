import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { prepareTestDaemon, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { imageOf, problemsOf, standInPrograms, tracesOf } from './disk-support.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

const programs = { mke2fs: '/usr/sbin/mke2fs', e2fsck: '/usr/sbin/e2fsck', resize2fs: '/usr/sbin/resize2fs' };
const tenants = { alpha: probeTenant('alpha', ['site'], 'limits: { disk: 10M, files: 300 }\n') };

const keep = (daemon: TestDaemon, text: string): Promise<string> => ask(daemon, 'alpha/site', 'keep', { input: ['/data/kept', text] });

async function kept(daemon: TestDaemon): Promise<string> {
  const found = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input: ['/data/kept'] });
  return found['/data/kept']?.replaceAll('\0', '') ?? '';
}

async function restart(daemon: TestDaemon): Promise<void> {
  expect(await daemon.stop()).toBe(0);
  await daemon.start();
  await daemon.untilApps(['alpha/site']);
}

function filesOf(daemon: TestDaemon): string[] {
  return readdirSync(`${daemon.directory}/state/tenants/alpha`).sort();
}

describe('a daemon that is killed while it works on a disk image', () => {
  test('at its first use, while it is made, is followed by one that gets it right', async () => {
    using stand = standInPrograms(Object.values(programs));
    await using daemon = await prepareTestDaemon({ tenants, wrapper: stand.wrapper });
    stand.set(programs.mke2fs, 'wait-after');
    await daemon.start();
    await stand.interrupt(daemon);
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect(filesOf(daemon)).toEqual(['data', 'disk.img']);
    expect(await keep(daemon, 'once more')).toBe('ok');
    await restart(daemon);
    expect(await kept(daemon)).toBe('read once more');
    expect(await daemon.stop()).toBe(0);
    expect(tracesOf(daemon)).toEqual([]);
  });

  test.each([
    [programs.e2fsck, 'wait-after'],
    [programs.resize2fs, 'wait-before'],
    [programs.resize2fs, 'wait-after'],
  ] as const)('at a later start, in %s (%s), loses nothing that was kept', async (program, behaviour) => {
    using stand = standInPrograms(Object.values(programs));
    await using daemon = await startTestDaemon({ tenants, wrapper: stand.wrapper });
    await daemon.untilApps(['alpha/site']);
    expect(await keep(daemon, 'before')).toBe('ok');
    expect(await daemon.stop()).toBe(0);
    // So that it is enlarged, too.
    daemon.writeTenant('alpha', { 'tenant.yaml': 'domains: [alpha.test]\nlimits: { disk: 10M, files: 5000 }\n' });
    stand.set(program, behaviour);
    await daemon.start();
    await stand.interrupt(daemon);
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect(await kept(daemon)).toBe('read before');
    expect((await daemon.tenant('alpha')).filesLimit).toBeGreaterThanOrEqual(5_000);
    expect(filesOf(daemon)).toEqual(['data', 'disk.img']);
  });
});

test('a daemon that is killed while it mounts one is followed by one that mounts it, too', async () => {
  await using daemon = await startTestDaemon({ tenants });
  await daemon.untilApps(['alpha/site']);
  expect(await keep(daemon, 'before')).toBe('ok');
  expect(await daemon.stop()).toBe(0);
  const image = imageOf(daemon, 'alpha');
  const isAwaited = (): boolean => new RegExp(`-> FLOCK .*:${statSync(image).ino} `).test(readFileSync('/proc/locks', 'utf8'));
  const locked = spawn('flock', [image, 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
  await daemon.start();
  await until(isAwaited, 'its mount waits for the lock');
  await daemon.kill();
  await daemon.start();
  await until(isAwaited, 'and that of the next daemon');
  locked.stdin.end();
  await daemon.untilApps(['alpha/site']);
  expect(await kept(daemon)).toBe('read before');
  expect(await daemon.stop()).toBe(0);
  expect(tracesOf(daemon)).toEqual([]);
});

describe('a disk image that was not unmounted', () => {
  test('is checked by the next daemon, or the one after it: never by two, and never mounted meanwhile', async () => {
    using stand = standInPrograms(Object.values(programs));
    await using daemon = await startTestDaemon({ tenants, wrapper: stand.wrapper });
    await daemon.untilApps(['alpha/site']);
    expect(await keep(daemon, 'before')).toBe('ok');
    expect(await daemon.stop()).toBe(0);
    execFileSync('debugfs', ['-w', '-R', 'set_super_value state 0', imageOf(daemon, 'alpha')], { stdio: 'ignore' });
    stand.set(programs.e2fsck, 'wait-after');
    await daemon.start();
    await stand.interrupt(daemon);
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect(await kept(daemon)).toBe('read before');
    expect(await daemon.stop()).toBe(0);
    expect(execFileSync('dumpe2fs', ['-h', imageOf(daemon, 'alpha')], { encoding: 'utf8', stdio: 'pipe' })).toMatch(/state: +clean\n/);
    expect(tracesOf(daemon)).toEqual([]);
  });

  test('is not checked at all when it was', async () => {
    using stand = standInPrograms(Object.values(programs));
    await using daemon = await startTestDaemon({ tenants, wrapper: stand.wrapper });
    await daemon.untilApps(['alpha/site']);
    expect(await daemon.stop()).toBe(0);
    stand.set(programs.e2fsck, 'fail');
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect(await problemsOf(daemon, 'alpha')).toEqual([]);
  });
});

describe('data from before there were images', () => {
  const config = 'isolation: { without: [disk] }';

  test('is in an image after the next start, as it was; where it lay, it is kept', async () => {
    using stand = standInPrograms(Object.values(programs));
    stand.set(programs.mke2fs, 'fail');
    await using daemon = await startTestDaemon({ tenants, config, wrapper: stand.wrapper });
    await daemon.untilApps(['alpha/site']);
    expect(await problemsOf(daemon, 'alpha')).toEqual([
      expect.objectContaining({ code: 'TENANTD_E_LAYER_WAIVED', message: expect.stringMatching(/"disk": .*not on this machine/s) }),
    ]);
    expect(await keep(daemon, 'in a folder')).toBe('ok');
    await ask(daemon, 'alpha/site', 'plantLinks', { input: ['/etc/shadow', '/root'] });
    await ask(daemon, 'alpha/site', 'plantTraps');
    expect(existsSync(imageOf(daemon, 'alpha'))).toBe(false);

    // Deeper than any path: it can't be copied, and is not left out.
    stand.set(programs.mke2fs, 'as-ever');
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    await until(async () => (await daemon.tenant('alpha')).state === 'failed', 'the tenant is not started', 30_000);
    expect(await problemsOf(daemon, 'alpha')).toEqual([
      expect.objectContaining({ code: 'TENANTD_E_DISK_IMAGE', message: expect.stringMatching(/can not be moved .*too long/s) }),
    ]);
    execFileSync('rm', ['-rf', `${daemon.directory}/state/tenants/alpha/data/apps/site/deep`]);

    // By a daemon that is killed meanwhile; then by the next one.
    expect(await daemon.stop()).toBe(0);
    stand.set(programs.mke2fs, 'wait-after');
    await daemon.start();
    await stand.interrupt(daemon);
    await daemon.start();
    await daemon.untilApps(['alpha/site']);

    expect(filesOf(daemon)).toEqual(['data', 'data.before-image', 'disk.img']);
    expect(await kept(daemon)).toBe('read in a folder');
    const [before, now] = [`${daemon.directory}/state/tenants/alpha/data.before-image`, daemon.dataOf('alpha')].map(
      (root) => `${root}/apps/site`,
    );
    for (const name of ['', '/kept', '/home', '/fifo', '/closed', '/shared', '/socket.sock']) {
      const [was, is] = [lstatSync(before + name), lstatSync(now + name)];
      expect([name, is.mode, is.uid, is.gid]).toEqual([name, was.mode, was.uid, was.gid]);
    }
    expect(readlinkSync(`${now}/home`)).toBe('/etc/shadow');
    expect(readFileSync(`${before}/kept`, 'utf8')).toBe('in a folder');
    expect(await problemsOf(daemon, 'alpha')).toEqual([]);
    await restart(daemon);
    expect(filesOf(daemon)).toEqual(['data', 'data.before-image', 'disk.img']);
  });

  test('stays where it is while something uses it there', async () => {
    using stand = standInPrograms(Object.values(programs));
    stand.set(programs.mke2fs, 'fail');
    await using daemon = await startTestDaemon({ tenants, config, wrapper: stand.wrapper });
    await daemon.untilApps(['alpha/site']);
    const pid = await pidOf(daemon, 'alpha/site');
    await daemon.kill();
    stand.set(programs.mke2fs, 'as-ever');
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect(await keep(daemon, 'still in a folder')).toBe('ok');
    expect(await pidOf(daemon, 'alpha/site')).toBe(pid);
    expect(await problemsOf(daemon, 'alpha')).toEqual([expect.objectContaining({ code: 'TENANTD_E_DISK_IMAGE' })]);
    await restart(daemon);
    expect(await kept(daemon)).toBe('read still in a folder');
    expect((await daemon.tenant('alpha')).diskLimitBytes).toBe(10 << 20);
  });

  test('is not looked for in a folder when it is in an image already', async () => {
    using stand = standInPrograms(Object.values(programs));
    await using daemon = await startTestDaemon({ tenants, config, wrapper: stand.wrapper });
    await daemon.untilApps(['alpha/site']);
    expect(await keep(daemon, 'in an image')).toBe('ok');
    expect(await daemon.stop()).toBe(0);
    stand.set(programs.mke2fs, 'fail');
    await daemon.start();
    await until(async () => (await daemon.tenant('alpha')).state === 'failed', 'the tenant is not started');
    expect(await problemsOf(daemon, 'alpha')).toContainEqual(expect.objectContaining({ code: 'TENANTD_E_DISK_IMAGE' }));
    stand.set(programs.mke2fs, 'as-ever');
    await restart(daemon);
    expect(await kept(daemon)).toBe('read in an image');
  });
});

describe('a disk image that is not as it was left', () => {
  test.each([
    ['empty', (image: string) => truncateSync(image, 0), /it holds no file system/],
    ['cut off', (image: string) => truncateSync(image, 40 << 20), /bytes at its end are missing/],
    ['damaged', (image: string) => damage(image), /can not be used: /],
  ])('because it is %s is a problem of its tenant alone, and stays untouched', async (_, harm, message) => {
    await using daemon = await startTestDaemon({ tenants: { ...tenants, beta: probeTenant('beta') } });
    await daemon.untilApps(['alpha/site', 'beta/site']);
    expect(await keep(daemon, 'in a good image')).toBe('ok');
    expect(await daemon.stop()).toBe(0);
    const image = imageOf(daemon, 'alpha');
    copyFileSync(image, `${daemon.directory}/backup.img`);
    harm(image);
    const harmed = checksum(image);
    await daemon.start();
    await daemon.untilApps(['beta/site']);
    await until(async () => (await daemon.tenant('alpha')).state === 'failed', 'the tenant has failed');
    expect(await problemsOf(daemon, 'alpha')).toEqual([
      expect.objectContaining({ code: 'TENANTD_E_DISK_IMAGE', message: expect.stringMatching(message) }),
    ]);
    expect(await problemsOf(daemon, 'beta')).toEqual([]);
    expect(checksum(image)).toBe(harmed);
    execFileSync('cp', ['--sparse=always', `${daemon.directory}/backup.img`, image]);
    await daemon.ctl('reload');
    await daemon.untilApps(['alpha/site']);
    expect(await kept(daemon)).toBe('read in a good image');
  });

  test('because the machine went down is well again after its journal was read', async () => {
    await using daemon = await startTestDaemon({ tenants });
    await daemon.untilApps(['alpha/site']);
    expect(await keep(daemon, 'before the power cut')).toBe('ok');
    const image = imageOf(daemon, 'alpha');
    // As it is on the disk while it is in use: nothing of it was unmounted.
    execFileSync('cp', ['--sparse=always', image, `${daemon.directory}/cut.img`]);
    expect(execFileSync('dumpe2fs', ['-h', `${daemon.directory}/cut.img`], { encoding: 'utf8', stdio: 'pipe' })).toContain(
      'needs_recovery',
    );
    expect(await keep(daemon, 'after the power cut')).toBe('ok');
    expect(await daemon.stop()).toBe(0);
    execFileSync('cp', ['--sparse=always', `${daemon.directory}/cut.img`, image]);
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect(await kept(daemon)).toBe('read before the power cut');
    expect(await problemsOf(daemon, 'alpha')).toEqual([]);
  });
});

describe('the disk below all images', () => {
  /** The daemon's state is on a small one, in its own mounts. */
  const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec'];
  const small = 'for last; do :; done; mkdir -p "${last%/*}/state"; mount -t tmpfs -o size=48M none "${last%/*}/state"; exec "$@"';

  test('that is full makes disks read-only, which were told more than it has; with room it goes on', async () => {
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, wrapper: [...wrapper, small, 'sh'] });
    await daemon.untilApps(['alpha/site']);
    const problems = async (): Promise<string> => (await daemon.status()).problems.map(({ message }) => message).join('\n');
    await until(async () => (await problems()).includes("tenants' disks may grow by"), 'the daemon says that it has promised too much');
    expect(await keep(daemon, 'was told to be kept')).toBe('ok');
    const filled = await ask<{ bytes: number; error: string; synced: string }>(daemon, 'alpha/site', 'fillUp', { input: '/data' });
    expect(['EIO', 'EROFS']).toContain(filled.synced);
    await until(async () => (await problems()).includes('when it is full'), 'the daemon says that it is full');
    await until(async () => (await problemsOf(daemon, 'alpha')).some(({ code }) => code === 'TENANTD_E_DISK_IMAGE'), 'the tenant, too');
    expect(await keep(daemon, 'must not be told to be kept')).toBe('EROFS');
    const state = `/proc/${daemon.pid()}/root${daemon.directory}/state`;
    execFileSync('nsenter', [`--mount=/proc/${daemon.pid()}/ns/mnt`, 'mount', '-o', 'remount,size=512M', `${daemon.directory}/state`]);
    expect(statSync(state).isDirectory()).toBe(true);
    await until(() => daemon.log().includes('its disk has to be checked'), 'it is mounted again', 20_000);
    await until(async () => (await keep(daemon, 'goes on').catch(() => 'not yet')) === 'ok', 'it can be written again', 20_000);
    expect(await kept(daemon)).toBe('read goes on');
  });
});

function checksum(path: string): string {
  return execFileSync('cksum', [path], { encoding: 'utf8' });
}

/** Its first block, with all that tells where the rest is. */
function damage(image: string): void {
  execFileSync('dd', ['if=/dev/urandom', `of=${image}`, 'bs=1024', 'seek=1', 'count=3', 'conv=notrunc'], { stdio: 'ignore' });
  execFileSync('sh', ['-c', 'printf "\\123\\357" | dd of="$0" bs=1 seek=1080 conv=notrunc', image], { stdio: 'ignore' });
}
