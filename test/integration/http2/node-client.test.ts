import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders, type Settings } from 'node:http2';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { countedBytes, EngineServer } from './engine-server.ts';

let server: EngineServer;
let client: ClientHttp2Session;

async function open(settings: Settings = {}): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${server.port}`, { settings, maxSessionMemory: 100 });
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  return session;
}

beforeEach(async () => {
  server = await EngineServer.listen();
  client = await open();
});

afterEach(async () => {
  client.destroy();
  await server.close();
});

const begin = (path: string, fields: Record<string, string | string[]> = {}): ClientHttp2Stream =>
  client.request({ ':path': path, ...fields });

/** Of the next event, after what the request was given to send. */
async function headOf(stream: ClientHttp2Stream, event = 'response'): Promise<IncomingHttpHeaders & { ':status'?: number }> {
  const [head] = (await once(stream, event)) as [IncomingHttpHeaders];
  return head;
}

function resetOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  return new Promise((resolve) => void stream.on('error', () => {}).on('close', () => resolve(stream.rstCode)));
}

function change(settings: Settings): Promise<void> {
  return new Promise((resolve) => {
    client.settings(settings, () => resolve());
  });
}

describe("Node's client", () => {
  test('gets thousands of answers, a hundred at a time', async () => {
    for (let round = 0; round < 30; round++) {
      const bodies = Array.from({ length: 100 }, (_, at) => text(begin(`/count/${round}-${at}`)));
      expect(new Set(await Promise.all(bodies))).toEqual(new Set(['0']));
    }
    expect(server.served[0]?.connection.openStreams).toBe(0);
  });

  test('has a hundred requests open, which are answered in any order', async () => {
    const bodies = Array.from({ length: 100 }, (_, at) => text(begin(`/hold/${at}`)));
    await until(() => server.held.length === 100, 'all requests came');
    for (const stream of server.held.toReversed()) {
      stream.respond(200, [], false);
      stream.sendData(Buffer.from(stream.path), true);
    }
    expect(await Promise.all(bodies)).toEqual(Array.from({ length: 100 }, (_, at) => `/hold/${at}`));
  });

  test('sees fields, cookies and interim responses', async () => {
    const stream = begin('/hints', { cookie: ['a=b', 'c=d'], 'x-high': '\u00e9', 'user-agent': 'test' });
    stream.resume().end();
    const [hints, head] = await Promise.all([headOf(stream, 'headers'), headOf(stream)]);
    expect(hints).toMatchObject({ ':status': 103, link: '</a.css>; rel=preload' });
    expect(JSON.parse(String(head['x-fields']))).toBe('x-high: \u00e9\r\nuser-agent: test\r\ncookie: a=b; c=d\r\n');
    expect(head['set-cookie']).toEqual(['a=1', 'b=2']);
  });

  test('every byte of a value comes through, in whatever coding the client chooses', async () => {
    const value = Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code))
      .join('')
      .replaceAll(/[\0-\u0020\u007f]/g, '');
    const stream = begin('/hints', { 'x-value': value });
    stream.resume().end();
    expect(JSON.parse(String((await headOf(stream))['x-fields']))).toBe(`x-value: ${value}\r\n`);
  });

  test('downloads and uploads at once, each body whole', async () => {
    const content = countedBytes(0, 3_000_000);
    const downloads = [1, 65_535, 65_536, 1_000_000, 5_000_000].map(
      async (length) => [length, await buffer(begin(`/bytes/${length}`))] as const,
    );
    const echoes = Array.from({ length: 5 }, () => buffer(begin('/echo', { ':method': 'POST' }).end(content)));
    const counts = Array.from({ length: 5 }, () => text(begin('/count', { ':method': 'POST' }).end(content)));
    for (const [length, bytes] of await Promise.all(downloads)) expect(bytes.equals(countedBytes(0, length))).toBe(true);
    for (const bytes of await Promise.all(echoes)) expect(bytes.equals(content)).toBe(true);
    expect(new Set(await Promise.all(counts))).toEqual(new Set(['3000000']));
  });

  test('that reads nothing stops the server, and its own upload', async () => {
    const stream = begin('/echo', { ':method': 'POST' });
    const content = countedBytes(0, 3_000_000);
    stream.end(content);
    await once(stream, 'response');
    const connection = server.served[0]?.connection;
    const echo = connection?.openStream(1);
    await until(() => (echo?.unconsumed ?? 0) > 0, 'the echo is blocked');
    expect(echo?.queuedBytes).toBeLessThan(100_000);
    // Other streams go on.
    expect(await text(begin('/count'))).toBe('0');
    expect((await buffer(stream)).equals(content)).toBe(true);
  });

  test('gets its trailers back', async () => {
    const stream = client.request({ ':path': '/echo', ':method': 'POST' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-sum': 'abc' }));
    stream.end('hello');
    const [body, trailers] = await Promise.all([text(stream), headOf(stream, 'trailers')]);
    expect(body).toBe('hello');
    expect(trailers).toMatchObject({ 'grpc-status': '0', 'x-sum': 'abc' });
  });

  test('resets a request, and the server learns of it', async () => {
    const stream = begin('/hold');
    await until(() => server.held.length === 1, 'the request came');
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => server.resets.length === 1, 'the reset came');
    expect(server.resets).toEqual([constants.NGHTTP2_CANCEL]);
    expect(await text(begin('/count'))).toBe('0');
  });

  test('learns of resets, and of a connection that is gone the server does', async () => {
    const code = resetOf(begin('/hold'));
    await until(() => server.held.length === 1, 'the request came');
    server.held[0]?.reset(constants.NGHTTP2_REFUSED_STREAM);
    expect(await code).toBe(constants.NGHTTP2_REFUSED_STREAM);
    begin('/hold').on('error', () => {});
    await until(() => server.held.length === 2, 'the request came');
    client.destroy();
    await until(() => server.resets.length === 1, 'the receiver was told');
  });

  test('may change its settings in the middle', async () => {
    const downloads = Array.from({ length: 10 }, () => buffer(begin('/bytes/1000000')));
    await change({ initialWindowSize: 10_000 });
    downloads.push(buffer(begin('/bytes/300000')));
    await change({ initialWindowSize: 200_000, maxFrameSize: 1_000_000, headerTableSize: 0 });
    expect(await text(begin('/count'))).toBe('0');
    for (let turn = 0; turn < 4; turn++) {
      await change({ headerTableSize: [100, 4_096, 0, 65_536][turn] ?? 0 });
      const stream = begin(`/count/${turn}`);
      const [head, body] = await Promise.all([headOf(stream), text(stream)]);
      expect(head).toMatchObject({ ':status': 200, 'content-type': 'text/plain', server: 'engine', 'x-path': `/count/${turn}` });
      expect(body).toBe('0');
    }
    const lengths = (await Promise.all(downloads)).map(({ length }) => length);
    expect(lengths).toEqual([...Array.from({ length: 10 }, () => 1_000_000), 300_000]);
  });

  test('is shut down when what it began has ended', async () => {
    const stream = begin('/hold');
    await until(() => server.held.length === 1, 'the request came');
    const goAway = once(client, 'goaway');
    server.served[0]?.connection.shutdown();
    expect((await goAway)[0]).toBe(constants.NGHTTP2_NO_ERROR);
    const head = headOf(stream);
    server.held[0]?.respond(204, [], true);
    expect((await head)[':status']).toBe(204);
    stream.resume();
    await once(client, 'close');
    expect(server.served[0]?.closed).toBe('shut down');
  });
});

test('a client that opens more streams than it may has them refused', async () => {
  client.destroy();
  await server.close();
  server = await EngineServer.listen({ concurrentStreams: 3 });
  // Before it has read our settings.
  client = connect(`http://127.0.0.1:${server.port}`);
  client.on('error', () => {});
  const codes = Array.from({ length: 5 }, () => resetOf(begin('/hold')));
  await until(() => server.held.length === 3, 'three came through');
  for (const stream of server.held) stream.reset(constants.NGHTTP2_CANCEL);
  const counts = await Promise.all(codes);
  expect(counts.filter((code) => code === constants.NGHTTP2_CANCEL).length).toBeGreaterThanOrEqual(3);
});
