import { describe, expect, test } from 'vitest';
import { host, startEdge } from './edge-under-test.ts';
import { connectRaw, exchangeRaw, get, statusesOf } from './raw-client.ts';

const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const post = (...lines: string[]): string => `POST / HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

describe('a client that tries to smuggle a request past the edge gets a 400 and a closed connection, and the app sees nothing', () => {
  test.each([
    ['both lengths', `${post('Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`],
    ['two lengths', `${post('Content-Length: 0', 'Content-Length: 40')}${smuggled}`],
    ['chunked in disguise', `${post('Transfer-Encoding: xchunked')}0\r\n\r\n${smuggled}`],
    ['chunked behind a tab', `${post('Transfer-Encoding:\u000bchunked')}0\r\n\r\n${smuggled}`],
    ['chunked on a folded line', `${post('Transfer-Encoding:', ' chunked')}0\r\n\r\n${smuggled}`],
    ['a space before the colon', `${post('Transfer-Encoding : chunked')}0\r\n\r\n${smuggled}`],
    ['chunked in HTTP/1.0', `POST / HTTP/1.0\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['two Hosts', `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: other\r\n\r\n${smuggled}`],
    ['bare line feeds', `GET / HTTP/1.1\nHost: ${host}\n\n${smuggled}`],
    ['a header behind a bare CR', `GET / HTTP/1.1\r\nHost: ${host}\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n${smuggled}`],
    ['a NUL in a value', `GET / HTTP/1.1\r\nHost: ${host}\r\nX: a\0\r\n\r\n${smuggled}`],
  ])('%s', async (_, text) => {
    const { http, port } = await startEdge();
    const urls: unknown[] = [];
    await http('one', (incoming, response) => {
      urls.push(incoming.url);
      response.end();
    });
    expect(statusesOf(await exchangeRaw(port, text))).toEqual([400]);
    expect(urls).toEqual([]);
  });

  test.each([
    ['a chunk size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
    ['a chunk that ends late', '5\r\nhello!\r\n0\r\n\r\n'],
    ['a bare LF in an extension', `2;\nxx\r\n10\r\n\r\n0\r\n\r\n${smuggled}`],
  ])('%s in a body', async (_, body) => {
    const { raw, port } = await startEdge();
    let seen = '';
    await raw('one', (socket) => socket.on('data', (bytes: Buffer) => (seen += String(bytes))));
    expect(statusesOf(await exchangeRaw(port, post('Transfer-Encoding: chunked') + body))).toEqual([400]);
    expect(seen).not.toContain('smuggled');
  });

  test.each([
    ['CONNECT', `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 405],
    ['TRACE', `TRACE / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 405],
    ['a long target', get(`/${'a'.repeat(9_000)}`), 414],
    ['a large head', get('/', ...Array.from({ length: 70 }, () => `x: ${'y'.repeat(1_000)}`)), 431],
    ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['a TLS handshake', '\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003', 400],
  ])('%s has a status of its own', async (_, text, status) => {
    const { port } = await startEdge();
    expect(statusesOf(await exchangeRaw(port, text))).toEqual([status]);
  });

  test('a second request inside a body is only ever body', async () => {
    const { http, port } = await startEdge();
    const seen: string[] = [];
    await http('one', (incoming, response) => {
      seen.push(incoming.url ?? '');
      let body = '';
      incoming.on('data', (bytes: Buffer) => (body += String(bytes))).on('end', () => response.end(`${body.length}`));
    });
    const client = await connectRaw(port);
    client.send(`${post(`Content-Length: ${smuggled.length}`)}${smuggled}${get('/after', 'Connection: close')}`);
    expect(statusesOf(await client.closed())).toEqual([200, 200]);
    expect(seen).toEqual(['/', '/after']);
  });
});

describe('an app that answers', () => {
  async function answerOf(response: string, requestText = get('/')): Promise<string> {
    const { raw, port } = await startEdge();
    await raw('one', (socket) => socket.on('data', () => socket.end(response, 'latin1')));
    return exchangeRaw(port, requestText.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  }

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['with both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['with another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc'],
    ['with a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
    ['with a control character', 'HTTP/1.1 200 OK\r\nX: \u0001\r\n\r\n'],
    ['with a bad first chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['with an endless head', `HTTP/1.1 200 OK\r\n${'X: yyyyyyyyyyyyyyyyyyyyyyy\r\n'.repeat(4_000)}`],
    ['with endless interim responses', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)],
    ['101 to who asked for no upgrade', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['nothing', ''],
  ])('%s is a 502', async (_, response) => {
    expect(statusesOf(await answerOf(response)).at(-1)).toBe(502);
  });

  test.each([
    ['a body cut short', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['chunks cut short', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc'],
  ])('%s cuts the connection of the client, so that it sees that something is missing', async (_, response) => {
    const { raw, port } = await startEdge();
    await raw('one', (socket) => socket.on('data', () => socket.end(response, 'latin1')));
    const client = await connectRaw(port);
    const reset = new Promise<Error>((resolve) => client.socket.once('error', resolve));
    client.send(get('/'));
    expect(await reset).toMatchObject({ code: 'ECONNRESET' });
  });

  test('more than its response never reaches the next request', async () => {
    const { raw, port } = await startEdge();
    const connections = new Set<unknown>();
    await raw('one', (socket) => {
      connections.add(socket);
      socket.on('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
      );
    });
    const client = await connectRaw(port);
    client.send(get('/1') + get('/2', 'Connection: close'));
    const text = await client.closed();
    expect(statusesOf(text)).toEqual([200, 200]);
    expect(text).not.toContain('evil');
    expect(connections.size).toBe(2);
  });

  test('something while nobody asked loses its connection', async () => {
    const { raw, port } = await startEdge();
    const open = await raw('one', (socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    const client = await connectRaw(port);
    client.send(get('/1'));
    await client.seen(/ok$/);
    for (const socket of open) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await expect.poll(() => open.size).toBe(0);
    client.send(get('/2'));
    expect(await client.seen(/ok[^]*ok$/)).not.toContain('evil');
  });
});
