import { describe, expect, test } from 'vitest';
import { findHeadEnd } from '../../../src/http1/head-end.ts';
import { parseRequestHead, RequestHead } from '../../../src/http1/request-head.ts';
import { parseResponseHead, ResponseHead } from '../../../src/http1/response-head.ts';
import { rewriteRequestHead, rewriteResponseHead, wantsUpgrade } from '../../../src/http1/rewrite.ts';

function request(...lines: string[]): RequestHead {
  const head = new RequestHead();
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  expect(parseRequestHead(bytes, findHeadEnd(bytes, 0), head)).toBeUndefined();
  return head;
}

const rewritten = (...lines: string[]): string[] =>
  rewriteRequestHead(request(...lines), 'x-added: 1\r\n')
    .split('\r\n')
    .slice(0, -2);

describe('a request head for an app', () => {
  test('keeps what is for the app, byte for byte and in order', () => {
    expect(rewritten('GET /a HTTP/1.1', 'HOST: a:80', 'Cookie: \u00e9', 'X-A:  b ', 'Content-Length: 3')).toEqual([
      ...['GET /a HTTP/1.1', 'HOST: a:80', 'Cookie: \u00e9', 'X-A:  b ', 'Content-Length: 3', 'x-added: 1'],
    ]);
  });

  test.each([
    ...['X-Tenantd-Tenant', 'x_tenantd_tenant', 'x-tenantd_anything', 'X-TENANTD-', 'X-Request-Id', 'x_request_id', 'X-Request_ID'],
    ...['X-Forwarded-For', 'x-forwarded-prefix', 'X_Forwarded_Host', 'x.forwarded.proto', 'Forwarded', 'X-Real-IP', 'x_real_ip'],
    ...['Proxy', 'content_length', 'Transfer_Encoding', 'Keep-Alive', 'Proxy-Connection', 'HTTP2-Settings', 'TE', 'Upgrade'],
  ])('never has the %s of a client', (name) => {
    expect(rewritten('GET / HTTP/1.1', `${name}: h2`, 'Host: a', `${name}: h2`, 'X: y')).toEqual([
      'GET / HTTP/1.1',
      'Host: a',
      'X: y',
      'x-added: 1',
    ]);
  });

  test.each(['X-Tenant', 'X-Requested-With', 'X-Forward', 'Forwarded-By', 'Hosts', 'Upgrade-Insecure-Requests', 'Proxy-Authorization'])(
    'keeps %s, whose name only looks alike',
    (name) => {
      expect(rewritten('GET / HTTP/1.1', 'Host: a', `${name}: b`)).toContain(`${name}: b`);
    },
  );

  test('loses the fields that Connection names, but never those that frame it', () => {
    const lines = [
      'POST / HTTP/1.1',
      'Connection: X-Hop, content-length, host, close',
      'Host: a',
      'x-hop: 1',
      'Content-Length: 2',
      'Connection: Other',
      'other: 2',
    ];
    expect(rewritten(...lines)).toEqual(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 2', 'x-added: 1']);
  });

  test('is in origin form and HTTP/1.1, with the host of an absolute target', () => {
    expect(rewritten('GET http://b:81/x HTTP/1.1', 'Host: a')).toEqual(['GET /x HTTP/1.1', 'host: b:81', 'x-added: 1']);
    expect(rewritten('GET /x HTTP/1.0', 'Host: a', 'Expect: 100-continue')).toEqual(['GET /x HTTP/1.1', 'Host: a', 'x-added: 1']);
  });

  test('asks for an upgrade that the client asks for properly', () => {
    const lines = ['GET / HTTP/1.1', 'Host: a', 'Connection: keep-alive, Upgrade', 'Upgrade: websocket'];
    expect(rewritten(...lines)).toEqual(['GET / HTTP/1.1', 'Host: a', 'Upgrade: websocket', 'connection: upgrade', 'x-added: 1']);
  });

  test.each(['h2c', 'H2C', 'h2', 'websocket, h2c', 'websocket,\th2c', 'HTTP/2.0', 'TLS/1.2'])(
    'never asks for an upgrade to %s, in which requests would pass unseen',
    (protocol) => {
      const head = request(
        'GET / HTTP/1.1',
        'Host: a',
        'Connection: Upgrade, HTTP2-Settings',
        `Upgrade: ${protocol}`,
        'HTTP2-Settings: AA',
      );
      expect(wantsUpgrade(head)).toBe(false);
      expect(rewriteRequestHead(head, '')).toBe('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    },
  );

  test('passes TE: trailers on as its own, and no other coding', () => {
    for (const fields of [['TE: trailers'], ['TE: gzip, trailers'], ['TE: gzip', 'te: Trailers']]) {
      expect(rewritten('GET / HTTP/1.1', ...fields, 'Host: a')).toEqual([
        ...['GET / HTTP/1.1', 'Host: a', 'te: trailers', 'connection: te', 'x-added: 1'],
      ]);
    }
  });

  test('asks an app for no trailers that a client of HTTP/1.0 could not get', () => {
    expect(rewritten('GET / HTTP/1.0', 'TE: trailers', 'Host: a')).toEqual(['GET / HTTP/1.1', 'Host: a', 'x-added: 1']);
  });
});

describe('a response head for a client', () => {
  function rewriteResponse(lines: string[], fields: Partial<Parameters<typeof rewriteResponseHead>[1]> = {}): string[] {
    const head = new ResponseHead();
    const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    expect(parseResponseHead(bytes, findHeadEnd(bytes, 0), head)).toBeUndefined();
    const kept = { contentLength: true, transferEncoding: true, upgrade: false, added: 'x-added: 1\r\n', ...fields };
    return rewriteResponseHead(head, kept).split('\r\n').slice(0, -2);
  }

  test('loses what is for this connection and the request id of the app', () => {
    const hop = ['Connection: keep-alive, x-hop', 'Keep-Alive: timeout=5', 'x-hop: 1', 'X-Request-Id: 7', 'Upgrade: h2c'];
    expect(rewriteResponse(['HTTP/1.1 200 OK', ...hop, 'Set-Cookie: a', 'Set-Cookie: b'])).toEqual([
      ...['HTTP/1.1 200 OK', 'Set-Cookie: a', 'Set-Cookie: b', 'x-added: 1'],
    ]);
  });

  test('is HTTP/1.1 whatever the app speaks', () => {
    expect(rewriteResponse(['HTTP/1.0 404 Not Here', 'Content-Length: 3'])).toEqual([
      'HTTP/1.1 404 Not Here',
      'Content-Length: 3',
      'x-added: 1',
    ]);
  });

  test('has its framing fields only where they are allowed', () => {
    expect(rewriteResponse(['HTTP/1.1 204 No', 'Content-Length: 0'], { contentLength: false })).toEqual(['HTTP/1.1 204 No', 'x-added: 1']);
  });
});
