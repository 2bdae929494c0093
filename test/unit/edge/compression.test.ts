import { describe, expect, test } from 'vitest';
import { compressedFields, type FieldChanges, isEndless, mayCompress, notModifiedFields } from '../../../src/edge/compression.ts';
import { findHeadEnd } from '../../../src/http1/head-end.ts';
import { parseResponseHead, ResponseHead } from '../../../src/http1/response-head.ts';

function parse(fields: readonly string[], status = 200): ResponseHead {
  const bytes = Buffer.from(`HTTP/1.1 ${status} X\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`, 'latin1');
  const head = new ResponseHead();
  const refusal = parseResponseHead(bytes, findHeadEnd(bytes, 0), head);
  if (refusal) throw new Error(refusal.reason);
  return head;
}

const html = 'Content-Type: text/html; charset=utf-8';
const ofType = (type: string): boolean => mayCompress(parse([`Content-Type: ${type}`]));

/** The fields after the changes, in lower case where names are. */
function apply({ text, fields }: ResponseHead, { dropped, added }: FieldChanges): string[] {
  const lines = Array.from({ length: fields.count }, (_, at) => text.slice(fields.nameStart[at], fields.valueEnd[at]));
  const pairs = Array.from({ length: added.length / 2 }, (_, at) => `${added[2 * at]}: ${added[2 * at + 1]}`);
  return [...lines.filter((_, at) => !dropped.includes(at)), ...pairs];
}

const compressed = (fields: readonly string[]): string[] => apply(parse(fields), compressedFields(parse(fields), 'br'));
const asItIs = (fields: readonly string[]): string[] => apply(parse(fields), compressedFields(parse(fields), undefined));

describe('an answer is compressed', () => {
  test.each([
    'text/html',
    'text/plain;charset=utf-8',
    'TEXT/CSS',
    'text/event-stream',
    'application/json',
    'application/javascript',
    'application/xml',
    'application/wasm',
    'application/problem+json',
    'application/atom+xml; charset=utf-8',
    'image/svg+xml',
    'font/ttf',
  ])('when it is text: %s', (type) => {
    expect(ofType(type)).toBe(true);
  });

  test.each([
    'image/png',
    'video/mp4',
    'application/zip',
    'application/pdf',
    'application/octet-stream',
    'font/woff2',
    'application/grpc',
    'application/grpc+json',
    'application/jsonx',
    '',
    'text/html, image/png',
    'image/png, application/a+json',
  ])('never when it is not, or nobody knows: %j', (type) => {
    expect(ofType(type)).toBe(false);
    expect(mayCompress(parse([]))).toBe(false);
  });

  test.each([200, 201, 203, 226, 400, 403, 404, 500, 503])('with status %i', (status) => {
    expect(mayCompress(parse([html], status))).toBe(true);
  });

  test.each([100, 101, 103, 204, 205, 206, 304])('never with status %i', (status) => {
    expect(mayCompress(parse([html], status))).toBe(false);
  });

  test('when its length is unknown, or worth it', () => {
    expect(mayCompress(parse([html, 'Transfer-Encoding: chunked']))).toBe(true);
    expect(mayCompress(parse([html, 'Content-Length: 1024']))).toBe(true);
    expect(mayCompress(parse([html, 'Content-Length: 1023']))).toBe(false);
    expect(mayCompress(parse([html, 'Content-Length: 0']))).toBe(false);
  });

  test.each([
    'Content-Encoding: gzip',
    'content-encoding: identity',
    'Content-Range: bytes 0-1/2',
    'Cache-Control: no-transform',
    'Cache-Control: public, No-Transform, max-age=1',
    'Content-Digest: sha-256=:AA==:',
    'Repr-Digest: sha-256=:AA==:',
    'Digest: sha-256=AA==',
    'Content-MD5: AA==',
  ])('never with %s', (field) => {
    expect(mayCompress(parse([html, field]))).toBe(false);
    expect(mayCompress(parse([html, 'Cache-Control: public', field]))).toBe(false);
  });

  test('and known to stay open when it is an event stream', () => {
    expect(isEndless(parse(['Content-Type: Text/Event-Stream; charset=utf-8']))).toBe(true);
    expect(isEndless(parse([html]))).toBe(false);
  });
});

describe('the fields of a compressed answer', () => {
  test('lose its length and its ranges, and name the coding', () => {
    const fields = [html, 'Content-Length: 5000', 'Accept-Ranges: bytes', 'X-Other: a'];
    expect(compressed(fields)).toEqual([html, 'X-Other: a', 'vary: accept-encoding', 'content-encoding: br']);
  });

  test.each([
    ['ETag: "a"', ['etag: W/"a"']],
    ['etag: ""', ['etag: W/""']],
    ['etag: W/"a"', ['etag: W/"a"']],
    ['etag: abc', []],
    ['etag: "a" "b"', []],
  ])('have a weak validator: %s', (tag, after) => {
    expect(compressed([tag]).filter((line) => line.startsWith('etag'))).toEqual(after);
  });

  test.each([
    [['Vary: Origin'], ['vary: Origin, accept-encoding']],
    [['Vary: Origin', 'vary: Cookie'], ['vary: Origin, Cookie, accept-encoding']],
    [['Vary: X-Accept-Encoding'], ['vary: X-Accept-Encoding, accept-encoding']],
    [['Vary: Origin,Accept-Encoding'], ['Vary: Origin,Accept-Encoding']],
    [['Vary: *'], ['Vary: *']],
    [['Vary:'], ['vary: accept-encoding']],
    [[], ['vary: accept-encoding']],
  ])('tell caches, whoever asks: %j', (fields, after) => {
    expect(asItIs(fields)).toEqual(after);
    expect(compressed(fields)).toEqual([...after, 'content-encoding: br']);
  });

  test('are otherwise the same for a client that takes no coding', () => {
    const fields = [html, 'Content-Length: 5000', 'ETag: "a"', 'Accept-Ranges: bytes'];
    expect(asItIs(fields)).toEqual([...fields, 'vary: accept-encoding']);
  });
});

describe('the fields of a 304', () => {
  const changed = (fields: readonly string[], coding: 'gzip' | undefined): string[] | undefined => {
    const changes = notModifiedFields(parse(fields, 304), coding);
    return changes && apply(parse(fields, 304), changes);
  };

  test('name the validator that the compressed answer had', () => {
    expect(changed(['ETag: "a"', 'Content-Length: 5000'], 'gzip')).toEqual([
      'Content-Length: 5000',
      'etag: W/"a"',
      'vary: accept-encoding',
    ]);
    expect(changed(['ETag: "a"'], undefined)).toEqual(['ETag: "a"', 'vary: accept-encoding']);
  });

  test('stay as they are for what is never compressed', () => {
    expect(changed(['ETag: "a"', 'Content-Type: image/png'], 'gzip')).toBeUndefined();
    expect(changed(['ETag: "a"', 'Cache-Control: no-transform'], 'gzip')).toBeUndefined();
    expect(changed(['ETag: "a"', 'Content-Encoding: br'], 'gzip')).toBeUndefined();
  });
});
