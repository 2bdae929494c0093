import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findHeadEnd } from '../../../src/http1/head-end.ts';
import { parseRequestHead, RequestHead } from '../../../src/http1/request-head.ts';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  fields: string[];
}

const server = createServer((request, response) => {
  response.end(JSON.stringify({ method: request.method, url: request.url, fields: request.rawHeaders } satisfies Seen));
});

beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => void server.close(resolve)));

/** What Node's own parser makes of a head; undefined when it refuses it. */
async function readByNode(head: string): Promise<Seen | undefined> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.end(head, 'latin1');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text.startsWith('HTTP/1.1 200') ? (JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as Seen) : undefined;
}

function readByUs(text: string): Seen | undefined {
  const bytes = Buffer.from(text, 'latin1');
  const head = new RequestHead();
  const end = findHeadEnd(bytes, 0);
  if (end === -1 || parseRequestHead(bytes, end, head)) return undefined;
  const { fields } = head;
  const pairs = Array.from({ length: fields.count }, (_, i) => [
    text.slice(fields.nameStart[i], fields.nameEnd[i]),
    text.slice(fields.valueStart[i], fields.valueEnd[i]),
  ]);
  return { method: head.method, url: head.target, fields: pairs.flat() };
}

const valid = [
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'DELETE /x/y?z=1&w=%20 HTTP/1.1\r\nHost: a.b.c:8080\r\nConnection: close\r\n\r\n',
  'GET / HTTP/1.1\r\nHost:a\r\nX-Empty:\r\nX-Blank:   \r\nx-TAB:\ta\tb\t\r\nConnection: close\r\n\r\n',
  'GET /|{}^` HTTP/1.1\r\nHost: a\r\nCookie: a=b; c="d"; e=\u00e9\r\nConnection: close\r\n\r\n',
  "HEAD /a HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09: token\r\nConnection: close\r\n\r\n".replace('HEAD', 'GET'),
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
];

describe("Node's own parser", () => {
  test.each(valid)('reads %j as we do', async (head) => {
    const ours = readByUs(head);
    expect(ours).toBeDefined();
    expect(ours).toEqual(await readByNode(head));
  });

  test('reads nothing else in whatever we let pass of ten thousand mutated heads', async () => {
    const mutants = Array.from({ length: 10_000 }, (_, seed) => mutate(valid[seed % valid.length] ?? '', seed)).filter(readByUs);
    const sample = mutants.filter((_, index) => index % Math.ceil(mutants.length / 300) === 0);
    expect(sample.length).toBeGreaterThan(100);
    // It may refuse more, such as methods that it does not know; where it takes a head, it takes the same.
    for (const head of sample) expect([undefined, readByUs(head)]).toContainEqual(await readByNode(head));
  });
});

const pieces = ['\r', '\n', '\r\n', ' ', '\t', ':', '\0', 'a', ',', '/', '?', '\u00ff', 'Host: b\r\n', 'Content-Length: 0\r\n', '"', ';'];

/** Puts one piece into a head, at a place that depends on `seed` alone. */
function mutate(head: string, seed: number): string {
  const at = (seed * 7919) % (head.length - 4);
  const piece = pieces[(seed * 104_729) % pieces.length] ?? '';
  return head.slice(0, at) + piece + head.slice(seed % 3 === 0 ? at + 1 : at);
}
