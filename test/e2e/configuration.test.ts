import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const app = (name: string): TenantFiles => ({
  [`apps/${name}/package.json`]: '{ "main": "server.js" }',
  [`apps/${name}/server.js`]: `require('node:http').createServer((request, response) => response.end('${name} ' + (process.env.GREETING ?? ''))).listen(3000);`,
});

describe('a change on disk', () => {
  let daemon: TestDaemon;
  const textOf = async (host: string, path = '/'): Promise<string> => (await request(daemon.port, { host, path })).text;
  const statusOf = async (host: string, path = '/'): Promise<number> => (await request(daemon.port, { host, path })).status;
  const pidsOf = async (name: string): Promise<number[]> => {
    const tenant = await daemon.tenant(name);
    return [tenant.hostPid, ...tenant.apps.flatMap(({ workers }) => workers.map(({ pid }) => pid))];
  };
  const codesOf = async (name: string): Promise<string[]> => (await daemon.tenant(name)).problems.map(({ code }) => code);

  beforeAll(async () => {
    daemon = await startTestDaemon({
      tenants: {
        first: { 'tenant.yaml': 'domains: [first.test]\n', ...app('site') },
        second: { 'tenant.yaml': 'domains: [second.test]\n', ...app('site') },
        never: { 'tenant.yaml': 'domains: {', ...app('site') },
      },
    });
    await daemon.untilApps(['first/site', 'second/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('a tenant that never had a good file runs nothing and says why', async () => {
    expect(await daemon.tenant('never')).toMatchObject({ state: 'failed', hostPid: 0, apps: [], problems: [{ code: 'TENANTD_E_YAML' }] });
  });

  test('a domain that another tenant had first stays with it, and is a problem of the later one only', async () => {
    daemon.writeTenant('second', { 'tenant.yaml': 'domains: [second.test, first.test]\n' });
    await until(async () => (await codesOf('second')).includes('TENANTD_E_DOMAIN_TAKEN'), 'the problem is told');
    expect(await textOf('first.test')).toBe('site ');
    expect(await codesOf('first')).toEqual([]);
    daemon.writeTenant('second', { 'tenant.yaml': 'domains: [second.test]\n' });
    await until(async () => (await codesOf('second')).length === 0, 'the problem is gone');
  });

  test('an app.yaml takes effect within running requests, and touches no other tenant', async () => {
    const others = await pidsOf('second');
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host: 'second.test', expected: 'site ' }], workers: 2 });
    daemon.writeTenant('first', { 'apps/site/app.yaml': 'env: { GREETING: hello }\n' });
    await until(async () => (await textOf('first.test')) === 'site hello', 'the new environment is there');
    expect((await load.stop()).failures).toEqual([]);
    expect(await pidsOf('second')).toEqual(others);
  });

  test('limits of requests count at once, and touch no process', async () => {
    const before = await pidsOf('first');
    const post = async (): Promise<number> =>
      (await request(daemon.port, { host: 'first.test', method: 'POST', body: 'x'.repeat(2_000) })).status;
    expect(await post()).toBe(200);
    daemon.writeTenant('first', { 'tenant.yaml': 'domains: [first.test]\nlimits: { bodySize: 1K, uriSize: 1K }\n' });
    await until(async () => (await post()) === 413, 'a body over its limit is refused');
    expect(await statusOf('first.test', `/${'x'.repeat(1_100)}`)).toBe(414);
    daemon.writeTenant('first', { 'tenant.yaml': 'domains: [first.test]\n' });
    await until(async () => (await post()) === 200, 'the limits of the plan count again');
    expect(await pidsOf('first')).toEqual(before);
    expect(await codesOf('first')).toEqual([]);
  });

  test('a broken app.yaml changes nothing but the problems', async () => {
    const before = await pidsOf('first');
    daemon.writeTenant('first', { 'apps/site/app.yaml': 'env: { GREETING: hello }\nworkers: many\n' });
    await until(async () => (await codesOf('first')).length > 0, 'the problem is told');
    expect((await daemon.tenant('first')).problems[0]).toMatchObject({ code: 'TENANTD_E_INVALID_VALUE', line: 2, app: 'site' });
    expect(await textOf('first.test')).toBe('site hello');
    expect(await pidsOf('first')).toEqual(before);
    daemon.writeTenant('first', { 'apps/site/app.yaml': 'env: { GREETING: hello }\n' });
    await until(async () => (await codesOf('first')).length === 0, 'the problem is gone');
  });

  test('an app comes and goes with its folder', async () => {
    daemon.writeTenant('first', { ...app('blog'), 'apps/blog/app.yaml': 'routes: ["first.test/blog"]\n' });
    await until(async () => (await textOf('first.test', '/blog/1')) === 'blog ', 'the new app answers');
    expect(await textOf('first.test')).toBe('site hello');
    rmSync(`${daemon.tenantsDir}/first/apps/blog`, { recursive: true });
    await until(async () => (await textOf('first.test', '/blog/1')) === 'site hello', 'its path is the other app’s again');
  });

  test('a folder put in place of another is another app to run', async () => {
    daemon.writeTenant('first', {
      'new/package.json': '{ "main": "server.js" }',
      'new/server.js': app('fresh')['apps/fresh/server.js'] ?? '',
    });
    renameSync(`${daemon.tenantsDir}/first/apps/site`, `${daemon.tenantsDir}/first/old`);
    renameSync(`${daemon.tenantsDir}/first/new`, `${daemon.tenantsDir}/first/apps/site`);
    await until(async () => (await textOf('first.test')) !== 'site hello', 'the new code answers');
    expect(await textOf('first.test')).toBe('fresh ');
  });

  test('an empty, half-written or missing tenant.yaml keeps the last good version, also over a restart', async () => {
    for (const text of ['', 'domains: [first.te', 'domains: 7\n']) {
      daemon.writeTenant('first', { 'tenant.yaml': text });
      await until(async () => (await codesOf('first')).length > 0, 'the problem is told');
      expect(await textOf('first.test')).toBe('fresh ');
      daemon.writeTenant('first', { 'tenant.yaml': 'domains: [first.test]\n' });
      await until(async () => (await codesOf('first')).length === 0, 'the problem is gone');
    }
    rmSync(`${daemon.tenantsDir}/first/tenant.yaml`);
    await until(async () => (await codesOf('first')).includes('TENANTD_E_FILE_MISSING'), 'the problem is told');
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    await daemon.untilApps(['first/site', 'second/site']);
    expect(await textOf('first.test')).toBe('fresh ');
    daemon.writeTenant('first', { 'tenant.yaml': 'domains: [first.test]\n' });
    await until(async () => (await codesOf('first')).length === 0, 'the problem is gone');
  });

  test('when the folder of all tenants vanishes, everybody keeps answering', async () => {
    renameSync(daemon.tenantsDir, `${daemon.tenantsDir}.away`);
    await until(async () => (await daemon.status()).problems.length > 0, 'the problem is told');
    expect((await daemon.ctl('reload')).code).toBe(0);
    expect([await textOf('first.test'), await textOf('second.test')]).toEqual(['fresh ', 'site ']);
    renameSync(`${daemon.tenantsDir}.away`, daemon.tenantsDir);
    await until(async () => (await daemon.status()).problems.length === 0, 'the problem is gone');
    expect([await textOf('first.test'), await textOf('second.test')]).toEqual(['fresh ', 'site ']);
  });

  test('a broken tenantd.yaml harms nobody, and says where it is broken', async () => {
    const good = readFileSync(daemon.configFile, 'utf8');
    writeFileSync(daemon.configFile, `${good}\nplanz: {}\n`);
    await until(async () => (await daemon.status()).problems.some(({ code }) => code === 'TENANTD_E_UNKNOWN_KEY'), 'the problem is told');
    expect(await textOf('second.test')).toBe('site ');
    writeFileSync(daemon.configFile, good);
    await until(async () => (await daemon.status()).problems.length === 0, 'the problem is gone');
  });

  test('a tenant whose folder is gone answers 421, and comes back with its data', async () => {
    const { uid } = await daemon.tenant('second');
    renameSync(`${daemon.tenantsDir}/second`, `${daemon.directory}/second.away`);
    await until(async () => (await statusOf('second.test')) === 421, 'it is out of service');
    await until(async () => !(await daemon.status()).tenants.some(({ name }) => name === 'second'), 'it is gone');
    renameSync(`${daemon.directory}/second.away`, `${daemon.tenantsDir}/second`);
    await until(async () => (await textOf('second.test')) === 'site ', 'it answers again');
    expect((await daemon.tenant('second')).uid).toBe(uid);
  });
});
