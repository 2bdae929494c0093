import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { suspiciousUpstream } from './attack-upstream.ts';
import { heldBufferBytes } from '../../support/held-memory.ts';
import { type EdgeUnderTest, host, startEdge, tenant } from './edge-under-test.ts';
import { settled } from './flow.ts';
import { connectRaw, exchangeRaw, get, type RawClient, statusesOf } from './raw-client.ts';

const close = 'Connection: close';
const post = (...fields: string[]): string => get('/', ...fields).replace('GET', 'POST');
const neighbourHost = 'globex.example';

function times<Item>(count: number, make: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Another tenant, which must notice nothing; answers the statuses of so many requests of it, one after another. */
async function addNeighbour(edge: EdgeUnderTest): Promise<(count: number) => Promise<number[]>> {
  await edge.http('two', (_, response) => void response.end('the neighbour'));
  const app = 'site' as AppName;
  edge.edge.routes.setTenant({
    ...{ tenant: 'globex' as TenantName, hosts: [{ host: neighbourHost, paths: [{ prefix: '/', app }] }] },
    ...{ apps: [{ app, state: 'ready', upstreams: [{ id: 'two', socket: `${tenant}/two` }], release: 'local', compress: false }] },
    ...{ limits: generousLimits, tls: { redirect: false, hstsSeconds: 0 } },
  });
  return async (count) => {
    const statuses: number[] = [];
    for (let time = 0; time < count; time++) {
      statuses.push(...statusesOf(await exchangeRaw(edge.port, get('/', close).replace(host, neighbourHost))));
    }
    return statuses;
  };
}

/** Opens so many connections at once that send `bytes` and then nothing. */
function floodWith(port: number, count: number, bytes: string): { open: () => number; answered: () => number } {
  let open = count;
  let answered = 0;
  for (const socket of times(count, () => connect({ port, host: '127.0.0.1' }))) {
    socket
      .once('connect', () => socket.write(bytes, 'latin1'))
      .once('data', () => (answered += 1))
      .on('error', () => {})
      .once('close', () => (open -= 1));
    onTestFinished(() => void socket.destroy());
  }
  return { open: () => open, answered: () => answered };
}

describe('connections that only take up room', () => {
  test('a thousand that send one byte of a head and stop slow nobody down', async () => {
    const edge = await startEdge();
    const askNeighbour = await addNeighbour(edge);
    const flood = floodWith(edge.port, 1_000, 'G');
    expect(await askNeighbour(20)).toEqual(times(20, () => 200));
    expect(flood.open()).toBe(1_000);
  });

  test('a thousand of them are told so after the time for a head, and closed', async () => {
    const edge = await startEdge({ headMs: 200, lingerMs: 50 });
    const flood = floodWith(edge.port, 1_000, 'G');
    await edge.seen(() => flood.open() === 0);
    expect(flood.answered()).toBe(1_000);
  });

  test('five hundred that stop in the middle of a TLS handshake are closed, and others are served meanwhile', async () => {
    const edge = await startEdge({ handshakeMs: 1_000 });
    await edge.http('one', (_, response) => void response.end());
    edge.edge.certificates.set({ tenant, id: 'file', ...makeCertificate([host]) }, Date.now());
    const flood = floodWith(edge.securePort, 500, '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003');
    const socket = connectTls({ port: edge.securePort, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
    socket.write(get('/', close));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect(statusesOf(bytes.toString('latin1'))).toEqual([200]);
    await edge.seen(() => flood.open() === 0);
  });

  test('more than the edge takes make room for those that ask for something', async () => {
    const edge = await startEdge({ clientConnections: 100 });
    const askNeighbour = await addNeighbour(edge);
    const flood = floodWith(edge.port, 300, 'G');
    expect(await askNeighbour(50)).toEqual(times(50, () => 200));
    await edge.seen(() => flood.open() <= 100);
  });
});

describe('a client that takes nothing of its answers', () => {
  test('makes the edge hold a piece of each, fifty times over, while others are served', async () => {
    const edge = await startEdge();
    const askNeighbour = await addNeighbour(edge);
    const piece = Buffer.alloc(64 << 10, 'x');
    let takenBytes = 0;
    await edge.http('one', (_, response) => {
      const writeOn = (): void => void response.write(piece, (error) => error || ((takenBytes += piece.length), writeOn()));
      writeOn();
    });
    const before = heldBufferBytes();
    const clients = times(50, () => connect({ port: edge.port, host: '127.0.0.1' }));
    for (const socket of clients) {
      onTestFinished(() => void socket.destroy());
      socket.pause().write(get('/'));
    }
    expect(await askNeighbour(20)).toEqual(times(20, () => 200));
    await settled(() => takenBytes);
    expect(heldBufferBytes() - before).toBeLessThan(50 * (512 << 10));
  });
});

describe('a tenant at its limits', () => {
  test('with five hundred clients that ask without end costs its neighbour no request', async () => {
    const edge = await startEdge();
    const askNeighbour = await addNeighbour(edge);
    let active = 0;
    let most = 0;
    await edge.http('one', (_, response) => {
      most = Math.max(most, ++active);
      setImmediate(() => {
        active -= 1;
        response.end();
      });
    });
    edge.route({ limits: { ...generousLimits, concurrentRequests: 4, queuedRequests: 20 } });
    const statuses = new Map<number, number>();
    const clients = times(500, () => connect({ port: edge.port, host: '127.0.0.1' }));
    for (const socket of clients) {
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => {}).write(get('/'));
      socket.on('data', (bytes: Buffer) => {
        for (const status of statusesOf(bytes.toString('latin1'))) statuses.set(status, (statuses.get(status) ?? 0) + 1);
        socket.write(get('/'));
      });
    }
    expect(await askNeighbour(10)).toEqual(times(10, () => 200));
    await edge.seen(() => (statuses.get(200) ?? 0) >= 20 && (statuses.get(503) ?? 0) >= 20);
    expect(new Set(statuses.keys())).toEqual(new Set([200, 503]));
    expect(most).toBeLessThanOrEqual(4);
    expect(edge.tenantState().admission.waiting).toBeLessThanOrEqual(20);
  });
});

describe('a body without end', () => {
  async function upload(edge: EdgeUnderTest, head: string, piece: string): Promise<RawClient> {
    const client = await connectRaw(edge.port);
    client.send(head);
    const sendOn = (): void =>
      void (client.socket.writable && client.socket.write(piece, 'latin1', (error) => error || setImmediate(sendOn)));
    sendOn();
    return client;
  }

  test('is a 413 at the limit of the tenant, whatever the client goes on to send, and the app gets no more than that', async () => {
    const edge = await startEdge({ lingerMs: 100 });
    edge.route({ limits: { ...generousLimits, bodySizeBytes: 1 << 20 } });
    let receivedBytes = 0;
    const open = await edge.raw('one', (socket) => void socket.on('data', (bytes: Buffer) => (receivedBytes += bytes.length)));
    const clients = await Promise.all(
      times(10, () => upload(edge, post('Transfer-Encoding: chunked'), `4000\r\n${'x'.repeat(0x4000)}\r\n`)),
    );
    await Promise.all(clients.map(({ closed }) => closed()));
    expect(clients.map(({ text }) => statusesOf(text()))).toEqual(times(10, () => [413]));
    await edge.seen(() => open.size === 0);
    expect(receivedBytes).toBeLessThan(10 * ((1 << 20) + (128 << 10)));
  });

  test.each([
    ['long extensions', `1;${'e'.repeat(200)}\r\nx\r\n`],
    ['an endless extension', 'e'.repeat(1_000)],
    ['an endless size', '0'.repeat(1_000)],
    ['endless trailers', `0\r\n${'x: yyyyyyyyyyyyyyyyyyyyyyyy\r\n'.repeat(1_000)}`],
  ])('of %s is a 400', async (_, piece) => {
    const edge = await startEdge({ lingerMs: 100 });
    await edge.raw('one', (socket) => void socket.resume());
    const begin = piece.startsWith('e') ? '1;' : '';
    const client = await upload(edge, `${post('Transfer-Encoding: chunked')}${begin}`, piece);
    expect(statusesOf(await client.closed())).toEqual([400]);
  });

  test('of chunks of one byte stays one request', async () => {
    const edge = await startEdge();
    const upstream = await suspiciousUpstream(edge);
    const text = await exchangeRaw(edge.port, `${post('Transfer-Encoding: chunked', close)}${'1\r\nx\r\n'.repeat(50_000)}0\r\n\r\n`);
    expect(statusesOf(text)).toEqual([200]);
    expect(upstream.requests.map(({ body }) => body.length)).toEqual([50_000]);
  });
});

describe('heads without end', () => {
  test.each([
    ['of many fields', get('/', ...times(1_001, (index) => `x${index}: y`)), 431],
    ['of one long field', get('/', `x: ${'y'.repeat(70_000)}`), 431],
    ['of one long name', get('/', `${'x'.repeat(70_000)}: y`), 431],
    ['of a field that never ends', `GET / HTTP/1.1\r\nHost: ${host}\r\nx: ${'y'.repeat(1 << 20)}`, 431],
    ['of a target that never ends', `GET /${'x'.repeat(1 << 20)}`, 414],
    ['of a method that never ends', 'X'.repeat(1 << 20), 414],
    ['of empty lines', '\r\n'.repeat(1 << 19), 408],
  ])('%s are refused', async (_, text, status) => {
    const edge = await startEdge({ lingerMs: 50, headMs: 500 });
    const upstream = await suspiciousUpstream(edge);
    expect(statusesOf(await exchangeRaw(edge.port, text))).toEqual([status]);
    expect(upstream.text()).toBe('');
  });
});

describe('ten thousand requests at once on one connection', () => {
  async function pipeline(edge: EdgeUnderTest): Promise<{ client: RawClient; urls: string[]; most: () => number }> {
    const urls: string[] = [];
    let active = 0;
    let most = 0;
    await edge.http('one', (incoming, response) => {
      most = Math.max(most, ++active);
      urls.push(incoming.url ?? '');
      setImmediate(() => {
        active -= 1;
        response.end(`answer ${incoming.url};`);
      });
    });
    const client = await connectRaw(edge.port);
    return { client, urls, most: () => most };
  }
  const requests = `${times(9_999, (index) => get(`/${index}`)).join('')}${get('/9999', close)}`;

  test('are answered in order, and one at a time reaches the app', async () => {
    const edge = await startEdge();
    const { client, most } = await pipeline(edge);
    client.send(requests);
    const answers = [...(await client.closed()).matchAll(/answer \/(\d+);/g)].map(([, index]) => Number(index));
    expect(answers).toEqual(times(10_000, (index) => index));
    expect(most()).toBe(1);
  });

  test('of a client that reads no answer wait in its own kernel', async () => {
    const edge = await startEdge();
    const { client, urls } = await pipeline(edge);
    const socket: Socket = client.socket.pause();
    for (let time = 0; time < 20; time++) client.send(requests.replace(close, 'X: y'));
    const before = heldBufferBytes();
    const served = await settled(() => urls.length);
    expect(served).toBeLessThan(100_000);
    expect(heldBufferBytes() - before).toBeLessThan(4 << 20);
    expect(edge.tenantState().admission.active).toBeLessThanOrEqual(1);
    socket.destroy();
    await edge.seen(() => edge.tenantState().admission.active === 0);
  });
});
