import { beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { block, data, flags, frame, headers, settings, text, type, uint32 } from '../../unit/http2/peer.ts';
import { connectHttp2 } from './attack-http2-client.ts';
import { suspiciousUpstream } from './attack-upstream.ts';
import { heldBufferBytes } from '../../support/held-memory.ts';
import { type EdgeUnderTest, host, startEdge, startEdgeWith } from './edge-under-test.ts';
import { settled } from './flow.ts';

let certificate: TestCertificate;
beforeAll(() => (certificate = makeCertificate([host])));

const startSecureEdge = (...options: Parameters<typeof startEdge>): Promise<EdgeUnderTest> => startEdgeWith(certificate, ...options);

type Field = readonly [name: string, value: string];
type Fields = readonly Field[];

const request = (changes: Record<string, string | undefined> = {}, ...more: Fields): Fields => {
  const pseudo = { ':method': 'GET', ':scheme': 'https', ':authority': host, ':path': '/', ...changes };
  return [...Object.entries(pseudo).filter((entry): entry is [string, string] => entry[1] !== undefined), ...more];
};
const post = (...more: Fields): Fields => request({ ':method': 'POST' }, ...more);

describe('a head of HTTP/2 that would be more or something else as HTTP/1.1 is refused, and the app sees nothing', () => {
  const smuggled = `\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ${host}`;
  test.each<[string, Fields]>([
    ...['a\r\nx: y', 'a\nb', 'a\rb', 'a\0b', `a${smuggled}`, ' a', 'a ', '\ta', 'a\t', 'a\u007f'].map((value): [string, Fields] => [
      `value ${JSON.stringify(value)}`,
      request({}, ['x', value]),
    ]),
    ...[
      '',
      'X-Upper',
      'a b',
      'a:b',
      'a\r\nx',
      'a\nx',
      'a\0',
      'transfer-encoding: chunked\r\nx',
      'é',
      ' a',
      'a ',
      ':bogus',
      ':',
      ':protocol',
    ].map((name): [string, Fields] => [`name ${JSON.stringify(name)}`, request({}, [name, 'x'])]),
    ...(
      [
        ['transfer-encoding', 'chunked'],
        ['connection', 'close'],
        ['connection', 'transfer-encoding'],
        ['keep-alive', 'timeout=5'],
        ['proxy-connection', 'close'],
        ['upgrade', 'websocket'],
        ['te', 'gzip'],
        ['te', 'trailers, chunked'],
        ['host', 'evil.example'],
        ['host', ''],
        ['content-length', '+1'],
        ['content-length', '1, 1'],
        ['content-length', ''],
        ['content-length', '0x1'],
        ['content-length', '1'],
        ['content-length', '99999999999999999999'],
      ] as const
    ).map((field): [string, Fields] => [`${field[0]}: ${field[1]}`, request({}, field)]),
    ['two hosts', request({}, ['host', host], ['host', host])],
    ['two lengths', request({}, ['content-length', '0'], ['content-length', '0'])],
    ...[
      '',
      'a',
      'a/b',
      '*',
      '/a b',
      '/a\tb',
      '/a\r\nx: y',
      '/a\nb',
      '/a\0b',
      '/a#b',
      '/ HTTP/1.1\r\nx: y',
      'http://evil.example/',
      '//\\ ',
    ].map((path): [string, Fields] => [`path ${JSON.stringify(path)}`, request({ ':path': path })]),
    ...['', 'a b', `${host}\r\nx: y`, `${host}/a`, `evil@${host}`, `${host}, evil`, `${host}\0`, `${host}:80:80`, `${host}:x`, '#'].map(
      (authority): [string, Fields] => [`authority ${JSON.stringify(authority)}`, request({ ':authority': authority })],
    ),
    ...['', 'G ET', 'GET / HTTP/1.1\r\nx: y', 'GET\r\n', 'CONNECT', 'TRACE', 'PRI', 'é'].map((method): [string, Fields] => [
      `method ${JSON.stringify(method)}`,
      request({ ':method': method }),
    ]),
    ...[':method', ':scheme', ':path', ':authority'].map((name): [string, Fields] => [`no ${name}`, request({ [name]: undefined })]),
    ...[':method', ':scheme', ':path', ':authority'].map((name): [string, Fields] => [`two ${name}`, [[name, '/'], ...request()]]),
    ['a pseudo-header field behind another field', [...request({ ':path': undefined }), ['x', 'y'], [':path', '/']]],
  ])('%s', async (_, fields) => {
    const edge = await startSecureEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectHttp2(edge);
    client.send(headers(1, fields));
    expect((await client.over())[0]).toMatch(/^(400|405|RST protocolError)$/);
    expect(upstream.text()).toBe('');
  });

  test.each([':scheme', ':authority', ':path'])('a host of its own does not come in by %s', async (name) => {
    const edge = await startSecureEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectHttp2(edge);
    client.send(headers(1, request({ [name]: 'https://evil.example/' })));
    await client.over();
    expect(upstream.problems).toEqual([]);
    expect(upstream.text()).not.toContain('evil');
  });
});

describe('a body of HTTP/2', () => {
  const shorter = [headers(1, post(['content-length', '5']), false), data(1, 'abc', true)];
  const longer = [headers(1, post(['content-length', '3']), false), data(1, `abcGET /smuggled HTTP/1.1\r\nhost: ${host}\r\n\r\n`, true)];
  test.each([
    ['shorter than it says', shorter],
    ['longer than it says', longer],
    ['longer than nothing', [headers(1, post(['content-length', '0']), false), data(1, 'abc', true)]],
    ['missing', [headers(1, post(['content-length', '3']), true)]],
  ])('that is %s is no whole request to the app', async (_, frames) => {
    const edge = await startSecureEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectHttp2(edge);
    client.send(...frames);
    expect(await client.over()).toContain('RST protocolError');
    await edge.seen(() => upstream.open.size === 0);
    expect(upstream.problems).toEqual([]);
    expect(upstream.requests.filter(({ body }) => body !== '')).toEqual([]);
    expect(upstream.text()).not.toContain('smuggled');
  });

  test('that looks like chunks, or their end, is content', async () => {
    const edge = await startSecureEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectHttp2(edge);
    const content = `0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
    client.send(headers(1, post(), false), data(1, ''), data(1, content), data(1, '', true));
    expect(await client.over()).toContain('200');
    expect(upstream.problems).toEqual([]);
    expect(upstream.requests.map(({ body }) => body)).toEqual([content]);
  });

  test.each<[string, Fields]>([
    ['a pseudo-header field', [[':path', '/evil']]],
    ['a length', [['content-length', '50']]],
    ['a coding', [['transfer-encoding', 'chunked']]],
    ['a host', [['host', 'evil']]],
    ['a line end', [['x', 'y\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: z']]],
    ['a name in capitals', [['X', 'y']]],
  ])('that ends with %s among its trailers is no whole request to the app', async (_, trailers) => {
    const edge = await startSecureEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectHttp2(edge);
    client.send(headers(1, post(), false), data(1, 'abc'), headers(1, trailers));
    expect(await client.over()).toContain('RST protocolError');
    await edge.seen(() => upstream.open.size === 0);
    expect(upstream.requests).toEqual([]);
    expect(upstream.problems).toEqual([]);
    expect(upstream.text()).not.toMatch(/smuggled|evil/);
  });
});

describe('a client of HTTP/2 that floods is closed, and another one is served', () => {
  const headerBlock = block(request());
  /** Enters a field of 4,000 bytes into the table (RFC 7541 6.2.1), and then names it again and again by one byte each. */
  const bomb = Buffer.concat([headerBlock, Buffer.from([0x40]), text('x'), text('y'.repeat(4_000)), Buffer.alloc(12_000, 0x80 | 62)]);
  const continuations = Array.from({ length: 100 }, () => frame(type.continuation, 0, 1, block([['x', 'y']])));
  test.each<[string, Buffer[]]>([
    ['CONTINUATION frames', [frame(type.headers, flags.endStream, 1, headerBlock), ...continuations]],
    ['a block that grows when it is read', [frame(type.headers, flags.endHeaders | flags.endStream, 1, bomb)]],
    ['PING', Array.from({ length: 1_000 }, () => frame(type.ping, 0, 0, Buffer.alloc(8)))],
    ['SETTINGS', Array.from({ length: 1_000 }, () => settings([1, 0]))],
    ['empty DATA', [headers(1, post(), false), ...Array.from({ length: 1_000 }, () => data(1, ''))]],
    ['PRIORITY', Array.from({ length: 3_000 }, () => frame(type.priority, 0, 3, Buffer.from([0, 0, 0, 0, 9])))],
    [
      'RST_STREAM',
      Array.from({ length: 500 }, (_, at) => [headers(2 * at + 1, request()), frame(type.rstStream, 0, 2 * at + 1, uint32(8))]).flat(),
    ],
    ['malformed requests', Array.from({ length: 500 }, (_, at) => headers(2 * at + 1, request({ ':path': '' })))],
  ])('with %s', async (_, frames) => {
    const edge = await startSecureEdge();
    await edge.http('one', (incoming, response) => void (incoming.url === '/quick' && response.end('quick')));
    const client = await connectHttp2(edge);
    client.send(...frames);
    await client.hears('GOAWAY');
    await client.hears('closed');
    const other = await connectHttp2(edge);
    other.send(headers(1, request({ ':path': '/quick' })));
    expect((await other.over())[0]).toBe('200');
  });

  test('a head over the limit is a 431, and its connection goes on', async () => {
    const edge = await startSecureEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectHttp2(edge);
    const whole = block(request({}, ...Array.from({ length: 9 }, (_, at): Field => [`x${at}`, 'y'.repeat(8_000)])));
    const parts = Array.from({ length: Math.ceil(whole.length / 16_000) }, (_, at) => whole.subarray(at * 16_000, (at + 1) * 16_000));
    const last = parts.length - 1;
    client.send(
      ...parts.map((part, at) =>
        frame(
          at === 0 ? type.headers : type.continuation,
          (at === 0 ? flags.endStream : 0) | (at === last ? flags.endHeaders : 0),
          1,
          part,
        ),
      ),
      headers(3, request({ ':path': '/next' })),
    );
    await client.hears('200');
    expect(client.heard[0]).toBe('431');
    expect(upstream.requests.map(({ line }) => line)).toEqual(['GET /next HTTP/1.1']);
  });
});

describe('a client of HTTP/2 that takes nothing', () => {
  const initialWindow = 4;
  const piece = Buffer.alloc(64 << 10, 'x');

  test('of a hundred large answers makes the edge hold no more than a piece of each, and is cut in the end', async () => {
    const edge = await startSecureEdge({ clientStallMs: 3_000 });
    let written = 0;
    const open = new Set<unknown>();
    await edge.http('one', (incoming, response) => {
      if (incoming.url === '/quick') {
        response.end('quick');
        return;
      }
      open.add(response);
      response.on('close', () => open.delete(response));
      const writeOn = (): void => void response.write(piece, (error) => error || ((written += piece.length), writeOn()));
      writeOn();
    });
    const before = heldBufferBytes();
    const client = await connectHttp2(edge, [initialWindow, 0]);
    client.send(...Array.from({ length: 100 }, (_, at) => headers(2 * at + 1, request())));
    const other = await connectHttp2(edge);
    other.send(headers(1, request({ ':path': '/quick' })));
    expect((await other.over())[0]).toBe('200');
    // What a Unix socket holds, and a read in the edge, for each.
    expect(await settled(() => written)).toBeLessThan(100 * (512 << 10));
    expect(heldBufferBytes() - before).toBeLessThan(100 * (256 << 10));
    expect(client.dataBytes()).toBe(0);
    await edge.seen(() => open.size === 0);
  });
});
