import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const app = (body: string): TenantFiles => ({ 'apps/site/package.json': '{ "main": "server.js" }', 'apps/site/server.js': body });
const hello = `require('node:http').createServer((request, response) => {
  if (request.url === '/slow') setTimeout(() => response.end('slow'), 1500);
  else if (request.url === '/exit') process.exit(3);
  else response.end('hello');
}).listen(3000);`;

describe('supervision', () => {
  let daemon: TestDaemon;
  const host = 'steady.test';
  const ask = (path = '/') => request(daemon.port, { host, path });
  const workerPid = async (): Promise<number> => (await daemon.app('steady', 'site')).workers[0]?.pid ?? 0;

  beforeAll(async () => {
    daemon = await startTestDaemon({
      tenants: {
        steady: { 'tenant.yaml': 'domains: [steady.test]\n', ...app(hello) },
        exits: { 'tenant.yaml': 'domains: [exits.test]\n', ...app(`console.log('about to give up'); process.exit(7);`) },
        silent: {
          'tenant.yaml': 'domains: [silent.test]\n',
          ...app(`console.log('thinking'); setInterval(() => {}, 1000);`),
          'apps/site/app.yaml': 'startTimeout: 1s\ndrain: 1s\n',
        },
        stubborn: {
          'tenant.yaml': 'domains: [stubborn.test]\n',
          ...app(`process.on('SIGTERM', () => console.log('no')); ${hello}`),
          'apps/site/app.yaml': 'drain: 500ms\n',
        },
        pages: { 'tenant.yaml': 'domains: [pages.test]\n', 'apps/site/public/index.html': 'a page' },
        flood: { 'tenant.yaml': 'domains: [flood.test]\n', ...app(`setInterval(() => console.log('x'.repeat(9000)), 1); ${hello}`) },
      },
    });
    await daemon.untilApps(['steady/site', 'stubborn/site', 'flood/site', 'pages/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('an app that ends at once fails with its code and its last words, and is tried again later', async () => {
    await daemon.untilApps(['exits/site'], 'failed');
    const site = await daemon.app('exits', 'site');
    expect(site.reason).toMatch(/exited with code 7/);
    expect(site.lastLines).toContain('about to give up');
    await until(async () => (await daemon.app('exits', 'site')).restarts >= 2, 'it is tried again');
    await until(async () => (await daemon.app('exits', 'site')).nextTryAt !== undefined, 'the next try is told');
    expect((await request(daemon.port, { host: 'exits.test' })).status).toBe(502);
  });

  test('an app that never listens fails with that reason', async () => {
    await until(async () => (await daemon.app('silent', 'site')).reason?.includes('did not listen') ?? false, 'the reason is told');
    expect((await daemon.app('silent', 'site')).lastLines).toContain('thinking');
  });

  test('a worker that dies is back, and the next request is answered', async () => {
    const before = await workerPid();
    process.kill(before, 'SIGKILL');
    await until(async () => ![0, before].includes(await workerPid()), 'another worker');
    await until(async () => (await ask()).status === 200, 'it answers');
    expect((await daemon.app('steady', 'site')).restarts).toBeGreaterThanOrEqual(1);
  });

  test('a killed tenant host harms no request, and the next one takes the workers up', async () => {
    const { hostPid } = await daemon.tenant('steady');
    const before = await workerPid();
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host, expected: 'hello' }], workers: 4 });
    const slow = ask('/slow');
    process.kill(hostPid, 'SIGKILL');
    await until(async () => ![0, hostPid].includes((await daemon.tenant('steady')).hostPid), 'another host');
    await until(async () => (await daemon.tenant('steady')).state === 'running', 'it is configured');
    expect((await slow).text).toBe('slow');
    expect((await load.stop()).failures).toEqual([]);
    expect(await workerPid()).toBe(before);
    process.kill(before, 'SIGKILL');
    await until(async () => ![0, before].includes(await workerPid()), 'the new host restarts the worker');
    await until(async () => (await ask()).status === 200, 'it answers');
  });

  test('what a killed tenant host served itself waits for the next one', async () => {
    const { hostPid } = await daemon.tenant('pages');
    process.kill(hostPid, 'SIGKILL');
    await until(async () => ![0, hostPid].includes((await daemon.tenant('pages')).hostPid), 'another host');
    expect((await request(daemon.port, { host: 'pages.test' })).text).toBe('a page');
  });

  test('a killed edge is back within the same listening socket', async () => {
    const [edge] = (await daemon.status()).edge.processes;
    process.kill(edge?.pid ?? 0, 'SIGKILL');
    await until(() => !existsSync(`/proc/${edge?.pid}`), 'it is gone');
    expect((await ask()).text).toBe('hello');
    await until(async () => (await daemon.status()).edge.processes.some(({ pid }) => pid !== edge?.pid), 'another edge');
  });

  test('a killed edge master is back, and what waited at its socket is answered', async () => {
    const [edge] = (await daemon.status()).edge.processes;
    const master = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${edge?.pid}/status`, 'utf8'))?.[1]);
    process.kill(master, 'SIGKILL');
    await until(async () => (await daemon.status()).edge.processes.some(({ pid }) => pid !== edge?.pid), 'another edge');
    expect((await ask()).text).toBe('hello');
  });

  test('a restart replaces the worker without a failed request', async () => {
    const before = await workerPid();
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host, expected: 'hello' }], workers: 4 });
    const slow = ask('/slow');
    expect(await daemon.ctl('app', 'restart', 'steady/site')).toMatchObject({ code: 0 });
    expect((await slow).text).toBe('slow');
    expect((await load.stop()).failures).toEqual([]);
    expect(await workerPid()).not.toBe(before);
  });

  test('an app is stopped and started: 503 in between, whatever it thinks of SIGTERM', async () => {
    expect(await daemon.ctl('app', 'stop', 'stubborn/site')).toMatchObject({ code: 0 });
    const stopped = await request(daemon.port, { host: 'stubborn.test' });
    expect(stopped.status).toBe(503);
    expect(await daemon.app('stubborn', 'site')).toMatchObject({ state: 'stopped', workers: [] });
    expect(await daemon.ctl('app', 'start', 'stubborn/site')).toMatchObject({ code: 0 });
    expect((await request(daemon.port, { host: 'stubborn.test' })).text).toBe('hello');
  });

  test('an app that floods its output goes on answering, and so do others', async () => {
    expect((await request(daemon.port, { host: 'flood.test' })).text).toBe('hello');
    expect((await ask()).text).toBe('hello');
    const { stdout } = await daemon.ctl('logs', '--json', '-n', '5', 'flood/site');
    expect((JSON.parse(stdout) as { lines: unknown[] }).lines).toHaveLength(5);
  });

  test('a daemon that is killed harms no request, and the next one takes everything up', async () => {
    const before = await daemon.tenant('steady');
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host, expected: 'hello' }], workers: 4 });
    await daemon.kill();
    expect((await ask()).text).toBe('hello');
    await daemon.start();
    await until(async () => (await daemon.tenant('steady')).state === 'running', 'the tenant runs');
    expect((await load.stop()).failures).toEqual([]);
    const after = await daemon.tenant('steady');
    expect([after.hostPid, after.apps[0]?.workers[0]?.pid]).toEqual([before.hostPid, before.apps[0]?.workers[0]?.pid]);
    expect(await daemon.ctl('app', 'restart', 'steady/site')).toMatchObject({ code: 0 });
    expect((await ask()).text).toBe('hello');
  });
});
