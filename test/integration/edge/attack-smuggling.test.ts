import { describe, expect, test } from 'vitest';
import { suspiciousUpstream } from './attack-upstream.ts';
import { host, startEdge } from './edge-under-test.ts';
import { connectRaw, exchangeRaw, get, statusesOf } from './raw-client.ts';

const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const post = (fields: string): string => `POST / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n\r\n`;
const chunkedThenSmuggled = `0\r\n\r\n${smuggled}`;
/** As long as what `Content-Length: 4` claims is shorter than the chunks: whoever goes by the other length sees two requests. */
const hiddenInChunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;

/** Names of transfer codings, and ways to write the field, that some parser somewhere reads as chunked. */
const disguises = [
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: chunk',
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: 'chunked'",
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked; foo=bar',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding:',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  'Transfer-Encoding\n: chunked',
  'Transfer-Encoding:\n chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\r\n\tchunked',
  'Transfer-Encoding: \u000bchunked',
  'Transfer-Encoding: \u000cchunked',
  'Transfer-Encoding: \u0000chunked',
  'Transfer-Encoding: chunked\u0000',
  'Transfer-Encoding: \u00a0chunked',
  'Transfer-Encoding: chunked\u0085',
  'Transfer-Encoding: chunked\u007f',
  ' Transfer-Encoding: chunked',
  '\tTransfer-Encoding: chunked',
  'X: y\r\n Transfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\r\n\rTransfer-Encoding: chunked',
  '\u0000Transfer-Encoding: chunked',
  'Transfer-Encoding\u0000: chunked',
  '\u00ffTransfer-Encoding: chunked',
  'Transfer-Encoding=chunked',
  'Transfer-Encoding',
];

const lengths = [
  ...['+0', '-0', '0x0', '0.0', '0,0', '0, 5', '0 0', '0;', '1e1', '', '０', '0\u000b', '0\u0000', '"0"', '18446744073709551616'],
  ...['99999999999999999999999999', '0\r\nContent-Length: 0', '0\r\nContent-Length: 5', '0\n', '\n 0', '\r\n 0'],
].map((length) => `Content-Length: ${length}`);

describe('a head that two parsers could read differently is a 400, and the app sees nothing', () => {
  test.each<readonly [name: string, text: string]>([
    ...disguises.map((field) => [field, `${post(`Content-Length: 4\r\n${field}`)}${hiddenInChunk}`] as const),
    ...disguises.map((field) => [`${field} (alone)`, `${post(field)}${chunkedThenSmuggled}`] as const),
    ...lengths.map((field) => [field, `${post(field)}${smuggled}`] as const),
    ['CL.TE', `${post('Content-Length: 6\r\nTransfer-Encoding: chunked')}0\r\n\r\nG`],
    ['TE.CL', `${post('Transfer-Encoding: chunked\r\nContent-Length: 4')}${hiddenInChunk}`],
    [
      'CL.TE, one named by Connection',
      `${post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding')}0\r\n\r\nG`,
    ],
    [
      'CL.TE, the other named by Connection',
      `${post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\nConnection: content-length')}0\r\n\r\nG`,
    ],
    ['chunked in HTTP/1.0', post('Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0') + chunkedThenSmuggled],
    ['two spaces in the request line', get('/').replace(' /', '  /') + smuggled],
    ['a tab in the request line', get('/').replace(' /', '\t/') + smuggled],
    ['a space in the target', get('/a /b') + smuggled],
    ['a CR in the target', get('/a\rb') + smuggled],
    ['a NUL in the target', get('/a\u0000b') + smuggled],
    ['a fragment in the target', get('/a#/../b') + smuggled],
    ['a target without a slash', get('evil') + smuggled],
    ['an asterisk that is no OPTIONS', get('*') + smuggled],
    ['user information in an absolute target', get(`http://user@${host}/`) + smuggled],
    ['a version in lower case', get('/').replace('HTTP/', 'http/') + smuggled],
    ['a version with more digits', get('/').replace('HTTP/1.1', 'HTTP/1.10') + smuggled],
    ['no version', `GET /\r\nHost: ${host}\r\n\r\n${smuggled}`],
    ['no Host', `GET / HTTP/1.1\r\nX: y\r\n\r\n${smuggled}`],
    ['two Hosts', `${get('/', `Host: ${host}`)}${smuggled}`],
    ['two names in a Host', `GET / HTTP/1.1\r\nHost: ${host}, evil\r\n\r\n${smuggled}`],
    ['a path in a Host', `GET / HTTP/1.1\r\nHost: ${host}/evil\r\n\r\n${smuggled}`],
    ['user information in a Host', `GET / HTTP/1.1\r\nHost: evil@${host}\r\n\r\n${smuggled}`],
    ['a space before the first field', `GET / HTTP/1.1\r\n Host: ${host}\r\n\r\n${smuggled}`],
    ['a name without a colon', get('/', 'X') + smuggled],
    ['a field without a name', get('/', ': x') + smuggled],
    ['a name with a space', get('/', 'X Y: z') + smuggled],
  ])('%j', async (_, text) => {
    const edge = await startEdge();
    const upstream = await suspiciousUpstream(edge);
    const statuses = statusesOf(await exchangeRaw(edge.port, text));
    expect(statuses).toHaveLength(1);
    expect([400, 501, 505]).toContain(statuses[0]);
    expect(upstream.text()).toBe('');
  });
});

describe('a chunked body that two parsers could end differently is never more than one request', () => {
  test.each([
    '0x0\r\n\r\n',
    '0 \r\n\r\n',
    ' 0\r\n\r\n',
    '-0\r\n\r\n',
    '+0\r\n\r\n',
    '\r\n0\r\n\r\n',
    '0\n\r\n',
    '0\r\n\n',
    '0\r\n\r',
    '0\r\r\n\r\n',
    '0\n\n',
    '1;\n\r\nx\r\n0\r\n\r\n',
    '1;a\rb\r\nx\r\n0\r\n\r\n',
    '1;a\u0000\r\nx\r\n0\r\n\r\n',
    '1\r\nxy\r\n0\r\n\r\n',
    '1\r\nx0\r\n\r\n',
    '1\r\nx\n0\r\n\r\n',
    '10000000000000000\r\nx\r\n0\r\n\r\n',
    'fffffffffffffffff\r\nx\r\n0\r\n\r\n',
    '0\r\nContent-Length: 5\nX: y\r\n\r\n',
    '0\r\nContent-Length: 50\r\n\r\n',
    '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    '0\r\nHost: evil\r\n\r\n',
    '0\r\nX : y\r\n\r\n',
    '0\r\n X: y\r\n\r\n',
    '0\r\nX\r\n\r\n',
    '0\r\nX: y\r\n \r\n\r\n',
    '0\r\nX: y\r\n\rZ: a\r\n\r\n',
  ])('%j', async (body) => {
    const edge = await startEdge();
    const upstream = await suspiciousUpstream(edge);
    const text = await exchangeRaw(edge.port, post('Transfer-Encoding: chunked') + body + smuggled);
    expect(statusesOf(text)).toEqual([400]);
    await edge.seen(() => upstream.open.size === 0);
    expect(upstream.requests).toEqual([]);
    expect(upstream.problems).toEqual([]);
    expect(upstream.heads()).toBeLessThanOrEqual(1);
    expect(upstream.text()).not.toContain('smuggled');
  });
});

describe('what is legal, though odd, is one request with one meaning', () => {
  test.each([
    ['a chunk extension', 'Transfer-Encoding: chunked', '3;x="y"\r\nabc\r\n0\r\n\r\n', 'abc'],
    ['capitals', 'TRANSFER-ENCODING: CHUNKED', '3\r\nabc\r\n0\r\n\r\n', 'abc'],
    ['a chunk size with zeros', 'Transfer-Encoding: chunked', '0003\r\nabc\r\n000\r\n\r\n', 'abc'],
    ['a body that looks like the end of chunks', 'Content-Length: 5', '0\r\n\r\n', '0\r\n\r\n'],
    ['a body that is a request', `Content-Length: ${smuggled.length}`, smuggled, smuggled],
    ['a length named by Connection', 'Content-Length: 3\r\nConnection: content-length', 'abc', 'abc'],
    ['a coding named by Connection', 'Transfer-Encoding: chunked\r\nConnection: transfer-encoding', '3\r\nabc\r\n0\r\n\r\n', 'abc'],
    ['a Host named by Connection', 'Content-Length: 3\r\nConnection: host', 'abc', 'abc'],
    ['an expectation that is none', 'Content-Length: 3\r\nExpect: y 100-continue', 'abc', 'abc'],
  ])('%s', async (_, fields, body, content) => {
    const edge = await startEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectRaw(edge.port);
    client.send(`${post(fields)}${body}${get('/after', 'Connection: close')}`);
    const statuses = statusesOf(await client.closed());
    expect(statuses.length).toBeGreaterThan(0);
    expect(upstream.problems).toEqual([]);
    expect(upstream.requests.map(({ line, body }) => [line, body])).toEqual([
      ['POST / HTTP/1.1', content],
      ...(statuses.length === 2 ? [['GET /after HTTP/1.1', '']] : []),
    ]);
    expect(upstream.text()).toMatch(new RegExp(`\r\nhost: ${host}\r\n`, 'i'));
  });

  test.each(['Transfer_Encoding: chunked', 'Content_Length: 50', 'Content-Length-: 50', 'X-Transfer-Encoding: chunked'])(
    '%s frames nothing, and reaches no app that could think so',
    async (field) => {
      const edge = await startEdge();
      const upstream = await suspiciousUpstream(edge);
      await exchangeRaw(edge.port, `${post(`Content-Length: 3\r\n${field}`)}abc${get('/after', 'Connection: close')}`);
      expect(upstream.requests.map(({ line, body }) => [line, body])).toEqual([
        ['POST / HTTP/1.1', 'abc'],
        ['GET /after HTTP/1.1', ''],
      ]);
      expect(upstream.problems).toEqual([]);
    },
  );

  test('an upgrade that the app declines leaves a connection on which every request is read by the edge', async () => {
    const edge = await startEdge();
    const upstream = await suspiciousUpstream(edge);
    const client = await connectRaw(edge.port);
    client.send(get('/socket', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 777'));
    client.send(`GET /internal HTTP/1.1\r\nHost: nobody.example\r\n\r\n${get('/after', 'Connection: close')}`);
    expect(statusesOf(await client.closed())).toEqual([200, 421, 200]);
    expect(upstream.requests.map(({ line }) => line)).toEqual(['GET /socket HTTP/1.1', 'GET /after HTTP/1.1']);
  });

  test.each(['h2c', 'HTTP/2.0', 'TLS/1.0, HTTP/1.1', 'websocket, h2c'])('an upgrade to %s is not passed on', async (protocol) => {
    const edge = await startEdge();
    const upstream = await suspiciousUpstream(edge);
    const fields = ['Connection: Upgrade, HTTP2-Settings, close', `Upgrade: ${protocol}`, 'HTTP2-Settings: AAMAAABkAAQAAP__'];
    expect(statusesOf(await exchangeRaw(edge.port, get('/', ...fields)))).toEqual([200]);
    expect([...(upstream.requests[0]?.fields.keys() ?? [])]).not.toEqual(expect.arrayContaining(['upgrade']));
    expect(upstream.requests[0]?.fields.has('http2-settings')).toBe(false);
  });
});
