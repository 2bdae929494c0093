import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.ts';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { appRoute, host, tenant } from './edge-under-test.ts';
import { openSession } from './http2-session.ts';
import { connectRaw, get } from './raw-client.ts';
import { type SleepyEdge, startSleepyEdge } from './sleepy-edge.ts';

/** With an app that answers `/` at once, and keeps each other request until the test answers it. */
async function startServing(): Promise<{ edge: SleepyEdge; open: ServerResponse[] }> {
  const edge = await startSleepyEdge();
  const open: ServerResponse[] = [];
  await edge.http('one', (incoming, response) => {
    if (incoming.url === '/') response.end('at once');
    else open.push(response);
    if (incoming.url === '/stream') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  return { edge, open };
}

const switching = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello';

describe('an app may sleep', () => {
  test('when nothing of it is open: then its next request waits, and wakes it', async () => {
    const { edge } = await startServing();
    expect((await request(edge.port, { host })).text).toBe('at once');
    expect(edge.letSleep()).toBe(true);
    const waiting = request(edge.port, { host });
    await until(() => edge.wakes.length > 0, 'the daemon is told');
    edge.set('ready');
    expect((await waiting).text).toBe('at once');
  });

  test('again, when it sleeps already', async () => {
    const { edge } = await startServing();
    edge.set('sleeping');
    expect(edge.letSleep()).toBe(true);
  });

  test('when the edge does not route it', async () => {
    const { edge } = await startServing();
    edge.route({ apps: [] });
    expect(edge.letSleep()).toBe(true);
  });

  test.each(['failed', 'quarantined', 'stopped'] as const)('but not when it is %s', async (state) => {
    const { edge } = await startServing();
    edge.set(state);
    expect(edge.letSleep()).toBe(false);
    expect([502, 503]).toContain((await request(edge.port, { host })).status);
    expect(edge.wakes).toEqual([]);
  });
});

describe('an app may not sleep, and goes on as it was,', () => {
  test('while a request is open', async () => {
    const { edge, open } = await startServing();
    const slow = request(edge.port, { host, path: '/slow' });
    await until(() => open.length === 1, 'the request is at the app');
    expect(edge.letSleep()).toBe(false);
    expect((await request(edge.port, { host })).text).toBe('at once');
    open[0]?.end('late');
    expect((await slow).text).toBe('late');
    expect(edge.letSleep()).toBe(true);
  });

  test('while an upload goes on', async () => {
    const { edge, open } = await startServing();
    const client = await connectRaw(edge.port);
    client.send(`POST /upload HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 8\r\n\r\nhalf`);
    await until(() => open.length === 1, 'the upload has begun');
    expect(edge.letSleep()).toBe(false);
    client.send('more');
    open[0]?.end('got it');
    await client.seen(/got it$/);
    expect(edge.letSleep()).toBe(true);
  });

  test('while an upload waits for its app', async () => {
    const { edge } = await startServing();
    edge.set('starting');
    const client = await connectRaw(edge.port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 8\r\n\r\nhalf`);
    await edge.seen(() => edge.tenantState().heldRequests === 1);
    expect(edge.letSleep()).toBe(false);
    client.socket.resetAndDestroy();
  });

  test('while a stream of events is open', async () => {
    const { edge, open } = await startServing();
    const client = await connectRaw(edge.port);
    client.send(get('/stream'));
    await client.seen(/data: 1/);
    expect(edge.letSleep()).toBe(false);
    open[0]?.end();
    await client.seen(/\r\n0\r\n\r\n$/);
    expect(edge.letSleep()).toBe(true);
  });

  test('while a WebSocket is open', async () => {
    const edge = await startSleepyEdge();
    await edge.raw('one', (socket: Socket) => void socket.once('data', () => socket.write(switching)));
    const client = await connectRaw(edge.port);
    client.send(get('/', 'Connection: Upgrade', 'Upgrade: echo'));
    await client.seen(/hello$/);
    expect(edge.letSleep()).toBe(false);
    expect(edge.takeUse()).toEqual(['acme/site 1+0']);
    client.socket.resetAndDestroy();
    await until(() => edge.letSleep(), 'the tunnel is gone');
  });

  test('while a stream of HTTP/2 is open', async () => {
    const { edge, open } = await startServing();
    const certificate = makeCertificate([host]);
    edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
    const session = await openSession(edge, certificate);
    const stream = session.request({ ':path': '/slow' }).on('error', () => {});
    await until(() => open.length === 1, 'the request is at the app');
    expect(edge.letSleep()).toBe(false);
    stream.close();
    await until(() => edge.letSleep(), 'the stream is gone');
  });

  test('while a request waits for a place among those of its tenant', async () => {
    const { edge, open } = await startServing();
    edge.route({
      apps: [appRoute('ready', ['one']), appRoute('ready', ['one'], 'other')],
      hosts: [
        {
          host,
          paths: [
            { prefix: '/', app: appRoute('ready', []).app },
            { prefix: '/slow', app: appRoute('ready', [], 'other').app },
          ],
        },
      ],
      limits: { ...generousLimits, concurrentRequests: 1, queuedRequests: 1 },
    });
    const slow = request(edge.port, { host, path: '/slow' });
    await until(() => open.length === 1, "the other app's request is open");
    const queued = request(edge.port, { host });
    await edge.seen(() => edge.tenantState().admission.waiting === 1);
    expect(edge.letSleep()).toBe(false);
    expect(edge.takeUse()).toEqual(['acme/other 1+0', 'acme/site 0+1']);
    open[0]?.end();
    await slow;
    expect((await queued).text).toBe('at once');
    expect(edge.letSleep()).toBe(true);
  });
});

describe('use is told', () => {
  test('of apps of which something was open since the last time, and of no other', async () => {
    const { edge } = await startServing();
    expect(edge.takeUse()).toEqual([]);
    await request(edge.port, { host });
    expect(edge.takeUse()).toEqual(['acme/site 0+0']);
    expect(edge.takeUse()).toEqual([]);
  });

  test('again and again of one of which something stays open, and once more when that has ended', async () => {
    const { edge, open } = await startServing();
    const slow = request(edge.port, { host, path: '/slow' });
    await until(() => open.length === 1, 'the request is at the app');
    expect(edge.takeUse()).toEqual(['acme/site 1+0']);
    expect(edge.takeUse()).toEqual(['acme/site 1+0']);
    open[0]?.end();
    await slow;
    expect(edge.takeUse()).toEqual(['acme/site 0+0']);
    expect(edge.takeUse()).toEqual([]);
  });

  test('of requests that wait for a worker', async () => {
    const { edge } = await startServing();
    edge.set('starting');
    const client = await connectRaw(edge.port);
    client.send(get('/'));
    await edge.seen(() => edge.tenantState().heldRequests === 1);
    expect(edge.takeUse()).toEqual(['acme/site 0+1']);
  });

  test('also of an app whose connection failed, once, with nothing left open', async () => {
    const edge = await startSleepyEdge();
    expect((await request(edge.port, { host })).status).toBe(502);
    expect(edge.takeUse()).toEqual(['acme/site 0+0']);
    expect(edge.letSleep()).toBe(true);
  });
});
