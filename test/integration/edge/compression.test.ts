import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request, type RequestListener, type ServerResponse } from 'node:http';
import { brotliDecompressSync, createGunzip, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { codings } from '../../../src/http1/accept-encoding.ts';
import { until } from '../../support/until.ts';
import { appRoute, type EdgeUnderTest, host, startEdge } from './edge-under-test.ts';
import { settled } from './flow.ts';
import { connectRaw, exchangeRaw, get } from './raw-client.ts';

const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
const page = '<p>a line of a page</p>\n'.repeat(2_000);

async function startApp(listener: RequestListener, compress = true): Promise<EdgeUnderTest> {
  const edge = await startEdge();
  edge.route({ apps: [{ ...appRoute('ready', ['one']), compress }] });
  await edge.http('one', listener);
  return edge;
}

async function open(port: number, headers: Record<string, string>, method = 'GET', path = '/'): Promise<IncomingMessage> {
  const sent = request({ port, host: '127.0.0.1', method, path, agent: false, headers: { host, ...headers } }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  // The response tells of it too.
  sent.on('error', () => {});
  return response;
}

async function read(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

const sendPage = (response: ServerResponse, fields: Record<string, string | number> = {}): void => {
  response.writeHead(200, { 'content-type': 'text/html', etag: '"1"', 'accept-ranges': 'bytes', ...fields });
  response.end(page);
};

describe('an app that wants its answers compressed', () => {
  test.each(codings)('gets them so to a client that takes %s', async (coding) => {
    const { port } = await startApp((asked, response) => {
      if (asked.url === '/length') sendPage(response, { 'content-length': page.length });
      else sendPage(response);
    });
    const wanted = { 'accept-encoding': `${coding}, identity;q=0.5` };
    const response = await open(port, wanted);
    expect(response.headers).toMatchObject({ 'content-encoding': coding, vary: 'accept-encoding', etag: 'W/"1"' });
    for (const name of ['content-length', 'accept-ranges']) expect(response.headers).not.toHaveProperty(name);
    const body = await read(response);
    expect(decode[coding](body).toString()).toBe(page);
    expect(body.length).toBeLessThan(page.length / 10);
    const head = await open(port, wanted, 'HEAD');
    expect(head.headers).toMatchObject({ 'content-encoding': coding, vary: 'accept-encoding', etag: 'W/"1"' });
    expect(head.headers).not.toHaveProperty('content-length');
    expect((await read(head)).length).toBe(0);
  });

  test('gets them as they are to others', async () => {
    const { port } = await startApp((_, response) => sendPage(response, { 'content-length': page.length }));
    const response = await open(port, { 'accept-encoding': 'gzip;q=0' });
    expect(response.headers).toMatchObject({ 'content-length': String(page.length), vary: 'accept-encoding', etag: '"1"' });
    expect(String(await read(response))).toBe(page);
    const old = await exchangeRaw(port, `GET / HTTP/1.0\r\nHost: ${host}\r\nAccept-Encoding: gzip\r\n\r\n`);
    expect(old).toContain('a line of a page');
    expect(old).not.toContain('content-encoding');
  });

  test('keeps the connection of its client, and its own', async () => {
    const { port } = await startApp((_, response) => sendPage(response));
    const client = await connectRaw(port);
    const asked = [
      get('/', 'Accept-Encoding: gzip'),
      get('/', 'Accept-Encoding: br'),
      get('/', 'Accept-Encoding: zstd', 'Connection: close'),
    ];
    client.send(asked.join(''));
    const codings = (await client.closed()).match(/content-encoding: \w+/g);
    expect(codings).toEqual(['content-encoding: gzip', 'content-encoding: br', 'content-encoding: zstd']);
  });

  test('streams: what it wrote can be read before it writes more', async () => {
    const { promise: streaming, resolve } = Promise.withResolvers<ServerResponse>();
    const { port } = await startApp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 0\n\n');
      resolve(response);
    });
    const response = await open(port, { 'accept-encoding': 'gzip' });
    const decoder = response.pipe(createGunzip());
    const app = await streaming;
    for (let n = 0; n < 5; n++) {
      expect(String((await once(decoder, 'data'))[0])).toBe(`data: ${n}\n\n`);
      app.write(`data: ${n + 1}\n\n`);
    }
    app.end();
    expect((await decoder.toArray()).join('')).toBe('data: 5\n\n');
  });

  test('is read no faster than its client reads', async () => {
    let takenBytes = 0;
    const { port } = await startApp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      const writeNext = (gone?: Error | null): void => {
        if (gone) return;
        takenBytes += 1 << 16;
        // Nothing can be saved of random bytes.
        response.write(randomBytes(1 << 16), writeNext);
      };
      writeNext();
    });
    const response = await open(port, { 'accept-encoding': 'gzip' });
    response.pause();
    expect(await settled(() => takenBytes)).toBeLessThan(24 << 20);
    const before = takenBytes;
    response.resume();
    await until(() => takenBytes > before + (8 << 20), 'it goes on');
    response.destroy();
  });

  test('that dies in the middle cuts its client off, who sees it', async () => {
    const { port } = await startApp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write(page, () => response.destroy());
    });
    const response = await open(port, { 'accept-encoding': 'br' });
    await expect(read(response)).rejects.toThrow('aborted');
  });

  test('has room for more, however its answers end', async () => {
    const { port } = await startApp((asked, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write(page);
      if (asked.url === '/dies') setImmediate(() => response.destroy());
      else if (asked.url === '/ends') response.end();
    });
    const wanted = { 'accept-encoding': 'gzip' };
    for (let round = 0; round < 12; round++) {
      const left = await open(port, wanted, 'GET', '/stays');
      const cut = await open(port, wanted, 'GET', '/dies');
      const whole = await open(port, wanted, 'GET', '/ends');
      for (const { headers } of [left, cut, whole]) expect(headers['content-encoding']).toBe('gzip');
      left.destroy();
      await Promise.allSettled([read(cut), read(whole)]);
    }
  });

  test('has its answers sent as they are when there is no room', async () => {
    const { port } = await startApp((asked, response) => {
      response.writeHead(200, { 'content-type': asked.url === '/events' ? 'text/event-stream' : 'text/plain' }).write(page);
    });
    const codingOf = async (path: string): Promise<string | undefined> => {
      const { headers } = await open(port, { 'accept-encoding': 'gzip' }, 'GET', path);
      expect(headers.vary).toBe('accept-encoding');
      return headers['content-encoding'];
    };
    const codings: (string | undefined)[] = [];
    for (let answer = 0; answer < 9; answer++) codings.push(await codingOf('/events'));
    for (let answer = 0; answer < 9; answer++) codings.push(await codingOf('/'));
    const eight = Array.from({ length: 8 }, () => 'gzip');
    expect(codings).toEqual([...eight, undefined, ...eight, undefined]);
  });
});

describe('an answer that is not to be changed', () => {
  test.each([
    ['of an app that does not ask for it', {}, false],
    ['with no-transform', { 'cache-control': 'no-transform' }, true],
    ['coded already', { 'content-encoding': 'x-own' }, true],
    ['of another type', { 'content-type': 'image/png' }, true],
  ])('goes out as it came: %s', async (_, fields, compress) => {
    const { port } = await startApp((_request, response) => sendPage(response, { ...fields, 'content-length': page.length }), compress);
    const response = await open(port, { 'accept-encoding': 'gzip, br, zstd' });
    expect(response.headers).toMatchObject({ ...fields, etag: '"1"', 'content-length': String(page.length) });
    expect(response.headers).not.toHaveProperty('vary');
    expect(String(await read(response))).toBe(page);
  });

  test('a 304 names the validator of what was sent compressed', async () => {
    const { port } = await startApp((_, response) => response.writeHead(304, { etag: '"1"' }).end());
    const response = await open(port, { 'accept-encoding': 'gzip', 'if-none-match': 'W/"1"' });
    expect(response).toMatchObject({ statusCode: 304, headers: { etag: 'W/"1"', vary: 'accept-encoding' } });
  });
});
