import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { deviceOf, imageOf, problemsOf, tracesOf } from './disk-support.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

const mebibyte = 1 << 20;
interface Filled {
  bytes: number;
  files: number;
  error: string;
}
interface Room {
  bytes: number;
  freeBytes: number;
  files: number;
  freeFiles: number;
}

const limits = (disk: string, files = 300): string => `limits: { disk: ${disk}, files: ${files} }\n`;

describe('a tenant with ten mebibytes and three hundred files', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      tenants: { alpha: probeTenant('alpha', ['site', 'shop'], limits('10M')), beta: probeTenant('beta') },
    });
    await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  const room = (app = 'alpha/site'): Promise<Room> => ask<Room>(daemon, app, 'room', { input: '/data' });
  const problems = async (): Promise<string[]> => (await problemsOf(daemon, 'alpha')).map(({ code }) => code);
  const limit = (text: string): void => {
    const file = `${daemon.tenantsDir}/alpha/tenant.yaml`;
    writeFileSync(file, readFileSync(file, 'utf8').replace(/limits: .*/, text.trim()));
  };

  async function othersGoOn(): Promise<void> {
    expect(await ask(daemon, 'beta/site', 'keep', { input: ['/data/kept', 'yes'] })).toBe('ok');
    for (const host of ['alpha.test', 'beta.test']) {
      const path = host === 'alpha.test' ? '/shop' : '/site';
      expect((await request(daemon.port, { host, path, method: 'POST', body: '{"probe":"alive"}' })).status).toBe(200);
    }
    expect(await problemsOf(daemon, 'beta')).toEqual([]);
  }

  test('has that much, and status says so', async () => {
    expect(await room()).toMatchObject({ bytes: 10 * mebibyte });
    const { diskBytes, diskLimitBytes, files, filesLimit } = await daemon.tenant('alpha');
    expect({ diskLimitBytes, filesLimit }).toEqual({ diskLimitBytes: 10 * mebibyte, filesLimit: (await room()).files });
    expect(diskBytes).toBeLessThan(mebibyte);
    expect(files).toBeLessThan(60);
    expect((await daemon.ctl('status', 'alpha')).stdout).toMatch(/disk \d.* of 10 MiB/);
  });

  test('sees its disk mounted without devices and setuid bits', async () => {
    const mounts = readFileSync(`/proc/${await pidOf(daemon, 'alpha/site')}/mountinfo`, 'utf8').split('\n');
    for (const target of ['/data', '/data/shared']) {
      const [, options = '', kind = ''] =
        / (\S+) .*- (\S+) \/dev\/loop/.exec(mounts.find((line) => line.includes(` ${target} `)) ?? '') ?? [];
      expect({ target, kind }).toEqual({ target, kind: 'ext4' });
      const line = mounts.find((text) => text.includes(` ${target} `)) ?? options;
      expect(line).toContain('nosuid');
      expect(line).toContain('nodev');
    }
  });

  test.each(['/data', '/data/shared'])('fills %s up to there, and nobody else notices', async (folder) => {
    const filled = await ask<Filled>(daemon, 'alpha/site', 'fillUp', { input: folder });
    expect(filled.error).toBe('ENOSPC');
    expect(filled.bytes).toBeGreaterThan(9 * mebibyte);
    expect(filled.bytes).toBeLessThanOrEqual(10 * mebibyte);
    expect(await ask(daemon, 'alpha/shop', 'keep', { input: ['/data/more', 'x'.repeat(9_000)] })).toBe('ENOSPC');
    await until(async () => (await problems()).includes('TENANTD_E_DISK_FULL'), 'status says that the disk is full');
    await othersGoOn();
    // What its apps print goes on being kept.
    await ask(daemon, 'alpha/site', 'say', { input: { printed: [`printed with a full ${folder}\n`] } });
    await until(async () => (await daemon.ctl('logs', 'alpha/site')).stdout.includes(`full ${folder}`), 'the log has it');
    expect((await daemon.ctl('app', 'restart', 'alpha/shop')).code).toBe(0);
    await ask(daemon, 'alpha/site', 'unfill', { input: folder });
    await until(async () => (await problems()).length === 0, 'the problem is gone');
  });

  test.each(['/data', '/data/shared'])('makes files in %s until there are too many, and nobody else notices', async (folder) => {
    const filled = await ask<Filled>(daemon, 'alpha/site', 'fillFiles', { input: folder });
    expect(filled.error).toBe('ENOSPC');
    expect(filled.files).toBeGreaterThan(200);
    expect(filled.files).toBeLessThanOrEqual(400);
    await until(async () => (await problems()).includes('TENANTD_E_DISK_FULL'), 'status says that the disk is full');
    await othersGoOn();
    await ask(daemon, 'alpha/site', 'unfill', { input: folder });
    await until(async () => (await problems()).length === 0, 'the problem is gone');
  });

  test('has an end of its memory for /tmp and /dev/shm, too', async () => {
    for (const folder of ['/tmp', '/dev/shm']) {
      const filled = await ask<Filled>(daemon, 'alpha/site', 'fillFiles', { input: folder });
      expect(filled.error).toBe('ENOSPC');
      await ask(daemon, 'alpha/site', 'unfill', { input: folder });
    }
  });

  test('gets more, and less, while it runs', async () => {
    const pid = await pidOf(daemon, 'alpha/site');
    limit(limits('40M'));
    await until(async () => (await room()).bytes === 40 * mebibyte, 'it has 40 MiB');
    const filled = await ask<Filled>(daemon, 'alpha/site', 'fillUp', { input: '/data' });
    expect(filled.bytes).toBeGreaterThan(39 * mebibyte);
    limit(limits('10M'));
    await until(async () => (await daemon.tenant('alpha')).diskLimitBytes === 10 * mebibyte, 'it may have 10 MiB');
    expect(await room()).toMatchObject({ freeBytes: 0 });
    expect(await ask(daemon, 'alpha/site', 'keep', { input: ['/data/more', 'x'.repeat(9_000)] })).toBe('ENOSPC');
    expect((await problemsOf(daemon, 'alpha'))[0]?.message).toMatch(/^(39\d|400) % of its disk space/);
    await ask(daemon, 'alpha/site', 'unfill', { input: '/data' });
    expect((await ask<Filled>(daemon, 'alpha/site', 'fillUp', { input: '/data' })).bytes).toBeLessThanOrEqual(10 * mebibyte);
    await ask(daemon, 'alpha/site', 'unfill', { input: '/data' });
    expect(await pidOf(daemon, 'alpha/site')).toBe(pid);
  });

  test('gives back to the machine what it removes', async () => {
    const taken = (): number => statSync(imageOf(daemon, 'alpha')).blocks * 512;
    await ask(daemon, 'alpha/site', 'fillUp', { input: '/data' });
    await until(() => taken() > 9 * mebibyte, 'the image has grown');
    await ask(daemon, 'alpha/site', 'unfill', { input: '/data' });
    await ask(daemon, 'alpha/site', 'keep', { input: ['/data/kept', 'kept'] });
    await until(() => taken() < 4 * mebibyte, 'the image has shrunk');
    await until(async () => (await problemsOf(daemon, 'alpha')).length === 0, 'that was noticed');
    expect(taken()).toBeLessThan(4 * mebibyte);
  });

  test('gets more files, and room beyond what its image was made for, with its next start', async () => {
    limit(limits('200M', 3_000));
    await until(async () => (await problems()).includes('TENANTD_E_RESTART_NEEDED'), 'status says that it waits');
    expect(await ask(daemon, 'alpha/site', 'keep', { input: ['/data/kept', 'over the next start'] })).toBe('ok');
    expect(await daemon.stop()).toBe(0);
    expect(tracesOf(daemon)).toEqual([]);
    await daemon.start();
    await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
    expect((await room()).bytes).toBe(200 * mebibyte);
    expect((await room()).files).toBeGreaterThanOrEqual(3_000);
    expect(await ask(daemon, 'alpha/site', 'read', { input: ['/data/kept'] })).toEqual({
      '/data/kept': expect.stringContaining('over the next start'),
    });
    expect(await problems()).toEqual([]);
  });

  test('keeps its limit, its data and its disk over a daemon that was killed', async () => {
    const device = deviceOf(daemon, 'alpha');
    expect(await ask(daemon, 'alpha/site', 'keep', { input: ['/data/kept', 'over a killed daemon'] })).toBe('ok');
    await daemon.kill();
    expect((await room()).bytes).toBe(200 * mebibyte);
    await daemon.start();
    await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
    limit(limits('20M', 3_000));
    await until(async () => (await room()).bytes === 20 * mebibyte, 'the next daemon sets the limit');
    // Started by the next daemon, in the disk as it mounted it.
    expect((await daemon.ctl('app', 'restart', 'alpha/site')).code).toBe(0);
    expect(await ask(daemon, 'alpha/site', 'read', { input: ['/data/kept'] })).toEqual({
      '/data/kept': expect.stringContaining('over a killed daemon'),
    });
    expect(deviceOf(daemon, 'alpha')).toBe(device);
    expect(await daemon.stop()).toBe(0);
    expect(tracesOf(daemon)).toEqual([]);
  });
});

describe('a disk that had a fault', () => {
  test('is checked and mounted again, with its tenant, while requests wait', async () => {
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha', ['site'], limits('10M')) } });
    await daemon.untilApps(['alpha/site']);
    expect(await ask(daemon, 'alpha/site', 'keep', { input: ['/data/kept', 'before the fault'] })).toBe('ok');
    const pid = await pidOf(daemon, 'alpha/site');
    writeFileSync(`/sys/fs/ext4/${deviceOf(daemon, 'alpha')}/trigger_fs_error`, 'a test');
    expect(await ask(daemon, 'alpha/site', 'keep', { input: ['/data/kept', 'read-only'] })).toBe('EROFS');
    await until(() => daemon.log().includes('its disk has to be checked'), 'the daemon takes it down');
    const body = JSON.stringify({ probe: 'keep', input: ['/data/more', 'after the fault'] });
    await until(async () => {
      const { status, text } = await request(daemon.port, { host: 'alpha.test', path: '/site', method: 'POST', body });
      expect([200, 502, 503]).toContain(status);
      return text.includes('ok');
    }, 'its disk can be written again');
    expect(await ask(daemon, 'alpha/site', 'read', { input: ['/data/kept'] })).toEqual({ '/data/kept': 'read before the fault' });
    expect(await pidOf(daemon, 'alpha/site')).not.toBe(pid);
    await until(async () => (await problemsOf(daemon, 'alpha')).length === 0, 'the problem is gone');
  });
});
