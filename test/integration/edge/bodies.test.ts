import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { generousLimits } from '../../support/generous-limits.ts';
import { host, startEdge } from './edge-under-test.ts';
import { settled } from './flow.ts';
import { connectRaw, exchangeRaw, get, statusesOf } from './raw-client.ts';

const mebibyte = 1 << 20;
/** What may be on its way in the edge and in the two kernels' socket buffers, with room to spare. */
const inFlightBytes = 24 * mebibyte;
const bodyBytes = 96 * mebibyte;

/** Writes `total` bytes, each piece when the one before it was taken; answers how much was taken when no more is. */
function fill(write: (bytes: Buffer, onTaken: () => void) => void, total: number): Promise<number> {
  const chunk = Buffer.alloc(1 << 16, 'x');
  let takenBytes = 0;
  const writeNext = (): void =>
    write(chunk, () => {
      takenBytes += chunk.length;
      if (takenBytes < total) writeNext();
    });
  writeNext();
  return settled(() => takenBytes);
}

describe('a large body flows no faster than it is read', () => {
  test('from the app to a client that reads late', async () => {
    const { http, port } = await startEdge();
    const { promise: taken, resolve } = Promise.withResolvers<number>();
    await http('one', (_, response) => {
      response.setHeader('content-length', bodyBytes);
      resolve(fill((bytes, taken) => response.write(bytes, taken), bodyBytes));
    });
    const client = await connectRaw(port);
    let receivedBytes = 0;
    client.socket.removeAllListeners('data').on('data', (bytes: Buffer) => (receivedBytes += bytes.length));
    client.socket.pause();
    client.send(get('/', 'Connection: close'));
    expect(await taken).toBeLessThan(inFlightBytes);
    client.socket.resume();
    await once(client.socket, 'end');
    expect(receivedBytes).toBeGreaterThanOrEqual(bodyBytes);
  });

  test('from a client to an app that reads late', async () => {
    const { http, port } = await startEdge();
    const { promise: request, resolve } = Promise.withResolvers<IncomingMessage>();
    await http('one', (incoming, response) => {
      let receivedBytes = 0;
      incoming.on('data', (bytes: Buffer) => (receivedBytes += bytes.length)).on('end', () => response.end(`got ${receivedBytes}`));
      incoming.pause();
      resolve(incoming);
    });
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${48 * mebibyte}\r\nConnection: close\r\n\r\n`);
    const incoming = await request;
    const takenBytes = await fill((bytes, taken) => client.socket.write(bytes, taken), 48 * mebibyte);
    expect(takenBytes).toBeLessThan(inFlightBytes);
    incoming.resume();
    expect(await client.closed()).toMatch(new RegExp(`got ${48 * mebibyte}$`));
  });
});

describe('a chunked upload', () => {
  test('arrives as it was sent, cut anywhere', async () => {
    const { http, port } = await startEdge();
    await http('one', (incoming, response) => {
      let body = '';
      incoming
        .on('data', (bytes: Buffer) => (body += String(bytes)))
        .on('end', () => response.end(`${body} ${incoming.trailers['x-sum']}`));
    });
    const client = await connectRaw(port);
    const message = '3\r\nabc\r\n10;e=1\r\n0123456789abcdef\r\n0\r\nX-Sum: 1\r\nX-Tenantd-Tenant: evil\r\n\r\n';
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`);
    for (const character of message) {
      client.send(character);
      await new Promise(setImmediate);
    }
    expect(await client.closed()).toMatch(/abc0123456789abcdef 1$/);
  });
});

describe('a body over the limit of the tenant', () => {
  test('is refused by its length, before the app hears of it', async () => {
    const { raw, route, port } = await startEdge();
    route({ limits: { ...generousLimits, bodySizeBytes: 10 } });
    const connections = await raw('one', () => {});
    const text = await exchangeRaw(port, `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 11\r\n\r\n`);
    expect(statusesOf(text)).toEqual([413]);
    expect(connections.size).toBe(0);
  });

  test('is refused when its chunks add up to more', async () => {
    const { raw, route, port } = await startEdge();
    route({ limits: { ...generousLimits, bodySizeBytes: 10 } });
    const connections = await raw('one', (socket) => void socket.resume());
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n`);
    await expect.poll(() => connections.size).toBe(1);
    client.send('8\r\n12345678\r\n');
    expect(statusesOf(await client.closed())).toEqual([413]);
    await expect.poll(() => connections.size).toBe(0);
  });

  test('may be just as large as the limit', async () => {
    const { http, route, port } = await startEdge();
    route({ limits: { ...generousLimits, bodySizeBytes: 10 } });
    await http('one', (incoming, response) => void incoming.resume().on('end', () => response.end()));
    const text = await exchangeRaw(port, `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789`);
    expect(statusesOf(text)).toEqual([200]);
  });
});

describe('a client that closes', () => {
  test('its own direction after the request is answered', async () => {
    const { http, port } = await startEdge();
    await http('one', (_, response) => setImmediate(() => response.end('late')));
    const client = await connectRaw(port);
    client.socket.end(get('/'));
    expect(await client.closed()).toMatch(/\r\n\r\nlate$/);
  });

  test('in the middle of a body ends the request at the app', async () => {
    const { raw, port } = await startEdge();
    const open = await raw('one', (socket) => void socket.resume());
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\n\r\nabc`);
    await expect.poll(() => open.size).toBe(1);
    client.socket.end();
    expect(await client.closed()).toBe('');
    await expect.poll(() => open.size).toBe(0);
  });

  test('everything while it waits ends the request at the app', async () => {
    const { raw, port } = await startEdge();
    const open = await raw('one', (socket) => void socket.resume());
    const client = await connectRaw(port);
    client.send(get('/'));
    await expect.poll(() => open.size).toBe(1);
    client.socket.resetAndDestroy();
    await expect.poll(() => open.size).toBe(0);
  });
});
