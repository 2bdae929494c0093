import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type EdgeUnderTest, host, startEdge } from './edge-under-test.ts';
import { settled } from './flow.ts';
import { connectRaw, get, type RawClient, statusesOf } from './raw-client.ts';

const switching = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n';
const upgrade = get('/chat', 'Connection: keep-alive, Upgrade', 'Upgrade: echo');

/** An app that sends back whatever comes after its 101. */
function echo(socket: Socket): void {
  socket.once('data', (head: Buffer) => {
    const end = head.indexOf('\r\n\r\n') + 4;
    socket.write(`${switching}hello,`);
    socket.write(head.subarray(end));
    socket.pipe(socket);
  });
}

async function openTunnel({ port }: EdgeUnderTest, early = ''): Promise<RawClient> {
  const client = await connectRaw(port);
  client.send(upgrade + early);
  await client.seen(/hello,/);
  return client;
}

describe('an upgraded connection', () => {
  test('carries bytes both ways, also those that came with the heads', async () => {
    const world = await startEdge();
    await world.raw('one', echo);
    const client = await openTunnel(world, 'early,');
    client.send('later');
    const text = await client.seen(/later$/);
    expect(text).toMatch(/^HTTP\/1\.1 101 [^]*Upgrade: echo\r\nconnection: upgrade\r\nx-request-id: \w+\r\n\r\nhello,early,later$/);
  });

  test('survives every change of routes, and drains as if it were not there', async () => {
    const world = await startEdge();
    await world.raw('one', echo);
    const client = await openTunnel(world);
    world.setApp('stopped');
    world.edge.routes.removeTenant('acme' as never);
    expect(await world.edge.drainUpstream('site.one', 5_000)).toBe(true);
    client.send('still here');
    await client.seen(/still here$/);
  });

  test('closes one direction at a time', async () => {
    const world = await startEdge();
    await world.raw('one', (socket) => {
      socket.once('data', () => socket.write(`${switching}hello,`));
      socket.on('end', () => socket.end('goodbye'));
    });
    const client = await openTunnel(world);
    client.socket.end();
    expect(await client.closed()).toMatch(/hello,goodbye$/);
  });

  test('that one side closed does not stay half open for ever', async () => {
    const world = await startEdge({ halfClosedMs: 40 });
    await world.raw('one', (socket) => socket.once('data', () => socket.write(`${switching}hello,`)));
    const client = await openTunnel(world);
    client.socket.end();
    expect(await client.closed()).toMatch(/hello,$/);
  });

  test.each(['client', 'app'] as const)('ends for both when the %s breaks off', async (side) => {
    const world = await startEdge();
    const open = await world.raw('one', echo);
    const client = await openTunnel(world);
    const [app] = open;
    if (side === 'client') client.socket.resetAndDestroy();
    else app?.destroy();
    await client.closed();
    await expect.poll(() => open.size).toBe(0);
  });

  test('flows no faster than it is read', async () => {
    const world = await startEdge();
    let takenBytes = 0;
    const megabyte = Buffer.alloc(1 << 20);
    await world.raw('one', (socket) => {
      socket.once('data', () => {
        socket.write(`${switching}hello,`);
        for (let i = 0; i < 64; i++) socket.write(megabyte, () => (takenBytes += megabyte.length));
      });
    });
    const client = await connectRaw(world.port);
    client.socket.once('data', () => client.socket.pause());
    client.send(upgrade);
    expect(await settled(() => takenBytes)).toBeLessThan(24 << 20);
    let receivedBytes = 0;
    client.socket.on('data', (bytes: Buffer) => (receivedBytes += bytes.length)).resume();
    await expect.poll(() => receivedBytes, { timeout: 8_000 }).toBeGreaterThan(60 << 20);
  });
});

describe('an upgrade', () => {
  test('that the app does not want is an ordinary request, and so is the next', async () => {
    const world = await startEdge();
    await world.http('one', (incoming, response) => response.end(incoming.url));
    const client = await connectRaw(world.port);
    client.send(upgrade + get('/next', 'Connection: close'));
    const text = await client.closed();
    expect(statusesOf(text)).toEqual([200, 200]);
    expect(text).toMatch(/\/chat[^]*\/next$/);
  });

  test('to h2c is never offered to an app', async () => {
    const world = await startEdge();
    await world.http('one', (incoming, response) => response.end(incoming.rawHeaders.join(' ')));
    const client = await connectRaw(world.port);
    client.send(get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'));
    expect(await client.seen(/x-forwarded-port \d+$/)).not.toMatch(/h2c|http2/i);
  });

  test('that the app asks for reaches the client', async () => {
    const world = await startEdge();
    await world.raw('one', (socket) => {
      socket.on('data', () =>
        socket.write('HTTP/1.1 426 Upgrade Required\r\nUpgrade: echo\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n'),
      );
    });
    const client = await connectRaw(world.port);
    client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(await client.seen(/\r\n\r\n$/)).toMatch(/Upgrade: echo\r\n[^]*connection: upgrade\r\n/);
  });
});
