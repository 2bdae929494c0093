import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { sandboxRecords } from '../support/system-processes.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const server = `
    let count = 0;
    require('node:http').createServer((incoming, response) => {
      console.log('asked for ' + incoming.url);
      if (incoming.url === '/slow') setTimeout(() => response.end('slow'), 3000);
      else response.end(JSON.stringify({ pid: process.pid, count: ++count }));
    }).listen(3000);`;

const quick: TenantFiles = {
  'tenant.yaml': 'domains: [quick.test]\nidle: 1s\n',
  'apps/site/package.json': '{"main":"server.js"}',
  'apps/site/server.js': server,
};

const mixed: TenantFiles = {
  'tenant.yaml': 'domains: [mixed.test, files.test]\n',
  'apps/node/package.json': '{"main":"server.js"}',
  'apps/node/app.yaml': 'routes: [mixed.test/]\nidle: 1s\n',
  'apps/node/server.js': "require('node:http').createServer((_, response) => response.end('node')).listen(3000);",
  'apps/files/index.html': 'files',
  'apps/files/app.yaml': 'routes: [files.test/]\nidle: 1s\n',
};

const wakeful: TenantFiles = { ...quick, 'tenant.yaml': 'domains: [wakeful.test]\nidle: never\n' };

describe('an app that nobody uses', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    const plans = 'plans: { starter: { requestsPerSecond: 0, concurrentRequests: 2000, memory: 256M } }\n';
    daemon = await startTestDaemon({ tenants: { quick, mixed, wakeful }, plans });
    await daemon.untilApps(['wakeful/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const ask = (host: string, path = '/') => request(daemon.port, { host, path });
  const untilAsleep = (tenant: string) =>
    until(async () => (await daemon.tenant(tenant)).state === 'sleeping' && !isThere(tenant), `${tenant} sleeps`);
  /** Its group is the last thing of a tenant to go. */
  const isThere = (tenant: string): boolean =>
    sandboxRecords(daemon).some(({ role }) => role.tenant === tenant) || existsSync(`${daemon.directory}/run/hosts/${tenant}`);

  test('sleeps, and leaves no process, group, mount or network behind', async () => {
    await untilAsleep('quick');
    const status = await daemon.tenant('quick');
    expect(status).toMatchObject({ state: 'sleeping', hostPid: 0, memoryBytes: 0 });
    expect(status.apps).toMatchObject([{ name: 'site', state: 'sleeping', workers: [] }]);
    expect(status.problems).toEqual([]);
  });

  test('is woken by a request, which is answered', async () => {
    await untilAsleep('quick');
    const answer = await ask('quick.test');
    expect(answer.status).toBe(200);
    expect((await daemon.app('quick', 'site')).state).toBe('running');
  });

  test('is started once for a thousand requests, all of which are answered', async () => {
    await untilAsleep('quick');
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => ask('quick.test')));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const seen = answers.map(({ text }) => JSON.parse(text) as { pid: number; count: number });
    expect(new Set(seen.map(({ count }) => count)).size).toBe(1_000);
  });

  test('does not sleep while a request is open', async () => {
    await ask('quick.test');
    expect(await ask('quick.test', '/slow')).toMatchObject({ status: 200, text: 'slow' });
  });

  test('sleeps on over a restart of the daemon, and its requests are held while that is away', async () => {
    await untilAsleep('quick');
    await daemon.kill();
    const answer = ask('quick.test');
    await daemon.start();
    expect((await answer).status).toBe(200);
    await untilAsleep('quick');
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    expect(await daemon.tenant('quick')).toMatchObject({ state: 'sleeping', hostPid: 0 });
  });

  test('sleeps beside others of its tenant that do not; static ones sleep, too', async () => {
    await until(async () => (await daemon.app('mixed', 'node')).state === 'sleeping', 'the node app sleeps');
    await untilAsleep('mixed');
    expect(await ask('files.test')).toMatchObject({ status: 200, text: 'files' });
    expect((await daemon.app('mixed', 'node')).state).toBe('sleeping');
    expect(await ask('mixed.test')).toMatchObject({ status: 200, text: 'node' });
  });

  test('has as many workers as its operator says, over restarts of the daemon, until app.yaml says it again', async () => {
    const scale = (workers: string) => daemon.ctl('app', 'scale', 'wakeful/site', workers, '--json');
    const workers = async (): Promise<number> => (await daemon.app('wakeful', 'site')).workers.length;
    expect(JSON.parse((await scale('2')).stdout)).toMatchObject({ workers: { min: 2, max: 2 } });
    expect(await workers()).toBe(2);
    await daemon.kill();
    await daemon.start();
    expect(await workers()).toBe(2);
    expect(JSON.parse((await scale('auto')).stdout)).toMatchObject({ workers: { min: 1, max: 1 } });
    expect(await workers()).toBe(1);
    expect((await scale('0')).code).toBe(2);
  });

  test('that is never to sleep stays', async () => {
    expect((await daemon.app('wakeful', 'site')).state).toBe('running');
  });

  test('shows what it printed, and runs a command, while it sleeps', async () => {
    await untilAsleep('quick');
    const logs = await daemon.ctl('logs', 'quick/site', '-n', '5');
    expect(logs.stdout).toContain('asked for /');
    await untilAsleep('quick');
    expect((await daemon.ctl('exec', 'quick', '--', 'echo', 'hello')).stdout).toBe('hello\n');
    expect((await daemon.app('quick', 'site')).state).toBe('sleeping');
    await untilAsleep('quick');
  });

  test('is woken by a start and a restart', async () => {
    await untilAsleep('quick');
    expect((await daemon.ctl('app', 'restart', 'quick/site')).code).toBe(0);
    await untilAsleep('quick');
    expect((await daemon.ctl('app', 'start', 'quick/site')).code).toBe(0);
  });

  test('serves what is in its folder by then', async () => {
    await untilAsleep('quick');
    writeFileSync(`${daemon.tenantsDir}/quick/apps/site/server.js`, server.replace('count:', 'other:'));
    expect(JSON.parse((await ask('quick.test')).text)).toMatchObject({ other: 1 });
  });
});
