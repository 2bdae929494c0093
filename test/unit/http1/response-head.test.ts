import { describe, expect, test } from 'vitest';
import { findHeadEnd } from '../../../src/http1/head-end.ts';
import { parseResponseHead, ResponseHead } from '../../../src/http1/response-head.ts';

const head = new ResponseHead();

function parse(text: string): string | undefined {
  const bytes = Buffer.from(text, 'latin1');
  return parseResponseHead(bytes, findHeadEnd(bytes, 0), head)?.reason;
}

describe('a response head', () => {
  test('is read with what frames its body and its connection', () => {
    expect(parse('HTTP/1.1 206 Partial \u00e9\r\nContent-Length: 5\r\nconnection: Close\r\n\r\n')).toBeUndefined();
    expect(head).toMatchObject({ status: 206, minor: 1, contentLength: 5, chunked: false, close: true });
    expect(parse('HTTP/1.0 200\r\nConnection: keep-alive\r\n\r\n')).toBeUndefined();
    expect(head).toMatchObject({ status: 200, minor: 0, contentLength: -1, close: false, keepAlive: true });
  });

  test.each([
    ['HTTP/2 200 OK\r\n\r\n'],
    ['HTTP/1.1 20 OK\r\n\r\n'],
    ['HTTP/1.1 2000 OK\r\n\r\n'],
    ['HTTP/1.1 099 OK\r\n\r\n'],
    ['HTTP/1.1  200 OK\r\n\r\n'],
    ['HTTP/1.1 200 O\0K\r\n\r\n'],
    ['HTTP/1.1 200 OK\nX: y\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nX: y\n\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nX : y\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\r\n\r\n'],
    ['HTTP/1.1 200\tOK\r\n\r\n'],
    ['HTTP/1.1 2e2 OK\r\n\r\n'],
    ['HTTP/1.2 200 OK\r\n\r\n'],
    ['http/1.1 200 OK\r\n\r\n'],
    ['\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['HTTP/1.0 100 Continue\r\n\r\n'],
    ['HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n'],
    ['<html>\r\n\r\n'],
    [`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(1_001)}\r\n`],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(65_536)}\r\n\r\n`],
  ])('%j is refused', (text) => {
    expect(parse(text)).toBeDefined();
  });

  test.each([
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n', { status: 200, chunked: true }],
    ['HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n', { status: 204, contentLength: 5 }],
    ['HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n', { status: 304, chunked: true }],
    ['HTTP/1.1 101 S\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n', { status: 101, upgrade: true }],
    ['HTTP/1.1 103 E\r\nLink: x\r\n\r\n', { status: 103, close: false }],
    ['HTTP/1.1 999 \r\n\r\n', { status: 999 }],
    ['HTTP/1.1 200 OK\r\nhost: a\r\nhost: b\r\n\r\n', { status: 200 }],
  ])('%j is taken', (text, expected) => {
    expect(parse(text)).toBeUndefined();
    expect(head).toMatchObject(expected);
  });
});
