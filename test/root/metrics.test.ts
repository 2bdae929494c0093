import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { type MetricSample, parseMetrics } from '../support/metrics-text.ts';
import { sandboxRecords } from '../support/system-processes.ts';
import { prepareTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const site = {
  'apps/site/server.js': `require('node:http').createServer((request, response) => response.writeHead(request.url === '/gone' ? 404 : 200).end('hello')).listen(80);`,
  'apps/site/package.json': '{ "main": "server.js" }',
};
const tenantYaml = (name: string): string => `domains: [${name}.test]\n`;

let daemon: TestDaemon;
let socketPath: string;

beforeAll(async () => {
  const tenants = { acme: { 'tenant.yaml': tenantYaml('acme'), ...site }, globex: { 'tenant.yaml': tenantYaml('globex'), ...site } };
  daemon = await prepareTestDaemon({ tenants });
  socketPath = `${daemon.directory}/metrics.sock`;
  appendFileSync(daemon.configFile, `\nmetrics: { listen: "unix:${socketPath}" }\n`);
  await daemon.start();
  await daemon.untilApps(['acme/site', 'globex/site']);
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

function ask(path: string, method = 'GET'): Promise<{ status: number; type: string; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; type: string; text: string }>();
  const sent = http.request({ socketPath, path, method, agent: false }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text }));
  });
  sent.on('error', reject).end();
  return promise;
}

const valueOf = (samples: readonly MetricSample[], name: string, labels: Record<string, string>): number | undefined =>
  samples.find((sample) => sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels[label] === text))?.value;

const metricsPid = (): number => sandboxRecords(daemon).find(({ role }) => role.role === 'metrics')?.reaper.pid ?? 0;

describe('GET /metrics', () => {
  test('is what Prometheus takes, with labels of what is configured alone', async () => {
    for (const path of ['/', '/', '/gone']) await request(daemon.port, { host: 'acme.test', path });
    await request(daemon.port, { host: 'stranger.test', path: '/' });
    const read = async (): Promise<MetricSample[]> => parseMetrics((await ask('/metrics')).text);
    const labels = { tenant: 'acme', app: 'site', code: '2xx' };
    await until(async () => valueOf(await read(), 'tenantd_requests_total', labels) === 2, 'the requests are counted');
    const { status, type, text } = await ask('/metrics');
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    const samples = parseMetrics(text);
    expect(valueOf(samples, 'tenantd_requests_total', { ...labels, code: '4xx' })).toBe(1);
    expect(valueOf(samples, 'tenantd_sent_bytes_total', { tenant: 'acme', app: 'site' })).toBe(15);
    expect(valueOf(samples, 'tenantd_app_up', { tenant: 'globex', app: 'site' })).toBe(1);
    expect(valueOf(samples, 'tenantd_app_workers', { tenant: 'acme', app: 'site' })).toBe(1);
    expect(valueOf(samples, 'tenantd_tenants', { state: 'running' })).toBe(2);
    expect(new Set(samples.flatMap(({ labels: { tenant = 'acme' } }) => tenant))).toEqual(new Set(['acme', 'globex']));
    expect(new Set(samples.flatMap(({ labels: { app = '' } }) => app))).toEqual(new Set(['', 'site']));
  });

  test('has what the kernel counts, within seconds', async () => {
    const labels = { tenant: 'acme', app: 'site' };
    let samples: MetricSample[] = [];
    await until(async () => {
      samples = parseMetrics((await ask('/metrics')).text);
      return (valueOf(samples, 'tenantd_cpu_seconds_total', labels) ?? 0) > 0;
    }, 'processor time is told');
    expect(valueOf(samples, 'tenantd_memory_bytes', labels)).toBeGreaterThan(1 << 20);
  });

  test('comes out of a sandbox that is as it was promised', async () => {
    const { code, stdout } = await daemon.ctl('verify', '--passive', '--json');
    const { checks } = JSON.parse(stdout) as { checks: { subject?: string; ok: boolean; id: string }[] };
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.some((check) => JSON.stringify(check).includes('metrics'))).toBe(true);
    expect(code).toBe(0);
  });

  test('is all that is there', async () => {
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/metrics/')).status).toBe(404);
    expect((await ask('/metrics', 'POST')).status).toBe(405);
    expect((await ask('/metrics', 'HEAD')).text).toBe('');
  });

  test('is what tenantctl metrics prints', async () => {
    const { code, stdout } = await daemon.ctl('metrics');
    expect(code).toBe(0);
    const names = (text: string): string[] => [...new Set(parseMetrics(text).map(({ name }) => name))];
    expect(names(stdout)).toEqual(names((await ask('/metrics')).text));
  });

  test.runIf(promtool() !== undefined)('pleases promtool', async () => {
    const { stdout } = await daemon.ctl('metrics');
    expect(execFileSync(promtool() ?? '', ['check', 'metrics'], { input: stdout }).toString()).toBe('');
  });

  test('is answered by the same process when the daemon was killed: 503 meanwhile', async () => {
    const pid = metricsPid();
    await daemon.kill();
    await until(async () => (await ask('/metrics')).status === 503, 'what it had is too old');
    await daemon.start();
    await until(async () => (await ask('/metrics')).status === 200, 'it answers again');
    expect(metricsPid()).toBe(pid);
  });

  test('comes back when its process was killed', async () => {
    const pid = metricsPid();
    process.kill(pid, 'SIGKILL');
    const isAnswered = (): Promise<boolean> =>
      ask('/metrics').then(
        ({ status }) => status === 200,
        () => false,
      );
    await until(async () => metricsPid() !== pid && (await isAnswered()), 'another one answers');
    expect(metricsPid()).not.toBe(0);
  });

  test('is no more once the daemon has stopped', async () => {
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(socketPath)).toBe(false);
  });
});

function promtool(): string | undefined {
  return ['/usr/bin/promtool', process.env['PROMTOOL'] ?? ''].find((path) => path !== '' && existsSync(path));
}
