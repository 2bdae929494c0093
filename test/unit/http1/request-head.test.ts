import { describe, expect, test } from 'vitest';
import { findHeadEnd, refuseIncompleteHead, skipEmptyLines } from '../../../src/http1/head-end.ts';
import { parseRequestHead, RequestHead } from '../../../src/http1/request-head.ts';
import type { Refusal } from '../../../src/http1/refusals.ts';

const head = new RequestHead();

function parse(text: string): Refusal | undefined {
  const bytes = Buffer.from(text, 'latin1');
  const end = findHeadEnd(bytes, 0);
  if (end === -1) throw new Error('the test has no whole head');
  return parseRequestHead(bytes, end, head);
}

const get = (...fields: string[]): string => `GET / HTTP/1.1\r\nHost: a.example\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const names = (prefix: string, count: number): string => Array.from({ length: count }, (_, i) => `${prefix}${i}`).join();
const line = (requestLine: string, host = 'Host: a.example\r\n'): string => `${requestLine}\r\n${host}\r\n`;

describe('a hostile head is refused', () => {
  test.each<[string, string, number, RegExp]>([
    ['a bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 400, /bare/],
    ['a bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400, /request line|bare/],
    ['a bare CR in a value', get('X: a\rb'), 400, /bare/],
    ['a bare CR as a line end', get('X: a\rY: b'), 400, /bare/],
    ['a line feed where a field begins', 'GET / HTTP/1.1\r\nHost: a\r\n\nX: b\r\n\r\n', 400, /bare/],
    ['a folded line', get('X: a', ' b'), 400, /folded/],
    ['a line folded by a tab', get('X: a', '\tb'), 400, /folded/],
    ['a fold before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400, /folded/],
    ['a space before the colon', get('Content-Length : 3'), 400, /before colon/],
    ['a tab before the colon', get('Transfer-Encoding\t: chunked'), 400, /before colon/],
    ['no field name', get(': a'), 400, /field name/],
    ['no colon', get('abc'), 400, /bare|field name/],
    ['a slash in a field name', get('a/b: c'), 400, /field name/],
    ['a high byte in a field name', get('f\u00fc: c'), 400, /field name/],
    ['NUL in a value', get('X: a\0b'), 400, /control/],
    ['DEL in a value', get('X: a\u007fb'), 400, /control/],
    ['a vertical tab before chunked', get('Transfer-Encoding: \u000bchunked'), 400, /control/],
    ['both lengths', get('Content-Length: 3', 'Transfer-Encoding: chunked'), 400, /both/],
    ['both lengths, the other way around', get('Transfer-Encoding: chunked', 'Content-Length: 3'), 400, /both/],
    ['two lengths', get('Content-Length: 3', 'Content-Length: 4'), 400, /several Content-Length/],
    ['the same length twice', get('Content-Length: 3', 'content-length: 3'), 400, /several Content-Length/],
    ['a list of lengths', get('Content-Length: 3, 3'), 400, /invalid Content-Length/],
    ['a signed length', get('Content-Length: +3'), 400, /invalid Content-Length/],
    ['a negative length', get('Content-Length: -3'), 400, /invalid Content-Length/],
    ['a hexadecimal length', get('Content-Length: 0x3'), 400, /invalid Content-Length/],
    ['a length with a space in it', get('Content-Length: 1 0'), 400, /invalid Content-Length/],
    ['an empty length', get('Content-Length:'), 400, /invalid Content-Length/],
    ['a length beyond exact counting', get('Content-Length: 99999999999999999999'), 400, /invalid Content-Length/],
    ['gzip, chunked', get('Transfer-Encoding: gzip, chunked'), 400, /Transfer-Encoding/],
    ['chunked twice', get('Transfer-Encoding: chunked, chunked'), 400, /Transfer-Encoding/],
    ['chunked in two fields', get('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), 400, /Transfer-Encoding/],
    ['identity', get('Transfer-Encoding: identity'), 400, /Transfer-Encoding/],
    ['a quoted coding', get('Transfer-Encoding: "chunked"'), 400, /Transfer-Encoding/],
    ['an empty coding', get('Transfer-Encoding:'), 400, /Transfer-Encoding/],
    ['a coding like chunked', get('Transfer-Encoding: xchunked'), 400, /Transfer-Encoding/],
    ['chunked with a parameter', get('Transfer-Encoding: chunked;q=1'), 400, /Transfer-Encoding/],
    ['chunked behind a comma', get('Transfer-Encoding: , chunked'), 400, /Transfer-Encoding/],
    ['chunked before a comma', get('Transfer-Encoding: chunked,'), 400, /Transfer-Encoding/],
    ['a tab before chunked', get('Transfer-Encoding:\tchunked'), 400, /Transfer-Encoding/],
    ['a tab behind chunked, which hides it from llhttp', get('Transfer-Encoding: chunked\t'), 400, /Transfer-Encoding/],
    ['a space behind chunked', get('Transfer-Encoding: chunked '), 400, /Transfer-Encoding/],
    ['a hard space behind chunked', get('Transfer-Encoding: chunked\u00a0'), 400, /Transfer-Encoding/],
    ['a coding beside chunked', get('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'), 400, /Transfer-Encoding/],
    ['a length with a point', get('Content-Length: 3.0'), 400, /invalid Content-Length/],
    ['a length with an exponent', get('Content-Length: 1e1'), 400, /invalid Content-Length/],
    ['a length with an underscore', get('Content-Length: 1_0'), 400, /invalid Content-Length/],
    ['a length in quotes', get('Content-Length: "3"'), 400, /invalid Content-Length/],
    ['a length of 16 digits', get('Content-Length: 0000000000000003'), 400, /invalid Content-Length/],
    ['more Connection options than are read', get(`Connection: ${','.repeat(64)}close`), 400, /Connection/],
    [
      'more Connection options than are read, in two fields',
      get(`Connection: ${names('x', 40)}`, `Connection: ${names('y', 40)}`),
      400,
      /Connection/,
    ],
    ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', 400, /HTTP\/1.0/],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, /no Host/],
    ['no Host in absolute form', 'GET http://a.example/ HTTP/1.1\r\n\r\n', 400, /no Host/],
    ['two Hosts', get('Host: b.example'), 400, /several Hosts/],
    ['the same Host twice', get('Host: a.example'), 400, /several Hosts/],
    ['two Hosts in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', 400, /several Hosts/],
    ['an empty Host', line('GET / HTTP/1.1', 'Host:\r\n'), 400, /invalid Host/],
    ['a Host that is a list', line('GET / HTTP/1.1', 'Host: a, b\r\n'), 400, /invalid Host/],
    ['a Host with a path', line('GET / HTTP/1.1', 'Host: a/b\r\n'), 400, /invalid Host/],
    ['a Host with a user', line('GET / HTTP/1.1', 'Host: a@b\r\n'), 400, /invalid Host/],
    ['a Host with an escape', line('GET / HTTP/1.1', 'Host: %61\r\n'), 400, /invalid Host/],
    ['a Host with a bad port', line('GET / HTTP/1.1', 'Host: a:80x\r\n'), 400, /invalid Host/],
    ['a Host with two ports', line('GET / HTTP/1.1', 'Host: a:80:81\r\n'), 400, /invalid Host/],
    ['a Host with a port beyond any', line('GET / HTTP/1.1', 'Host: a:65536\r\n'), 400, /invalid Host/],
    ['a Host with a signed port', line('GET / HTTP/1.1', 'Host: a:+80\r\n'), 400, /invalid Host/],
    ['a Host with a space', line('GET / HTTP/1.1', 'Host: a b\r\n'), 400, /invalid Host/],
    ['a Host with a high byte', line('GET / HTTP/1.1', 'Host: \u00e9\r\n'), 400, /invalid Host/],
    ['a Host with a scheme', line('GET / HTTP/1.1', 'Host: http://a\r\n'), 400, /invalid Host/],
    ['a Host that is a port', line('GET / HTTP/1.1', 'Host: :80\r\n'), 400, /invalid Host/],
    ['a Host with a backslash', line('GET / HTTP/1.1', 'Host: a\\b\r\n'), 400, /invalid Host/],
    ['an empty literal', line('GET / HTTP/1.1', 'Host: []\r\n'), 400, /invalid Host/],
    ['a literal with a zone', line('GET / HTTP/1.1', 'Host: [fe80::1%25eth0]\r\n'), 400, /invalid Host/],
    ['a good target, but a bad Host', line('GET http://a.example/ HTTP/1.1', 'Host: a/b\r\n'), 400, /invalid Host/],
    ['an open bracket', line('GET / HTTP/1.1', 'Host: [::1\r\n'), 400, /invalid Host/],
    ['text after a bracket', line('GET / HTTP/1.1', 'Host: [::1]a\r\n'), 400, /invalid Host/],
    ['a Host that is a dot', line('GET / HTTP/1.1', 'Host: .\r\n'), 400, /invalid Host/],
    ['CONNECT', line('CONNECT a.example:443 HTTP/1.1'), 405, /method/],
    ['TRACE', line('TRACE / HTTP/1.1'), 405, /method/],
    ['PRI', line('PRI / HTTP/1.1'), 405, /method/],
    ['a method that is no token', line('GE(T / HTTP/1.1'), 400, /method/],
    ['no method', line(' / HTTP/1.1'), 400, /method/],
    ['two spaces before the target', line('GET  / HTTP/1.1'), 400, /target/],
    ['two spaces after the target', line('GET /  HTTP/1.1'), 400, /request line/],
    ['a tab after the method', line('GET\t/ HTTP/1.1'), 400, /method/],
    ['a space in the target', line('GET /a b HTTP/1.1'), 400, /request line/],
    ['a control character in the target', line('GET /a\u0001b HTTP/1.1'), 400, /target/],
    ['DEL in the target', line('GET /a\u007fb HTTP/1.1'), 400, /target/],
    ['a fragment in the target', line('GET /a#b HTTP/1.1'), 400, /target/],
    ['a target without a slash', line('GET a HTTP/1.1'), 400, /target/],
    ['an asterisk for GET', line('GET * HTTP/1.1'), 400, /target/],
    ['another scheme', line('GET ftp://a.example/ HTTP/1.1'), 400, /target/],
    ['a user in the target', line('GET http://u@a.example/ HTTP/1.1'), 400, /target/],
    ['no host in the target', line('GET http:///a HTTP/1.1'), 400, /target/],
    ['a backslash after the host', line('GET http://a.example\\@b/ HTTP/1.1'), 400, /target/],
    ['a fragment after the host', line('GET http://a.example#@b/ HTTP/1.1'), 400, /target/],
    ['a bad port in the target', line('GET http://a.example:x/ HTTP/1.1'), 400, /target/],
    ['an escape in the host of the target', line('GET http://a%2eb/ HTTP/1.1'), 400, /target/],
    ['one slash after the scheme', line('GET http:/a.example/ HTTP/1.1'), 400, /target/],
    ['an authority alone', line('GET a.example:80 HTTP/1.1'), 400, /target/],
    ['more behind an asterisk', line('OPTIONS */a HTTP/1.1'), 400, /target/],
    ['HTTP/0.9', line('GET /'), 400, /target|request line/],
    ['HTTP/0.9 by name', line('GET / HTTP/0.9'), 505, /version/],
    ['a version that ends in a bare CR', 'GET / HTTP/1.1\rHost: a\r\n\r\n', 400, /request line|bare/],
    ['a version unknown to us that ends in a bare CR', 'GET / HTTP/1.2\rHost: a\r\n\r\n', 400, /request line|bare/],
    ['another protocol', line('GET / ICE/1.0'), 400, /request line|bare/],
    ['a tab after the target', line('GET /\tHTTP/1.1'), 400, /target/],
    ['a long method', line(`${'A'.repeat(33)} / HTTP/1.1`), 400, /method/],
    ['HTTP/2.0', line('GET / HTTP/2.0'), 505, /version/],
    ['HTTP/1.2', line('GET / HTTP/1.2'), 505, /version/],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, /version/],
    ['a version in lower case', line('GET / http/1.1'), 400, /request line/],
    ['HTTP/1.1 with more', line('GET / HTTP/1.1x'), 400, /request line/],
    ['HTTP/01.1', line('GET / HTTP/01.1'), 400, /request line/],
    ['a space after the version', line('GET / HTTP/1.1 '), 400, /request line/],
    ['a long target', line(`GET /${'a'.repeat(8192)} HTTP/1.1`), 414, /target/],
    ['1,001 fields', get(...Array.from({ length: 1000 }, (_, i) => `x${i}: y`)), 431, /many/],
    ['a head of one byte over 64 KiB', get(`x: ${'y'.repeat(65_536 - get('x: ').length + 1)}`), 431, /large/],
  ])('%s', (_, text, status, reason) => {
    const refusal = parse(text);
    expect(refusal?.status).toBe(status);
    expect(refusal?.reason).toMatch(reason);
  });
});

describe('a good head is read', () => {
  test('with everything that decides how it goes on', () => {
    expect(
      parse('POST /a?b=c HTTP/1.1\r\nhOSt: Shop.Example.:8080 \r\nContent-Length: 12\r\nConnection: close, X-Mine\r\n\r\n'),
    ).toBeUndefined();
    expect(head).toMatchObject({ method: 'POST', target: '/a?b=c', minor: 1, host: 'shop.example', port: '8080', contentLength: 12 });
    expect(head).toMatchObject({ authority: 'Shop.Example.:8080', close: true, chunked: false, upgrade: false });
    expect([...(head.listed ?? [])]).toEqual(['x-mine']);
  });

  test('and nothing of the one before it stays', () => {
    parse(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close, x, upgrade\r\nUpgrade: y\r\nTE: trailers\r\n\r\n',
    );
    expect(head).toMatchObject({ chunked: true, close: true, upgrade: true, upgradeTo: 'y', trailers: true });
    expect(parse(get())).toBeUndefined();
    expect(head).toMatchObject({
      contentLength: -1,
      chunked: false,
      close: false,
      upgrade: false,
      upgradeTo: '',
      listed: undefined,
      trailers: false,
    });
  });

  test.each([
    ['http://B.example:81/x?y', 'b.example', 'B.example:81', '/x?y'],
    ['HTTP://b.example', 'b.example', 'b.example', '/'],
    ['https://b.example?q', 'b.example', 'b.example', '/?q'],
    ['http://[::1]:8080/', '[::1]', '[::1]:8080', '/'],
  ])('%s: the host of an absolute target decides', (target, host, authority, origin) => {
    expect(parse(line(`GET ${target} HTTP/1.1`))).toBeUndefined();
    expect(head).toMatchObject({ host, authority, target: origin, absoluteForm: true });
  });

  test.each(['/?a=|{}"<>^`\\[]', '/?\u00e9\u00ff', '/a|b', '/?a?b/c', '/%00', '/a//b/../c'])('%s passes as browsers send it', (target) => {
    expect(parse(line(`GET ${target} HTTP/1.1`))).toBeUndefined();
    expect(head.target).toBe(target);
  });

  test('OPTIONS may ask about the server, in both forms', () => {
    expect(parse(line('OPTIONS * HTTP/1.1'))).toBeUndefined();
    expect(parse(line('OPTIONS http://a.example HTTP/1.1'))).toBeUndefined();
    expect(head.target).toBe('*');
  });

  test('HTTP/1.0 needs no Host', () => {
    expect(parse('GET / HTTP/1.0\r\n\r\n')).toBeUndefined();
    expect(head).toMatchObject({ minor: 0, host: '' });
  });

  test('1,000 fields, a target of 8 KiB and a head of 64 KiB are within the limits', () => {
    expect(parse(get(`x: ${'y'.repeat(65_536 - get('x: ').length)}`))).toBeUndefined();
    expect(parse(get(...Array.from({ length: 999 }, (_, i) => `x${i}: y`)))).toBeUndefined();
    expect(parse(line(`GET /${'a'.repeat(8191)} HTTP/1.1`))).toBeUndefined();
  });

  test.each([
    ['close', { close: true, keepAlive: false, upgrade: false }],
    ['Keep-Alive, Upgrade', { close: false, keepAlive: true, upgrade: true }],
    [', ,\tCLOSE \t,', { close: true }],
    ['xclose', { close: false, listed: new Set(['xclose']) }],
    ['close;x', { close: false, listed: new Set(['close;x']) }],
    ['close\u00a0', { close: false, listed: new Set(['close\u00a0']) }],
    [`close${','.repeat(63)}`, { close: true }],
  ])('Connection: %s', (options, expected) => {
    expect(parse(get(`Connection: ${options}`))).toBeUndefined();
    expect(head).toMatchObject(expected);
  });

  test.each([
    [['TE: trailers'], true],
    [['TE: gzip;q=0.5,\tTrailers'], true],
    [['TE: trailers', 'TE: gzip'], true],
    [['TE: gzip'], false],
    [['TE: trailers;q=0'], false],
    [['TE: xtrailers'], false],
    [['TE:'], false],
    [['TE: ' + ','.repeat(64) + 'trailers'], false],
  ])('%j: whether trailers are wanted', (fields, trailers) => {
    expect(parse(get(...fields))).toBeUndefined();
    expect(head.trailers).toBe(trailers);
  });

  test.each([
    ['A_b.Example.', 'a_b.example', ''],
    ['a:', 'a', ''],
    ['a:65535', 'a', '65535'],
    ['[2001:DB8::1]', '[2001:db8::1]', ''],
    ['127.0.0.1:00080', '127.0.0.1', '00080'],
  ])('Host: %s', (value, host, port) => {
    expect(parse(line('GET / HTTP/1.1', `Host: ${value}\r\n`))).toBeUndefined();
    expect(head).toMatchObject({ host, port, authority: value });
  });

  test('put together from fields of HTTP/2, it has all of them and nothing else', () => {
    const fields = [
      'te: trailers',
      'cookie: a="b"; c=\u00e9',
      'x-empty: ',
      'content-length: 3',
      'content-type: application/grpc',
      'x: a: b, c',
    ];
    expect(parse(`POST /svc/Method?q=| HTTP/1.1\r\nhost: [::1]:8443\r\n${fields.join('\r\n')}\r\n\r\n`)).toBeUndefined();
    expect(head).toMatchObject({ host: '[::1]', contentLength: 3, trailers: true, close: false });
    expect(head.fields.count).toBe(fields.length + 1);
  });

  test('a method may be any token', () => {
    expect(parse(line('M-SEARCH+x / HTTP/1.1'))).toBeUndefined();
    expect(head.method).toBe('M-SEARCH+x');
  });

  test('values keep tabs and high bytes, and may be empty', () => {
    expect(parse(get('X: a\tb \u00e9', 'Y:', 'Z: \t '))).toBeUndefined();
  });
});

describe('a head that has not ended', () => {
  const incomplete = (text: string): Refusal | undefined => refuseIncompleteHead(Buffer.from(text, 'latin1'));

  test.each([
    ['a TLS handshake', '\u0016\u0003\u0001', 400],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a\n\n', 400],
    ['an endless target', `GET /${'a'.repeat(9000)}`, 414],
    ['a long first line that has ended', `GET /${'a'.repeat(9000)} HTTP/1.1\r\n`, 414],
    ['endless fields', `GET / HTTP/1.1\r\n${`x: ${'y'.repeat(1000)}\r\n`.repeat(70)}`, 431],
  ])('%s is refused before its end', (_, text, status) => {
    expect(incomplete(text)?.status).toBe(status);
  });

  test('is waited for while it may become good', () => {
    expect(incomplete('GET / HTTP/1.1\r\nHost: a\r\n')).toBeUndefined();
    expect(incomplete('\r')).toBeUndefined();
  });

  test('empty lines before it are skipped, but no bare CR or LF', () => {
    expect(skipEmptyLines(Buffer.from('\r\n\r\n\r\nGET'))).toBe(6);
    expect(skipEmptyLines(Buffer.from('\r\nGET'))).toBe(2);
    expect(skipEmptyLines(Buffer.from('GET'))).toBe(0);
    expect(skipEmptyLines(Buffer.from('\n\r\nGET'))).toBe(0);
    expect(skipEmptyLines(Buffer.from('\r\n\r\r\nGET'))).toBe(2);
    expect(skipEmptyLines(Buffer.from('\r\n\r'))).toBe(2);
  });
});
