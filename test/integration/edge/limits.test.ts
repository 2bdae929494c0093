import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { type EdgeUnderTest, host, startEdge, tenant } from './edge-under-test.ts';
import { connectRaw, exchangeRaw, get, statusesOf } from './raw-client.ts';

const close = 'Connection: close';
const upgradeTo = (path: string): string => get(path, 'Connection: Upgrade', 'Upgrade: websocket');

/** An app that keeps each request until the test answers it. */
async function holdRequests(edge: EdgeUnderTest): Promise<ServerResponse[]> {
  const held: ServerResponse[] = [];
  await edge.http('one', (request, response) => {
    if (request.url === '/held') held.push(response);
    else response.end(`${request.url}`);
  });
  return held;
}

/** Another tenant of the same edge, with an app on the socket `two`. */
async function addNeighbour(edge: EdgeUnderTest): Promise<() => Promise<string>> {
  await edge.http('two', (_, response) => void response.end('the neighbour'));
  const app = 'site' as AppName;
  edge.edge.routes.setTenant({
    ...{ tenant: 'globex' as TenantName, hosts: [{ host: 'globex.example', paths: [{ prefix: '/', app }] }] },
    ...{ apps: [{ app, state: 'ready', upstreams: [{ id: 'two', socket: `${tenant}/two` }], release: 'local', compress: false }] },
    ...{ limits: generousLimits, tls: { redirect: true, hstsSeconds: 0 } },
  });
  return () => exchangeRaw(edge.port, get('/', close).replace(host, 'globex.example'));
}

describe('requests a second', () => {
  test('over the limit are a 429 with retry-after, and cost a neighbour nothing', async () => {
    const edge = await startEdge();
    await holdRequests(edge);
    const askNeighbour = await addNeighbour(edge);
    edge.route({ limits: { ...generousLimits, requestsPerSecond: 0.1 } });
    const statuses = statusesOf(await exchangeRaw(edge.port, `${get('/').repeat(14)}${get('/', close)}`));
    expect(statuses).toEqual([...Array<number>(10).fill(200), ...Array<number>(5).fill(429)]);
    expect(await exchangeRaw(edge.port, get('/', close))).toMatch(/\r\nretry-after: 10\r\n/);
    expect(await askNeighbour()).toContain('the neighbour');
  });
});

describe('requests at the same time', () => {
  test('over the limit wait for their turn, in order', async () => {
    const edge = await startEdge();
    const held = await holdRequests(edge);
    edge.route({ limits: { ...generousLimits, concurrentRequests: 1, queuedRequests: 2 } });
    const first = exchangeRaw(edge.port, get('/held', close));
    await until(() => held.length === 1, 'the first request is at the app');
    const second = exchangeRaw(edge.port, get('/second', close));
    await edge.seen(() => edge.tenantState().admission.waiting === 1);
    const third = exchangeRaw(edge.port, get('/third', close));
    await edge.seen(() => edge.tenantState().admission.waiting === 2);
    expect(await exchangeRaw(edge.port, get('/fourth', close))).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n/);
    held[0]?.end('first');
    expect(await Promise.all([first, second, third])).toEqual(['first', '/second', '/third'].map((text) => expect.stringContaining(text)));
    expect(edge.tenantState().admission.active).toBe(0);
  });

  test('that wait too long are a 503, and those whose client goes away give their place back', async () => {
    const edge = await startEdge({ queueMs: 30 });
    const held = await holdRequests(edge);
    edge.route({ limits: { ...generousLimits, concurrentRequests: 1, queuedRequests: 1 } });
    const first = await connectRaw(edge.port);
    first.send(get('/held'));
    await until(() => held.length === 1, 'the first request is at the app');
    expect(await exchangeRaw(edge.port, get('/', close))).toMatch(/^HTTP\/1\.1 503 /);
    first.socket.resetAndDestroy();
    await edge.seen(() => edge.tenantState().admission.active === 0);
    expect(await exchangeRaw(edge.port, get('/', close))).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('of one tenant at its limit slow no neighbour', async () => {
    const edge = await startEdge();
    const held = await holdRequests(edge);
    const askNeighbour = await addNeighbour(edge);
    edge.route({ limits: { ...generousLimits, concurrentRequests: 2, queuedRequests: 50 } });
    const clients = await Promise.all(Array.from({ length: 52 }, () => connectRaw(edge.port)));
    for (const { send } of clients) send(get('/held'));
    await edge.seen(() => edge.tenantState().admission.waiting === 50 && held.length === 2);
    for (let time = 0; time < 20; time++) expect(await askNeighbour()).toContain('the neighbour');
    expect(edge.tenantState().admission.waiting).toBe(50);
  });
});

describe('a request', () => {
  test.each([
    ['with a head', { headSizeBytes: 200 }, get('/', `X-Long: ${'x'.repeat(200)}`), 431],
    ['with an address', { targetSizeBytes: 50 }, get(`/${'x'.repeat(50)}`), 414],
    ['with a body', { bodySizeBytes: 3 }, get('/', 'Content-Length: 4'), 413],
  ])("%s over its tenant's limit is refused", async (_, limits, text, status) => {
    const edge = await startEdge();
    await holdRequests(edge);
    edge.route({ limits: { ...generousLimits, ...limits } });
    expect(statusesOf(await exchangeRaw(edge.port, `${text}${get('/', close)}`))[0]).toBe(status);
  });

  test('that takes too long in all is cut, or answered if nothing was sent yet', async () => {
    const edge = await startEdge();
    await edge.http('one', (request, response) => {
      if (request.url === '/begun') response.write('begun');
    });
    edge.route({ limits: { ...generousLimits, requestTimeoutMs: 40 } });
    expect(await exchangeRaw(edge.port, get('/silent', close))).toMatch(/^HTTP\/1\.1 504 /);
    expect(await exchangeRaw(edge.port, get('/begun', close))).toMatch(/^HTTP\/1\.1 200 [^]*begun\r\n$/);
  });
});

describe('connections', () => {
  test('of one client address over the limit are refused, and one that ends makes room', async () => {
    const edge = await startEdge();
    await holdRequests(edge);
    edge.route({ limits: { ...generousLimits, connectionsPerAddress: 1 } });
    const first = await connectRaw(edge.port);
    first.send(get('/'));
    await first.seen(/ 200 /);
    expect(await exchangeRaw(edge.port, get('/'))).toMatch(/^HTTP\/1\.1 429 [^]*connection: close/);
    first.socket.destroy();
    await edge.seen(() => edge.tenantState().addresses.size === 0);
    expect(await exchangeRaw(edge.port, get('/', close))).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("over the edge's limit take the place of one that waits, never of one that is served", async () => {
    const edge = await startEdge({ clientConnections: 3 });
    const held = await holdRequests(edge);
    const served = await connectRaw(edge.port);
    served.send(get('/held', close));
    await until(() => held.length === 1, 'the request is at the app');
    const idle = await connectRaw(edge.port);
    const slow = await connectRaw(edge.port);
    slow.send('GET / HT');
    for (let time = 0; time < 3; time++) expect(await exchangeRaw(edge.port, get('/', close))).toMatch(/^HTTP\/1\.1 200 /);
    await Promise.all([idle.closed(), slow.closed()]);
    held[0]?.end('served');
    expect(await served.closed()).toContain('served');
  });

  test('without a request are closed after the time that the tenant of the last one has for that', async () => {
    const edge = await startEdge();
    await holdRequests(edge);
    edge.route({ limits: { ...generousLimits, idleTimeoutMs: 30 } });
    const client = await connectRaw(edge.port);
    client.send(get('/'));
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('tunnels', () => {
  async function startWithTunnels(limits: object): Promise<EdgeUnderTest> {
    const edge = await startEdge();
    await edge.raw('one', (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.on('data', (bytes) => void socket.write(bytes)).on('end', () => socket.end());
      });
    });
    edge.route({ limits: { ...generousLimits, ...limits } });
    return edge;
  }

  test('over the limit are refused, and hold no place of a request', async () => {
    const edge = await startWithTunnels({ webSockets: 1, concurrentRequests: 1 });
    const first = await connectRaw(edge.port);
    first.send(upgradeTo('/'));
    await first.seen(/ 101 /);
    expect(edge.tenantState().admission.active).toBe(0);
    expect(await exchangeRaw(edge.port, upgradeTo('/').replace('Connection: Upgrade', 'Connection: Upgrade, close'))).toMatch(
      /^HTTP\/1\.1 503 /,
    );
    first.socket.end();
    await edge.seen(() => edge.tenantState().webSockets === 0);
    const second = await connectRaw(edge.port);
    second.send(upgradeTo('/'));
    await second.seen(/ 101 /);
  });

  test('in which nothing moves are closed, and those in which something does stay', async () => {
    const edge = await startWithTunnels({ tunnelIdleTimeoutMs: 60 });
    const [silent, busy] = [await connectRaw(edge.port), await connectRaw(edge.port)];
    const timer = setInterval(() => busy.send('.'), 5);
    for (const client of [silent, busy]) client.send(upgradeTo('/'));
    await silent.closed();
    clearInterval(timer);
    expect(busy.socket.destroyed).toBe(false);
    expect(busy.text()).toMatch(/\.{3}/);
  });
});
