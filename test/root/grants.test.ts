import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { deviceOf } from './disk-support.ts';
import { ask, pidOf, probeApp } from './probe.ts';

interface Called {
  status?: number;
  text?: string;
  error?: string;
}

const host = 'site.acme.internal';
const httpGrant = '{ to: globex, app: site, access: http }';
const readGrant = '{ to: globex, path: /data/shared, access: read }';

function tenantYaml(tenant: string, grants: readonly string[] = []): string {
  return `domains: [${tenant}.test]\ngrants: [${grants.join(', ')}]\n`;
}

function tenantWith(tenant: string, grants: readonly string[] = []): TenantFiles {
  return {
    'tenant.yaml': tenantYaml(tenant, grants),
    ...probeApp('site', { lines: `routes: ["${tenant}.test/"]\n` }),
    ...probeApp('other', { lines: `routes: ["${tenant}.test/other"]\n` }),
  };
}

describe('a grant', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    const tenants = { acme: tenantWith('acme', [httpGrant, readGrant]), globex: tenantWith('globex'), hooli: tenantWith('hooli') };
    daemon = await startTestDaemon({ tenants });
    await daemon.untilApps(['acme/site', 'acme/other', 'globex/site', 'globex/other', 'hooli/site']);
    await ask(daemon, 'acme/site', 'write', { input: { '/data/shared/prices.txt': 'ten' } });
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const call = (from: string, input: object): Promise<Called> => ask<Called>(daemon, from, 'callThrough', { input });
  const setGrants = async (grants: readonly string[]): Promise<void> => {
    writeFileSync(`${daemon.tenantsDir}/acme/tenant.yaml`, tenantYaml('acme', grants));
    expect((await daemon.ctl('reload')).code).toBe(0);
  };
  const readShared = async (from: string): Promise<string | undefined> => {
    const path = '/shared/acme/prices.txt';
    return (await ask<Record<string, string>>(daemon, from, 'read', { input: [path] }))[path];
  };

  test('of an app lets the other tenant call it, which sees who calls', async () => {
    const body = JSON.stringify({ probe: 'alive' });
    for (const from of ['globex/site', 'globex/other']) {
      await until(async () => (await call(from, { host, method: 'POST', body })).status === 200, `${from} calls`);
    }
    expect(await call('globex/site', { host: 'other.acme.internal' })).toMatchObject({ status: 403 });
    expect(await call('globex/site', { host: 'site.hooli.internal' })).toMatchObject({ status: 403 });
    expect(await call('hooli/site', { host })).toEqual({ error: 'ENOENT' });
    expect(await call('acme/other', { host })).toEqual({ error: 'ENOENT' });
    const clients = async (): Promise<string[]> => {
      const { stdout } = await daemon.ctl('logs', '--access', 'acme', '--json');
      return (JSON.parse(stdout) as { lines: { client: string }[] }).lines.map(({ client }) => client);
    };
    // Access logs are written once a second.
    await until(async () => (await clients()).includes('globex/other'), 'the calls are logged');
    expect(new Set(await clients())).toEqual(new Set(['globex/site', 'globex/other']));
  });

  test('is shown with its use', async () => {
    const shown = async () => (JSON.parse((await daemon.ctl('grants', '--json')).stdout) as { grants: { requests?: number }[] }).grants;
    await until(async () => ((await shown())[0]?.requests ?? 0) >= 2, 'the use is counted');
    expect(await shown()).toMatchObject([
      { tenant: 'acme', to: 'globex', app: 'site', access: 'http', isThere: true },
      { tenant: 'acme', to: 'globex', path: '/data/shared', access: 'read', isThere: true },
    ]);
    expect((await daemon.ctl('grants', 'hooli')).stdout).toBe('Nothing crosses between tenants: there are no grants.\n');
    const { stdout } = await daemon.ctl('grants', 'globex');
    expect(stdout).toMatch(/acme\/site +globex +http +\d+/);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('of a directory lets the other tenant read it, and no more', async () => {
    for (const from of ['globex/site', 'globex/other']) {
      await until(async () => (await readShared(from)) === 'read ten', `${from} reads`);
      const attempts = { '/shared/acme/prices.txt': 'x', '/shared/acme/new.txt': 'x', '/shared/new': 'x' };
      const written = await ask<Record<string, string>>(daemon, from, 'write', { input: attempts });
      expect(written).toEqual(Object.fromEntries(Object.keys(attempts).map((path) => [path, 'EROFS'])));
    }
    expect(await readShared('hooli/site')).toBe('ENOENT');
    const beyond = ['/shared/acme/../../data/secret', '/shared/acme/..', '/shared'];
    expect(await ask(daemon, 'globex/site', 'list', { input: beyond.slice(2) })).toEqual({ '/shared': ['acme'] });
  });

  test('of a directory lets nobody use sockets and FIFOs in it', async () => {
    const [socket, fifo] = ['socket.sock', 'fifo'];
    expect(await ask(daemon, 'acme/site', 'listen', { input: `/data/shared/${socket}` })).toBe('ok');
    expect(await ask(daemon, 'acme/site', 'openToAll', { input: { socket: `/data/shared/${socket}`, fifo: `/data/shared/${fifo}` } })).toBe(
      'ok',
    );
    expect(await ask(daemon, 'acme/other', 'connect', { input: `/data/shared/${socket}` })).toBe('ok from a sandbox');
    expect(await ask(daemon, 'globex/site', 'connect', { input: `/shared/acme/${socket}` })).toBe('EACCES');
    const written = await ask(daemon, 'globex/site', 'writeToFifo', { input: `/shared/acme/${fifo}` });
    expect(written).toBe('EACCES');
  });

  test('that is taken back ends at once, in what runs already', async () => {
    const before = await pidOf(daemon, 'globex/site');
    // It does not end by itself for a while: what it could reach is taken out of it all the same.
    const stuck = ask(daemon, 'globex/site', 'readUntilGone', { input: '/shared/acme/prices.txt', timeoutMs: 30_000 });
    await setGrants([]);
    expect(await stuck).toBe('ENOENT');
    expect(await call('globex/site', { host })).toMatchObject({ error: 'ENOENT' });
    await until(async () => (await pidOf(daemon, 'globex/site')) !== before, 'its worker is replaced');
    expect(await readShared('globex/site')).toBe('ENOENT');
    await setGrants([httpGrant, readGrant]);
    await until(async () => (await readShared('globex/site')) === 'read ten', 'it reads again');
    await until(async () => (await call('globex/site', { host, method: 'POST' })).status === 200, 'it calls again');
  });

  test('of a directory keeps nobody from mending the disk that it lies on, and comes back with it', async () => {
    const before = await pidOf(daemon, 'globex/site');
    writeFileSync(`/sys/fs/ext4/${deviceOf(daemon, 'acme')}/trigger_fs_error`, 'a test');
    await until(() => daemon.log().includes('its disk has to be checked'), 'the daemon takes it down');
    const write = (): Promise<Record<string, string>> =>
      ask<Record<string, string>>(daemon, 'acme/site', 'write', { input: { '/data/shared/prices.txt': 'ten' } });
    // While a worker is replaced, nobody answers.
    await until(async () => Object.values(await write().catch(() => ({}))).includes('ok'), 'its disk can be written again');
    await until(async () => (await readShared('globex/site').catch(() => '')) === 'read ten', 'it is read again');
    expect(await pidOf(daemon, 'globex/site')).not.toBe(before);
    await until(async () => (await daemon.tenant('acme')).problems.length === 0, 'the problem is gone');
  });

  test('survives the daemon, which restarts nothing for it', async () => {
    const before = await pidOf(daemon, 'globex/site');
    await daemon.kill();
    expect(await call('globex/site', { host, method: 'POST' })).toMatchObject({ status: 200 });
    await daemon.start();
    expect((await daemon.ctl('reload')).code).toBe(0);
    expect(await pidOf(daemon, 'globex/site')).toBe(before);
    expect(await readShared('globex/site')).toBe('read ten');
  });

  test.each([
    ['another path', '{ to: globex, path: /data/shared/../home, access: read }'],
    ['writing', '{ to: globex, path: /data/shared, access: write }'],
    ['an app and a path', '{ to: globex, app: site, path: /data/shared, access: read }'],
  ])('of %s is refused, and the last good ones stay', async (_, grant) => {
    writeFileSync(`${daemon.tenantsDir}/acme/tenant.yaml`, tenantYaml('acme', [grant]));
    await daemon.ctl('reload');
    expect((await daemon.tenant('acme')).problems.map(({ code }) => code)).toContain('TENANTD_E_INVALID_VALUE');
    expect(await readShared('globex/site')).toBe('read ten');
  });
});
