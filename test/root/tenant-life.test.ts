import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TenantListEntry, TenantListResult } from '../../src/protocol/tenant-calls.ts';
import { request } from '../support/client.ts';
import { setSecret } from '../support/set-secret.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { askSecurely, processesAs, tracesOf, uidsOf } from './life-support.ts';
import { answering, deploy } from './release-support.ts';
import { exec } from './shell-support.ts';

const name = 'leaver';
const host = `${name}.test`;
const appFiles = {
  'server.js': `require('node:http').createServer((request, response) => {
    if (request.url !== '/slow') return response.end('here');
    response.write('begun');
    setTimeout(() => response.end(', done'), 700);
  }).listen(3000);`,
};

describe("a tenant's life", () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    const neighbour = { 'tenant.yaml': 'domains: [stays.test]\ntls: { redirect: false }\n', 'apps/site/server.js': appFiles['server.js'] };
    daemon = await startTestDaemon({
      https: true,
      config: 'shells: { record: true }',
      tenants: { stays: { ...neighbour, 'apps/site/package.json': '{ "main": "server.js" }' } },
    });
    await daemon.untilApps(['stays/site']);
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const ask = (path = '/', at = host) => request(daemon.port, { host: at, path });
  const untilStatus = (status: number) => until(async () => (await ask()).status === status, `an answer ${status}`, 30_000);
  async function succeed(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await daemon.ctl(...args);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  async function fail(...args: string[]): Promise<string> {
    const { code, stderr } = await daemon.ctl(...args);
    expect(code).not.toBe(0);
    return stderr;
  }

  async function listed(tenant = name): Promise<TenantListEntry | undefined> {
    const { tenants } = JSON.parse(await succeed('tenant', 'list', '--json')) as TenantListResult;
    return tenants.find((entry) => entry.name === tenant);
  }

  test('what can be known to be wrong with a new one is said, and changes nothing', async () => {
    const create = (...args: string[]) => fail('tenant', 'create', ...args);
    expect(await create('stays', '--domain', 'new.test')).toContain('TENANTD_E_TENANT_EXISTS');
    expect(await create('Bad', '--domain', 'new.test')).toContain('TENANTD_E_BAD_NAME');
    expect(await create('new', '--domain', 'stays.test')).toContain('TENANTD_E_DOMAIN_TAKEN');
    expect(await create('new', '--domain', 'new.test', 'NEW.test')).toContain('TENANTD_E_DUPLICATE_DOMAIN');
    expect(await create('new', '--domain', 'no host')).toContain('TENANTD_E_BAD_DOMAIN');
    expect(await create('new', '--domain', 'new.test', '--plan', 'huge')).toContain('TENANTD_E_UNKNOWN_PLAN');
    expect(await create('new', '--domain', 'new.test', '--set', 'a=b')).toContain('TENANTD_E_INVALID_REQUEST');
    expect(await listed('new')).toBeUndefined();
    expect(existsSync(`${daemon.tenantsDir}/new`)).toBe(false);
  });

  test('it is created, and served, with certificates', async () => {
    await succeed('tenant', 'create', name, '--domain', host, '--plan', 'starter');
    appendFileSync(`${daemon.tenantsDir}/${name}/tenant.yaml`, 'branding: { name: "Leaver & Sons" }\ntls: { redirect: false }\n');
    await succeed('reload');
    await untilStatus(404);
    expect((await deploy(daemon, `${name}/site`, { ...answering('ignored'), ...appFiles })).code).toBe(0);
    expect(await ask()).toMatchObject({ status: 200, text: 'here' });
    expect((await setSecret(daemon, `${name}/site`, 'KEY', 'value')).code).toBe(0);
    await exec(daemon, `${name}/site`, 'echo kept > /data/file');
    await until(async () => (await askSecurely(daemon, host, 'h2').catch(() => undefined))?.status === 200, 'https answers', 30_000);
    expect((await listed())?.state).toBe('running');
  });

  test('suspended, its visitors get a page, over every protocol, and nothing of it runs', async () => {
    const { fingerprint } = await askSecurely(daemon, host, 'h2');
    await succeed('tenant', 'suspend', name, '--reason', 'not paid');
    for (const answer of [
      await ask(),
      await ask('/any', host),
      await askSecurely(daemon, host, 'h2'),
      await askSecurely(daemon, host, 'http/1.1'),
    ]) {
      expect(answer.status).toBe(503);
      expect(answer.text).toContain('Leaver &amp; Sons');
      expect(answer.text).not.toContain('not paid');
      expect(answer.headers['retry-after']).toBeUndefined();
    }
    expect((await askSecurely(daemon, host, 'h2')).fingerprint).toBe(fingerprint);
    expect(processesAs(uidsOf(daemon, name))).toEqual([]);
    const shown = await daemon.tenant(name);
    expect(shown).toMatchObject({ state: 'suspended', mark: { state: 'suspended', by: 'operator', reason: 'not paid' } });
    expect(shown.apps[0]).toMatchObject({ state: 'stopped', workers: [] });
  });

  test('nothing wakes it: a deploy, a shell, a restart and a schedule are refused', async () => {
    expect((await deploy(daemon, `${name}/site`, answering('new'))).stderr).toContain('TENANTD_E_SUSPENDED');
    expect(await fail('app', 'restart', `${name}/site`)).toContain('TENANTD_E_SUSPENDED');
    expect(await fail('exec', name, '--', 'true')).toContain('TENANTD_E_SUSPENDED');
    expect(await fail('app', 'rollback', `${name}/site`)).toContain('TENANTD_E_SUSPENDED');
    expect(processesAs(uidsOf(daemon, name))).toEqual([]);
  });

  test('it stays suspended over a killed daemon, and while its files are broken', async () => {
    await daemon.kill();
    expect((await ask()).status).toBe(503);
    await daemon.start();
    const file = `${daemon.tenantsDir}/${name}/tenant.yaml`;
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, 'domains: [');
    await succeed('reload');
    expect((await ask()).status).toBe(503);
    expect((await daemon.tenant(name)).state).toBe('suspended');
    writeFileSync(file, good);
    await succeed('tenant', 'resume', name);
    expect(await ask()).toMatchObject({ status: 200, text: 'here' });
  });

  test('what is open is finished before it is suspended', async () => {
    const answer = new Promise<string>((resolve, reject) => {
      const sent = http.get({ port: daemon.port, host: '127.0.0.1', path: '/slow', headers: { host }, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          // The app has it by now.
          if (text === '') daemon.ctl('tenant', 'suspend', name).catch(reject);
          text += chunk.toString();
        });
        response.on('end', () => resolve(text));
      });
      sent.on('error', reject);
    });
    expect(await answer).toBe('begun, done');
    await until(() => processesAs(uidsOf(daemon, name)).length === 0, 'nothing of it runs');
    await succeed('tenant', 'resume', name);
  });

  test('removed, it is out of service at once, and its data, name and domains are kept', async () => {
    await succeed('tenant', 'remove', name);
    await untilStatus(421);
    await daemon.kill();
    await daemon.start();
    expect((await ask()).status).toBe(421);
    const entry = await listed();
    expect(entry).toMatchObject({ state: 'removing', plan: 'starter', domains: 1, mark: { state: 'removing', by: 'operator' } });
    expect(Date.parse(entry?.mark?.until ?? '') - Date.parse(entry?.mark?.since ?? '')).toBe(7 * 86_400_000);
    expect(await fail('tenant', 'create', 'thief', '--domain', host)).toContain('TENANTD_E_DOMAIN_TAKEN');
    expect(await fail('tenant', 'create', name, '--domain', 'other.test')).toContain('TENANTD_E_TENANT_EXISTS');
    expect(await fail('app', 'restart', `${name}/site`)).toContain('TENANTD_E_SUSPENDED');
    expect(processesAs(uidsOf(daemon, name))).toEqual([]);
  });

  test('until then it can be had back, with all that it had', async () => {
    await succeed('tenant', 'resume', name);
    expect(await ask()).toMatchObject({ status: 200, text: 'here' });
    expect(await exec(daemon, `${name}/site`, 'cat /data/file')).toBe('kept\n');
    await until(async () => (await askSecurely(daemon, host, 'h2').catch(() => undefined))?.status === 200, 'https answers');
  });

  test('deleted, nothing of it is left, and a new one of its name has nothing of it', async () => {
    const before = uidsOf(daemon, name);
    const pids = (await daemon.app('stays', 'site')).workers.map(({ pid }) => pid);
    expect(await fail('tenant', 'remove', name, '--now')).toContain('--yes');
    await succeed('tenant', 'remove', name, '--now', '--yes');
    expect(tracesOf(daemon, name)).toEqual([]);
    expect((await ask()).status).toBe(421);
    expect((await ask('/', 'stays.test')).text).toBe('here');
    expect((await daemon.app('stays', 'site')).workers.map(({ pid }) => pid)).toEqual(pids);
    await succeed('tenant', 'create', name, '--domain', host);
    expect((await deploy(daemon, `${name}/site`, { ...answering('ignored'), ...appFiles })).code).toBe(0);
    const after = uidsOf(daemon, name);
    expect(after.length).toBeGreaterThan(0);
    expect(after.filter((uid) => before.includes(uid))).toEqual([]);
    expect(await exec(daemon, `${name}/site`, 'ls /data')).not.toContain('file');
    await daemon.kill();
    await daemon.start();
    expect(uidsOf(daemon, name)).toEqual(after);
  });

  test('one whose folder was taken away by hand can be deleted as well', async () => {
    rmSync(`${daemon.tenantsDir}/${name}`, { recursive: true });
    await until(async () => (await listed()) === undefined, 'it is gone');
    expect(await fail('tenant', 'create', name, '--domain', host)).toContain('TENANTD_E_TENANT_EXISTS');
    await succeed('tenant', 'remove', name, '--now', '--yes');
    expect(tracesOf(daemon, name)).toEqual([]);
    expect(await fail('tenant', 'remove', name, '--now', '--yes')).toContain('TENANTD_E_NO_SUCH_TENANT');
    // All of it is on record, and no secret.
    const { stdout } = await daemon.ctl('audit', '--tenant', name, '--json');
    for (const action of ['create', 'suspend', 'resume', 'remove', 'purge']) expect(stdout).toContain(`tenant-${action}`);
    expect(stdout).not.toContain('"value"');
  });
});
