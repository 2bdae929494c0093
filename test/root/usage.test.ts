import { statSync } from 'node:fs';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noUsage, type UsageResult, type UsageRow } from '../../src/protocol/usage-calls.ts';
import { request } from '../support/client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { openTunnel } from './edge-traffic.ts';
import { type EgressWorld, inApp, makeEgressWorld, reachingTenant } from './egress-world.ts';

const host = 'acme.test';
const [bodyBytes, answerBytes] = [137, 1_000];

// `/burn` works for half a second; `/fill` writes 64 MiB; each answer of `/cpu` says how long it worked in all.
const app = `
const { createServer } = require('node:http');
const server = createServer((request, response) => {
  if (request.url === '/cpu') { const { user, system } = process.cpuUsage(); return response.end(String((user + system) / 1e6)); }
  if (request.url === '/fill') require('node:fs').writeFileSync('/data/file', Buffer.alloc(64 << 20, 'x'));
  const endMs = performance.now() + (request.url === '/burn' ? 500 : 0);
  while (performance.now() < endMs);
  request.on('data', () => {}).on('end', () => response.end('x'.repeat(${answerBytes})));
});
server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n');
  socket.on('error', () => {}).pipe(socket);
});
server.listen(3000);`;
const files = { 'apps/site/server.js': app, 'apps/site/app.yaml': 'kind: node\nentry: server.js\nidle: never\ndrain: 1s\n' };

async function readUsage(daemon: TestDaemon, ...args: string[]): Promise<UsageRow[]> {
  const { code, stdout, stderr } = await daemon.ctl('usage', '--json', ...args);
  expect([code, stderr]).toEqual([0, '']);
  return (JSON.parse(stdout) as UsageResult).rows;
}

async function usageOf(daemon: TestDaemon, tenant: string, name: string): Promise<UsageRow> {
  const rows = await readUsage(daemon, tenant, '--by-app');
  return rows.find((row) => row.app === name) ?? { ...noUsage, tenant, from: '', to: '' };
}

/** Posts, four at a time, until it is stopped; answers how many were answered whole. */
function startPosts(port: number): { answered: () => number; stop: () => Promise<number> } {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const stopping = new AbortController();
  let answered = 0;
  async function post(): Promise<void> {
    while (!stopping.signal.aborted) {
      const { status, body } = await request(port, { host, method: 'POST', body: 'y'.repeat(bodyBytes), agent });
      expect([status, body.length]).toEqual([200, answerBytes]);
      answered += 1;
    }
  }
  const posting = Promise.all(Array.from({ length: 4 }, post));
  return {
    answered: () => answered,
    async stop() {
      stopping.abort();
      await posting;
      agent.destroy();
      return answered;
    },
  };
}

describe('usage', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      tenants: { acme: { 'tenant.yaml': `domains: [${host}]\n`, ...files } },
      config: 'edge: { processes: 2 }',
    });
    await daemon.untilApps(['acme/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('is to the byte what clients sent and got, while daemons are killed and edges replaced', async () => {
    const before = await usageOf(daemon, 'acme', 'site');
    const posts = startPosts(daemon.port);
    for (let round = 0; round < 3; round++) {
      const enough = posts.answered() + 300;
      await until(() => posts.answered() >= enough, 'clients go on', 30_000);
      await daemon.kill();
      await daemon.start();
      await until(async () => (await daemon.ctl('reload', '--edges')).code === 0, 'the edges are new', 30_000);
    }
    const tunnel = await openTunnel(daemon.port, host);
    tunnel.write('z'.repeat(5_000));
    let echoed = 0;
    for await (const chunk of tunnel as AsyncIterable<Buffer>) if ((echoed += chunk.length) >= 5_000) break;
    const requests = await posts.stop();
    const expected = {
      requests: before.requests + requests + 1,
      bytesIn: before.bytesIn + requests * bodyBytes + 5_000,
      bytesOut: before.bytesOut + requests * answerBytes + 5_000,
    };
    // Another request after all of these is written: so are they.
    const ofTenant = (await usageOf(daemon, 'acme', '')).requests;
    await request(daemon.port, { host, path: '/.well-known/tenantd/jwks.json' });
    await until(async () => (await usageOf(daemon, 'acme', '')).requests > ofTenant, 'the last request is counted', 30_000);
    await until(async () => (await usageOf(daemon, 'acme', 'site')).requests >= expected.requests, 'all are', 30_000);
    expect(await usageOf(daemon, 'acme', 'site')).toMatchObject(expected);
  });

  test('has the processor time that an app used, also of workers that are gone', async () => {
    const before = (await usageOf(daemon, 'acme', 'site')).cpuSeconds;
    const cpuOfApp = async (): Promise<number> => Number((await request(daemon.port, { host, path: '/cpu' })).text);
    const startedAt = await cpuOfApp();
    for (let round = 0; round < 4; round++) await request(daemon.port, { host, path: '/burn' });
    const burnt = (await cpuOfApp()) - startedAt;
    expect(burnt).toBeGreaterThan(1);
    expect((await daemon.ctl('app', 'restart', 'acme/site')).code).toBe(0);
    const used = (await usageOf(daemon, 'acme', 'site')).cpuSeconds - before;
    expect(used).toBeGreaterThan(burnt * 0.98);
    // Two starts of Node at most, beside it.
    expect(used).toBeLessThan(burnt + 3);
  });

  test('grows by memory and disk while time passes', async () => {
    await request(daemon.port, { host, path: '/fill' });
    const [first] = await readUsage(daemon, 'acme');
    let next = first;
    await until(async () => {
      [next] = await readUsage(daemon, 'acme');
      return (next?.diskGibHours ?? 0) > (first?.diskGibHours ?? 0);
    }, 'disk is counted');
    expect(next?.memoryGibHours).toBeGreaterThan(first?.memoryGibHours ?? 0);
  });

  test('is CSV that sums up to what is shown', async () => {
    const { stdout } = await daemon.ctl('usage', '--by-hour', '--by-app', '--csv');
    const [header = '', ...lines] = stdout.trimEnd().split('\r\n');
    expect(header).toMatch(/^tenant,app,from,to,requests,/);
    const column = header.split(',').indexOf('requests');
    const sum = lines.reduce((total, line) => total + Number(line.split(',')[column]), 0);
    expect(sum).toBe((await readUsage(daemon, 'acme'))[0]?.requests);
  });

  test('of a tenant that is no more stays, and one that never was is refused', async () => {
    const [before] = await readUsage(daemon, 'acme');
    daemon.removeTenant('acme');
    await until(async () => (await daemon.status()).tenants.length === 0, 'it is out of service', 30_000);
    expect((await readUsage(daemon, 'acme'))[0]?.requests).toBe(before?.requests);
    expect(JSON.parse((await daemon.ctl('usage', 'nobody', '--json')).stdout)).toMatchObject({
      error: { code: 'TENANTD_E_NO_SUCH_TENANT' },
    });
    expect((await daemon.ctl('usage', '--month', '2026-13')).code).toBe(2);
  });

  test('lies in a file that root alone reads', () => {
    expect(statSync(`${daemon.directory}/state/usage.db`).mode & 0o777).toBe(0o600);
  });
});

describe('egress', () => {
  let world: EgressWorld;
  let daemon: TestDaemon;
  beforeAll(async () => {
    world = await makeEgressWorld();
    daemon = await startTestDaemon({ wrapper: world.machine.enter, tenants: { acme: reachingTenant('acme', '["203.0.113.10/32:8080"]') } });
    await daemon.untilApps(['acme/site']);
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    world?.close();
  });

  test('is what the packet rules counted, also when they are gone', async () => {
    for (let round = 0; round < 5; round++) expect(await inApp(daemon, 'acme', 'tcp 203.0.113.10 8080')).toContain('sees');
    const counted = (await daemon.tenant('acme')).network;
    expect(counted?.bytesOut).toBeGreaterThan(500);
    daemon.writeTenant('acme', { 'tenant.yaml': reachingTenant('acme', '[]')['tenant.yaml'] ?? '' });
    await until(async () => (await daemon.tenant('acme')).network === undefined, 'its rules are gone');
    const [used] = await readUsage(daemon, 'acme');
    // What says goodbye comes after.
    expect(used?.egressBytesOut).toBeGreaterThanOrEqual(counted?.bytesOut ?? 0);
    expect(used?.egressBytesOut).toBeLessThan((counted?.bytesOut ?? 0) + 2_000);
    expect(used?.egressBytesIn).toBeGreaterThanOrEqual(counted?.bytesIn ?? 0);
  });
});
