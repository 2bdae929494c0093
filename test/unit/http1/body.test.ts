import { describe, expect, test } from 'vitest';
import { type BodyReader, LengthBody, UntilCloseBody } from '../../../src/http1/body.ts';
import { ChunkedBody } from '../../../src/http1/chunked-body.ts';

/** Feeds `text` in pieces of `size` bytes; gives what was passed on, and what was left over. */
function feed(body: BodyReader, text: string, size = text.length): { passed: string; rest: string } {
  let passed = '';
  let at = 0;
  while (at < text.length && !body.done && body.fault === undefined) {
    const bytes = Buffer.from(text.slice(at, at + size), 'latin1');
    at += body.take(bytes);
    passed += bytes.toString('latin1', 0, body.passEnd) + body.tail;
  }
  return { passed, rest: text.slice(at) };
}

describe('a body of known length', () => {
  test('ends exactly there', () => {
    const body = new LengthBody(5);
    expect(feed(body, 'helloGET', 3)).toEqual({ passed: 'hello', rest: 'GET' });
    expect(body).toMatchObject({ done: true, contentBytes: 5 });
  });
});

describe('a body that ends with its connection', () => {
  test('takes everything and is never done', () => {
    const body = new UntilCloseBody();
    expect(feed(body, 'abc', 2)).toEqual({ passed: 'abc', rest: '' });
    expect(body.done).toBe(false);
  });
});

describe('a chunked body', () => {
  const message = '5\r\nhello\r\n00A;x="y \\" z";a;b=c\r\n, world!!!\r\n0\r\n\r\n';

  test.each([1, 2, 3, 7, 100])('passes unchanged when it comes in pieces of %i', (size) => {
    const body = new ChunkedBody();
    expect(feed(body, `${message}GET /`, size)).toEqual({ passed: message, rest: 'GET /' });
    expect(body).toMatchObject({ done: true, fault: undefined, contentBytes: 15 });
  });

  test('gives its content alone to who asks for it', () => {
    const content: string[] = [];
    feed(new ChunkedBody((bytes) => content.push(String(bytes))), message, 4);
    expect(content.join('')).toBe('hello, world!!!');
  });

  test.each([1, 5, 100])('passes trailers on, but none that could change the message (pieces of %i)', (size) => {
    const trailers =
      'X-Checksum: 1\r\nX-Tenantd-Tenant: evil\r\nx_forwarded_for: 1\r\ncontent_length: 3\r\nAuthorization: z\r\nSet_Cookie: z\r\nGrpc-Status: 0\r\n\r\n';
    const body = new ChunkedBody();
    expect(feed(body, `1\r\na\r\n0\r\n${trailers}next`, size)).toEqual({
      passed: '1\r\na\r\n0\r\nX-Checksum: 1\r\nGrpc-Status: 0\r\n\r\n',
      rest: 'next',
    });
    expect(body.done).toBe(true);
  });

  test.each([
    ['no size', '\r\n'],
    ['a size that is no number', 'g\r\n'],
    ['a signed size', '-1\r\n'],
    ['a size with a prefix', '0x5\r\nhello\r\n'],
    ['a space before the size', ' 5\r\nhello\r\n'],
    ['a space after the size', '5 \r\nhello\r\n'],
    ['a size that would overflow', 'fffffffffffffffff\r\n'],
    ['a bare LF after the size', '5\nhello\r\n'],
    ['a bare CR after the size', '5\rhello\r\n'],
    ['a bare LF in an extension', '5;a\nhello\r\n'],
    ['a NUL in an extension', '5;\0\r\nhello\r\n'],
    ['a long extension', `5;${'a'.repeat(300)}\r\nhello\r\n`],
    ['many extensions', `1;${'a'.repeat(200)}\r\nx\r\n`.repeat(100)],
    ['a chunk longer than its size', '5\r\nhelloo\r\n'],
    ['a chunk ended by a bare LF', '5\r\nhello\n0\r\n\r\n'],
    ['an end with a bare LF', '0\r\n\n'],
    ['an end with a bare CR', '0\r\n\rX'],
    ['a bare CR in an extension', '5;a\rb\r\nhello\r\n'],
    ['a vertical tab in an extension', '5;a\u000b\r\nhello\r\n'],
    ['an extension without a name', '5;\r\nhello\r\n'],
    ['an extension with a value only', '5;=a\r\nhello\r\n'],
    ['an extension without its value', '5;a=\r\nhello\r\n'],
    ['an extension whose quotation marks stay open over the line', '5;a="\r\nhello\r\n'],
    ['an escape that takes the closing mark', '5;a="\\"\r\nhello\r\n'],
    ['text behind a quoted value', '5;a="b"c\r\nhello\r\n'],
    ['blanks around an extension', '5; a = b\r\nhello\r\n'],
    ['a space before an extension', '5 ;a\r\nhello\r\n'],
    ['a size of 13 digits', '0000000000005\r\nhello\r\n'],
    ['a size with a sign', '+5\r\nhello\r\n'],
    ['a size with an underscore', '0_5\r\nhello\r\n'],
    ['a chunk shorter than its size', '6\r\nhello\r\n0\r\n\r\n'],
    ['an empty line between chunks', '5\r\nhello\r\n\r\n0\r\n\r\n'],
    ['a blank before the end', '0\r\n \r\n'],
    ['a length in trailers', '0\r\nX: y\r\nContent-Length: 3\r\n\r\n'],
    ['a transfer coding in trailers', '0\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['a host in trailers', '0\r\nHost: b\r\n\r\n'],
    ['a connection option in trailers', '0\r\nConnection: close\r\n\r\n'],
    ['a bare LF in trailers', '0\r\nX: y\nZ: a\r\n\r\n'],
    ['a bare CR in trailers', '0\r\nX: y\rZ: a\r\n\r\n'],
    ['a NUL in trailers', '0\r\nX: \0\r\n\r\n'],
    ['1,001 trailers', `0\r\n${'a:\r\n'.repeat(1_001)}\r\n`],
    ['a bad trailer', '0\r\nX : y\r\n\r\n'],
    ['a folded trailer', '0\r\nX: y\r\n z\r\n\r\n'],
    ['an endless trailer', `0\r\n${'X: yyyyyyyyyyyyyyyy\r\n'.repeat(1000)}`],
  ])('is refused for %s', (_, text) => {
    for (const size of [1, text.length]) {
      const body = new ChunkedBody();
      feed(body, text, size);
      expect(body.fault).toBeDefined();
      expect(body.done).toBe(false);
    }
  });
});
