import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.ts';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { AppRouteState } from '../../../src/protocol/edge.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { settled } from './flow.ts';
import { ask, openSession } from './http2-session.ts';
import { connectRaw, get, type RawClient } from './raw-client.ts';
import { type SleepyEdge, startSleepyEdge } from './sleepy-edge.ts';

const mebibyte = 1 << 20;

async function sendAll(edge: SleepyEdge, count: number, text = get('/')): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => connectRaw(edge.port)));
  for (const { send } of clients) send(text);
  await edge.hasRead();
  return clients;
}

/** Of a tenant beside it, with an app that is awake. */
async function addNeighbour({ edge, http }: SleepyEdge): Promise<void> {
  await http('two', (_, response) => response.end('the neighbour'));
  edge.routes.setTenant({
    ...{ tenant: 'globex' as TenantName, hosts: [hostRoute('globex.example')], apps: [appRoute('ready', ['two'])] },
    ...{ limits: generousLimits, tls: { redirect: true, hstsSeconds: 0 } },
  });
}

describe('a request for an app that sleeps', () => {
  test('wakes it, waits while it starts, and is answered', async () => {
    const edge = await startSleepyEdge();
    await edge.http('one', (incoming, response) => response.end(`awake at ${incoming.url}`));
    edge.set('sleeping');
    const waiting = request(edge.port, { host, path: '/first' });
    await until(() => edge.wakes.length > 0, 'the daemon is told');
    expect(edge.wakes).toEqual(['acme/site']);
    edge.set('starting');
    await edge.hasRead();
    edge.set('ready');
    expect((await waiting).text).toBe('awake at /first');
    expect(edge.tenantState().heldRequests).toBe(0);
  });

  test('and a thousand of them at once, wake it once and are all answered', async () => {
    const edge = await startSleepyEdge();
    const seen = new Set<string>();
    await edge.http('one', (incoming, response) => {
      seen.add(String(incoming.headers['x-request-id']));
      response.end('awake');
    });
    edge.route({ limits: { ...generousLimits, concurrentRequests: 100, queuedRequests: 900 } });
    edge.set('sleeping');
    const clients = await sendAll(edge, 1_000);
    await edge.seen(() => edge.tenantState().heldRequests === 1_000);
    expect(edge.wakes).toEqual(['acme/site']);
    edge.set('starting');
    edge.set('ready');
    await Promise.all(clients.map(({ seen }) => seen(/awake$/)));
    expect(seen.size).toBe(1_000);
    expect(edge.tenantState().admission.active).toBe(0);
  });

  test('is answered also where its plan has little room: those that waited may queue', async () => {
    const edge = await startSleepyEdge();
    await edge.http('one', (_, response) => response.end('awake'));
    edge.route({ limits: { ...generousLimits, concurrentRequests: 2, queuedRequests: 1 } });
    edge.set('sleeping');
    const clients = await sendAll(edge, 64);
    expect((await request(edge.port, { host })).status).toBe(503);
    edge.set('ready');
    await Promise.all(clients.map(({ seen }) => seen(/awake$/)));
  });

  test('comes over HTTP/2 as well, many on one connection', async () => {
    const edge = await startSleepyEdge();
    const certificate = makeCertificate([host]);
    edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
    await edge.http('one', (incoming, response) => void incoming.pipe(response));
    edge.set('sleeping');
    const session = await openSession(edge, certificate);
    const answers = ['a', 'b', 'c'].map((body) => ask(session, { ':method': 'POST' }, body));
    await edge.seen(() => edge.tenantState().heldRequests === 3);
    expect(edge.wakes).toEqual(['acme/site']);
    edge.set('ready');
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['a', 'b', 'c']);
  });

  test('has the daemon told again and again while it sleeps on, and no more when nobody waits', async () => {
    const edge = await startSleepyEdge({ wakeRepeatMs: 30 });
    edge.set('sleeping');
    const [client] = await sendAll(edge, 1);
    await until(() => edge.wakes.length >= 3, 'the daemon is told again');
    client?.socket.resetAndDestroy();
    await edge.seen(() => edge.tenantState().heldRequests === 0);
    expect(await settled(() => edge.wakes.length)).toBe(edge.wakes.length);
  });

  test('is no reason to tell of it while it starts', async () => {
    const edge = await startSleepyEdge({ wakeRepeatMs: 20 });
    edge.set('sleeping');
    await sendAll(edge, 1);
    edge.set('starting');
    const told = edge.wakes.length;
    expect(await settled(() => edge.wakes.length)).toBe(told);
  });

  test('is told of at most once in its time, however many come and go', async () => {
    const edge = await startSleepyEdge({ wakeRepeatMs: 60_000 });
    edge.set('sleeping');
    for (let round = 0; round < 3; round++) {
      const [client] = await sendAll(edge, 1);
      client?.socket.resetAndDestroy();
      await edge.seen(() => edge.tenantState().heldRequests === 0);
    }
    expect(edge.wakes).toEqual(['acme/site']);
  });

  test.each<[AppRouteState, RegExp]>([
    ['failed', /^HTTP\/1\.1 502 [^]*The site is broken/],
    ['quarantined', /^HTTP\/1\.1 502 [^]*\r\nretry-after: 60\r\n[^]*The site failed again and again/],
    ['stopped', /^HTTP\/1\.1 503 [^]*The site is stopped/],
  ])('gets the answer of the state that comes next: %s', async (state, answer) => {
    const edge = await startSleepyEdge();
    edge.set('sleeping');
    const [client] = await sendAll(edge, 1);
    edge.set('starting');
    await edge.hasRead();
    expect(client?.text()).toBe('');
    edge.set(state);
    await client?.seen(answer);
  });

  test('is a 503 with retry-after when it waited for as long as its route says, counted from its beginning', async () => {
    const edge = await startSleepyEdge();
    edge.set('sleeping', { holdMs: 60_000 });
    const waiting = request(edge.port, { host });
    await until(() => edge.wakes.length > 0, 'it waits');
    edge.set('starting', { holdMs: 1 });
    const { status, headers, text } = await waiting;
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    expect(text).toContain('The site is starting.');
  });

  test('and an app that falls asleep while requests wait for its start, is told of', async () => {
    const edge = await startSleepyEdge();
    edge.set('starting');
    await sendAll(edge, 1);
    expect(edge.wakes).toEqual([]);
    edge.set('sleeping');
    expect(edge.wakes).toEqual(['acme/site']);
  });
});

describe('a request that waits', () => {
  test('whose client goes away is let go, over HTTP/2 too', async () => {
    const edge = await startSleepyEdge();
    const certificate = makeCertificate([host]);
    edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
    edge.route({ apps: [appRoute('sleeping', [])], tls: { redirect: false, hstsSeconds: 0 } });
    const session = await openSession(edge, certificate);
    const stream = session.request({ ':path': '/' }).on('error', () => {});
    const [client] = await sendAll(edge, 1);
    await edge.seen(() => edge.tenantState().heldRequests === 2);
    expect(edge.letSleep()).toBe(false);
    stream.close();
    client?.socket.resetAndDestroy();
    await edge.seen(() => edge.tenantState().heldRequests === 0);
    expect(edge.letSleep()).toBe(true);
  });

  test('whose client has closed its own direction is answered all the same', async () => {
    const edge = await startSleepyEdge();
    await edge.http('one', (_, response) => response.end('awake'));
    edge.set('sleeping');
    const [client] = await sendAll(edge, 1);
    client?.socket.end();
    await edge.hasRead();
    edge.set('ready');
    expect(await client?.closed()).toMatch(/awake$/);
  });

  test('that is an upload is not read until its app is ready, and then whole', async () => {
    const edge = await startSleepyEdge();
    await edge.http('one', (incoming, response) => {
      let receivedBytes = 0;
      incoming.on('data', (bytes: Buffer) => (receivedBytes += bytes.length)).on('end', () => response.end(`got ${receivedBytes}`));
    });
    edge.set('sleeping');
    const client = await connectRaw(edge.port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${48 * mebibyte}\r\n\r\n`);
    let takenBytes = 0;
    const piece = Buffer.alloc(mebibyte, 'x');
    for (let sent = 0; sent < 48; sent++) client.socket.write(piece, () => (takenBytes += piece.length));
    expect(await settled(() => takenBytes + 1)).toBeLessThan(16 * mebibyte);
    edge.set('ready');
    await client.seen(new RegExp(`got ${48 * mebibyte}$`));
  });

  test('upgrades its connection when the app is there', async () => {
    const edge = await startSleepyEdge();
    await edge.raw('one', (socket: Socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello'));
    });
    edge.set('sleeping');
    const [client] = await sendAll(edge, 1, get('/', 'Connection: Upgrade', 'Upgrade: echo'));
    expect(edge.wakes).toEqual(['acme/site']);
    edge.set('ready');
    await client?.seen(/hello$/);
  });
});

describe('what never reaches an app wakes none', () => {
  test.each([
    ['an unknown host', get('/').replace(host, 'unknown')],
    ['another path', get('/nothing')],
    ['the public keys', get('/app/../.well-known/tenantd/jwks.json').replace('/app/..', '')],
    ['a redirected host', get('/').replace(host, `www.${host}`)],
    ['a CA', get('/.well-known/acme-challenge/token')],
    ['a malformed request', get('/', 'Host: again')],
  ])('%s', async (_, text) => {
    const edge = await startSleepyEdge();
    edge.route({
      hosts: [hostRoute(host, { '/app': 'site' }), { host: `www.${host}`, redirectTo: host }],
      apps: [appRoute('sleeping', [])],
    });
    edge.edge.challenges.set({ type: 'http-01', host, token: 'token', keyAuthorization: 'token.key' });
    const [client] = await sendAll(edge, 1, text);
    await client?.seen(/^HTTP\/1\.1 \d{3} /);
    expect(edge.wakes).toEqual([]);
    expect(edge.takeUse()).toEqual([]);
  });
});

describe('thousands that wait for one tenant', () => {
  test('are held up to a bound, the rest is turned away, and a neighbour is served', { timeout: 60_000 }, async () => {
    const edge = await startSleepyEdge({ heldRequestsMost: 2_000 });
    await edge.http('one', (_, response) => response.end('awake'));
    await addNeighbour(edge);
    edge.route({ limits: { ...generousLimits, concurrentRequests: 100, queuedRequests: 10_000 } });
    edge.set('sleeping');
    const clients = await sendAll(edge, 3_000);
    await edge.seen(() => clients.filter(({ text }) => text().startsWith('HTTP/1.1 503 ')).length === 1_000);
    expect(edge.tenantState().heldRequests).toBe(2_000);
    for (let time = 0; time < 20; time++) {
      expect((await request(edge.port, { host: 'globex.example' })).text).toBe('the neighbour');
    }
    edge.set('ready');
    await edge.seen(() => clients.filter(({ text }) => text().endsWith('awake')).length === 2_000);
  });

  test('go on a few in each turn, so that others have theirs between', async () => {
    const edge = await startSleepyEdge();
    await edge.http('one', (_, response) => response.end('awake'));
    edge.set('sleeping');
    const clients = await sendAll(edge, 300);
    await edge.seen(() => edge.tenantState().heldRequests === 300);
    edge.set('ready');
    expect(edge.tenantState().heldRequests).toBe(300 - 64);
    await Promise.all(clients.map(({ seen }) => seen(/awake$/)));
  });

  test('wait again when their app went away before it was their turn', async () => {
    const edge = await startSleepyEdge();
    await edge.http('one', (_, response) => response.end('awake'));
    edge.set('sleeping');
    const clients = await sendAll(edge, 100);
    await edge.seen(() => edge.tenantState().heldRequests === 100);
    edge.set('ready');
    edge.set('sleeping');
    await new Promise(setImmediate);
    expect(edge.tenantState().heldRequests).toBe(36);
    edge.set('ready');
    await Promise.all(clients.map(({ seen }) => seen(/awake$/)));
  });
});

test('an app that is woken by another tenant is told of as by anybody', async () => {
  const edge = await startSleepyEdge();
  await edge.http('one', (_, response) => response.end('awake'));
  edge.route({ apps: [appRoute('sleeping', [])], grants: [{ to: 'globex' as TenantName, app: 'site' as AppName }] });
  const server = createServer((socket) => edge.edge.acceptCall({ tenant: 'globex' as TenantName, app: 'web' as AppName }, socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = await connectRaw((server.address() as { port: number }).port);
  client.send(get('/').replace(host, 'site.acme.internal'));
  await until(() => edge.wakes.length > 0, 'the daemon is told');
  edge.set('ready');
  await client.seen(/awake$/);
  expect(edge.takeUse()).toEqual(['acme/site 0+0']);
  server.close();
});
