import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { until } from '../../support/until.ts';
import { host, startEdge, tenant } from './edge-under-test.ts';
import { settled } from './flow.ts';
import { connectRaw, exchangeRaw, get } from './raw-client.ts';
import { connectRawHttp2 } from './http2-raw-client.ts';

let certificate: TestCertificate;
beforeAll(() => (certificate = makeCertificate([host])));

const upgrade = get('/', 'Connection: Upgrade', 'Upgrade: websocket');

test('idle connections shut nobody out, also behind many old tunnels', async () => {
  const edge = await startEdge({ clientConnections: 80 });
  await edge.http('one', (_, response) => void response.end('served'));
  await edge.raw(
    'two',
    (socket) =>
      void socket.on('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')),
  );
  edge.setApp('ready', 'two');
  for (let n = 0; n < 64; n++) {
    const tunnel = await connectRaw(edge.port);
    tunnel.send(upgrade);
    await tunnel.seen(/101/);
  }
  edge.setApp('ready', 'one');
  for (let n = 0; n < 16; n++) await connectRaw(edge.port);
  // The first one finds that those that are looked at first are in use.
  const tries = [await exchangeRaw(edge.port, get('/', 'Connection: close')), await exchangeRaw(edge.port, get('/', 'Connection: close'))];
  expect(tries.join('')).toContain('served');
});

test('idle connections of HTTP/2 make room', async () => {
  const edge = await startEdge({ clientConnections: 4 });
  edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
  const clients: Awaited<ReturnType<typeof connectRawHttp2>>[] = [];
  for (let n = 0; n < 12; n++) clients.push(await connectRawHttp2(edge.securePort, host, certificate.chain));
  await until(() => clients.filter((client) => !client.closed()).length <= 4, 'the older ones are closed');
  expect(clients.at(-1)?.closed()).toBe(false);
});

/** A client that reads nothing, and whose response is all with the edge, but not all with the kernel. */
async function stalledReader(edge: Awaited<ReturnType<typeof startEdge>>): Promise<{ size: number; rest: () => Promise<number> }> {
  const server = await edge.edge.listen({ port: 0, host: '127.0.0.1' }, 'http');
  let size = 16 << 20;
  for (let tries = 0; tries < 40; tries++) {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    socket.write(get(`/${size}`));
    const [served] = await accepted;
    const writtenBytes = await settled(() => served.bytesWritten);
    if (edge.tenantState().admission.active === 0 && served.writableLength > 0) return { size, rest: () => restOf(socket, size) };
    // The first one tells how much there is room for.
    size = size === 16 << 20 ? writtenBytes - 200 : size - 2_048;
    socket.destroy();
    await edge.seen(() => edge.tenantState().admission.active === 0);
  }
  throw new Error('no size fits');
}

function restOf(socket: Socket, size: number): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    socket.on('data', (piece: Buffer) => (bytes += piece.length) > size && resolve(bytes));
    for (const event of ['close', 'end']) socket.on(event, () => resolve(bytes));
  });
}

describe('a response that its client has not taken yet', () => {
  async function startLarge(limits = {}) {
    const edge = await startEdge(limits);
    await edge.http('one', (request, response) => {
      const size = Number(request.url?.slice(1));
      response.setHeader('content-length', size).end(Buffer.alloc(size));
    });
    return edge;
  }

  test('goes out whole when the edge shuts down', async () => {
    const edge = await startLarge();
    const { size, rest } = await stalledReader(edge);
    const shutdown = edge.edge.shutdown(5_000);
    const got = await rest();
    expect(got).toBeGreaterThan(size);
    await shutdown;
  });

  test('goes out whole when others need room', async () => {
    const edge = await startLarge({ clientConnections: 2 });
    const { size, rest } = await stalledReader(edge);
    for (let n = 0; n < 3; n++) await connectRaw(edge.port);
    const got = await rest();
    expect(got).toBeGreaterThan(size);
  });
});
