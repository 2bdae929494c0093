import { describe, expect, test } from 'vitest';
import { data, flags, frame, get, headers, integer, Peer, post, text, type } from './peer.ts';

type Field = readonly [name: string, value: string];
const [method, scheme, authority, path] = get;
const withField = (...fields: Field[]): Field[] => [...get, ...fields];

describe('a request', () => {
  test('is told with its fields as lines of HTTP/1.1', () => {
    const fields: Field[] = [
      ['accept', '*/*'],
      ['x-empty', ''],
      ['te', 'trailers'],
      ['content-length', '3'],
      ['x-high', '\u00e9\t!'],
    ];
    const stream = new Peer().send(headers(1, [...post, ...fields], false)).stream();
    expect(stream).toMatchObject({
      method: 'POST',
      scheme: 'https',
      authority: 'a.example',
      path: '/',
      contentLength: 3,
      requestEnded: false,
    });
    expect(stream.fieldLines).toBe('accept: */*\r\nx-empty: \r\nte: trailers\r\ncontent-length: 3\r\nx-high: \u00e9\t!\r\n');
  });

  test('has its cookie crumbs in one line', () => {
    const stream = new Peer().send(headers(1, withField(['cookie', 'a=b'], ['x', 'y'], ['cookie', 'c=d'], ['cookie', 'e=f']))).stream();
    expect(stream.fieldLines).toBe('x: y\r\ncookie: a=b; c=d; e=f\r\n');
  });

  test('may name its host by Host', () => {
    const stream = new Peer().send(headers(1, [method, scheme, path, ['host', 'b.example:8443'], ['x', 'y']])).stream();
    expect(stream.authority).toBe('b.example:8443');
    expect(stream.fieldLines).toBe('x: y\r\n');
  });

  test('may name its host by both when they agree', () => {
    expect(new Peer().send(headers(1, withField(['host', 'A.example']))).stream().authority).toBe('a.example');
  });

  test('may be OPTIONS * and CONNECT', () => {
    const peer = new Peer().send(
      headers(1, [[':method', 'OPTIONS'], scheme, authority, [':path', '*']]),
      headers(
        3,
        [
          [':method', 'CONNECT'],
          [':authority', 'a.example:443'],
        ],
        false,
      ),
    );
    expect(peer.streams.map((stream) => [stream.method, stream.path, stream.authority])).toEqual([
      ['OPTIONS', '*', 'a.example'],
      ['CONNECT', '', 'a.example:443'],
    ]);
  });

  test('repeated through the tables is the same again', () => {
    const literal = ([name, value]: Field): Buffer => Buffer.concat([Buffer.from([0x40]), text(name), text(value)]);
    const fields = withField(['accept', 'x'], ['cookie', 'a=b'], ['cookie', 'c'], ['content-length', '0']);
    const peer = new Peer().send(frame(type.headers, flags.endHeaders | 1, 1, Buffer.concat(fields.map(literal))));
    const indices = fields.map((_, at) => integer(62 + fields.length - 1 - at, 7, 0x80));
    for (let id = 3; id < 9; id += 2) {
      const { fieldLines, ...others } = peer.send(frame(type.headers, flags.endHeaders | 1, id, Buffer.concat(indices))).stream();
      expect(fieldLines).toBe('accept: x\r\ncontent-length: 0\r\ncookie: a=b; c\r\n');
      expect(others).toMatchObject({ method: 'GET', authority: 'a.example', path: '/', contentLength: 0 });
    }
  });
});

describe('a request is malformed', () => {
  test.each<[string, Field[]]>([
    ['without :method', [scheme, authority, path]],
    ['without :scheme', [method, authority, path]],
    ['without :path', [method, scheme, authority]],
    ['without :authority and Host', [method, scheme, path]],
    ['with two :method', [method, ...get]],
    ['with two :scheme', [scheme, ...get]],
    ['with two :authority', [authority, ...get]],
    ['with two :path', [path, ...get]],
    ['with a pseudo-header field after others', [method, scheme, authority, ['x', 'y'], path]],
    ['with :status', [[':status', '200'], ...get]],
    ['with :protocol', [[':protocol', 'websocket'], ...get]],
    ['with an unknown pseudo-header field', [[':x', 'y'], ...get]],
    ['with an empty :path', [method, scheme, authority, [':path', '']]],
    ['with a :path that is a URL', [method, scheme, authority, [':path', 'https://a.example/']]],
    ['with a space in its :path', [method, scheme, authority, [':path', '/a HTTP/1.1']]],
    ['with a line end in its :path', [method, scheme, authority, [':path', '/\r\nx: y']]],
    ['with a control character in its :path', [method, scheme, authority, [':path', '/\x01']]],
    ['with * for GET', [method, scheme, authority, [':path', '*']]],
    ['with an odd :method', [[':method', 'GE T'], scheme, authority, path]],
    ['with an empty :method', [[':method', ''], scheme, authority, path]],
    ['with an odd :scheme', [method, [':scheme', 'ht tp'], authority, path]],
    ['with an empty :authority', [method, scheme, [':authority', ''], path]],
    ['with userinfo', [method, scheme, [':authority', 'u:p@a.example'], path]],
    ['with a path in :authority', [method, scheme, [':authority', 'a.example/x'], path]],
    ['with a space in :authority', [method, scheme, [':authority', 'a b'], path]],
    ['when :authority and Host differ', withField(['host', 'b.example'])],
    ['with two Hosts', withField(['host', 'a.example'], ['host', 'a.example'])],
    ['with an empty Host', withField(['host', ''])],
    ['when CONNECT has a :path', [[':method', 'CONNECT'], authority, path]],
    ['when CONNECT has a :scheme', [[':method', 'CONNECT'], authority, scheme]],
    [
      'when CONNECT has Host alone',
      [
        [':method', 'CONNECT'],
        ['host', 'a.example'],
      ],
    ],
    ['with an upper-case name', withField(['X', 'y'])],
    ['with an empty name', withField(['', 'y'])],
    ['with a space in a name', withField(['x y', 'z'])],
    ['with a colon in a name', withField(['x:y', 'z'])],
    ['with a line end in a name', withField(['x\r\ny', 'z'])],
    ['with a byte over 0x7f in a name', withField(['x\u00e9', 'z'])],
    ['with CR in a value', withField(['x', 'a\rb'])],
    ['with LF in a value', withField(['x', 'a\nb'])],
    ['with NUL in a value', withField(['x', 'a\0b'])],
    ['with DEL in a value', withField(['x', 'a\x7fb'])],
    ['with a leading space', withField(['x', ' a'])],
    ['with a trailing tab', withField(['x', 'a\t'])],
    ['with Connection', withField(['connection', 'close'])],
    ['with Proxy-Connection', withField(['proxy-connection', 'close'])],
    ['with Keep-Alive', withField(['keep-alive', '1'])],
    ['with Transfer-Encoding', withField(['transfer-encoding', 'chunked'])],
    ['with Upgrade', withField(['upgrade', 'h2c'])],
    ['with another TE', withField(['te', 'trailers, deflate'])],
    ['with an odd Content-Length', withField(['content-length', '+1'])],
    ['with a huge Content-Length', withField(['content-length', '1'.repeat(16)])],
    ['with two Content-Lengths', withField(['content-length', '0'], ['content-length', '0'])],
    ['with a Content-Length and no body', withField(['content-length', '1'])],
  ])('%s', (_, fields) => {
    const peer = new Peer().send(headers(1, fields), headers(3));
    expect(peer.streams.map(({ id }) => id)).toEqual([3]);
    expect(peer.hearText()).toEqual(['RST 1 protocolError']);
  });

  test('when its body is longer than its Content-Length', () => {
    const peer = new Peer().send(headers(1, [...post, ['content-length', '3']], false), data(1, 'ab'), data(1, 'cd'));
    expect(peer.told).toEqual(['data 1 ab', 'reset 1 protocolError']);
  });

  test('when its body is shorter than its Content-Length', () => {
    const peer = new Peer().send(headers(1, [...post, ['content-length', '3']], false), data(1, 'ab', true));
    expect(peer.told).toEqual(['reset 1 protocolError']);
    const other = new Peer().send(headers(1, [...post, ['content-length', '3']], false), data(1, 'ab'), headers(1, [['x', 'y']]));
    expect(other.told).toEqual(['data 1 ab', 'reset 1 protocolError']);
  });
});

describe('trailers', () => {
  const begun = (): Peer => new Peer().send(headers(1, post, false), data(1, 'ab'));

  test('end a request', () => {
    const peer = begun().send(
      headers(1, [
        ['x-sum', '1'],
        ['y', 'z'],
      ]),
    );
    expect(peer.told).toEqual(['data 1 ab', 'trailers 1 x-sum: 1\r\ny: z\r\n']);
    expect(peer.stream().requestEnded).toBe(true);
  });

  test.each<[string, Field[], boolean]>([
    ['that do not end it', [['x', 'y']], false],
    ['with a pseudo-header field', [path], true],
    ['with :status', [[':status', '200']], true],
    ['with Content-Length', [['content-length', '2']], true],
    ['with Host', [['host', 'a.example']], true],
    ['with an upper-case name', [['X', 'y']], true],
    ['with Transfer-Encoding', [['transfer-encoding', 'chunked']], true],
    ['over the limit', Array.from({ length: 20 }, (_, at): Field => [`x-${at}`, 'y'.repeat(4_000)]), true],
  ])('%s are malformed', (_, fields, ended) => {
    const bytes = headers(1, fields, ended);
    const peer = begun();
    if (bytes.length > 16_384 + 9) {
      const content = bytes.subarray(9);
      for (let at = 0; at < content.length; at += 16_384) {
        const last = at + 16_384 >= content.length ? flags.endHeaders : 0;
        peer.send(frame(at === 0 ? type.headers : type.continuation, last | (at === 0 ? 1 : 0), 1, content.subarray(at, at + 16_384)));
      }
    } else peer.send(bytes);
    expect(peer.told).toEqual(['data 1 ab', 'reset 1 protocolError']);
  });
});

describe('too many fields', () => {
  const big: Field = ['x-big', 'v'.repeat(3_000)];

  test('over the advertised limit are a request to answer 431', () => {
    const peer = new Peer({ fieldSectionBytes: 8_000 }).send(headers(1, withField(['x', 'y'], big, big, big)), headers(3));
    const [large, next] = peer.streams;
    expect(large).toMatchObject({ fieldsTooLarge: true, path: '/' });
    expect(large?.fieldLines.length).toBeLessThan(8_000);
    expect(next?.fieldsTooLarge).toBe(false);
  });

  test('over the hard limit end the connection, also when one entry of the table makes them (HPACK bomb)', () => {
    const entry = Buffer.concat([Buffer.from([0x40]), text(...(big.slice(0, 1) as [string])), text(big[1])]);
    const bomb = Buffer.concat([entry, Buffer.alloc(2_000, 0x80 | 62)]);
    const peer = new Peer().send(frame(type.headers, flags.endHeaders | 1, 1, bomb));
    expect(peer.closed).toBe('enhanceYourCalm: field section too large');
    expect(peer.streams).toEqual([]);
  });
});
