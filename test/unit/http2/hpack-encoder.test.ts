import { describe, expect, test } from 'vitest';
import { DecoderTable } from '../../../src/http2/decoder-table.ts';
import { HpackDecoder } from '../../../src/http2/hpack-decoder.ts';
import { HpackEncoder, mostBytesOf } from '../../../src/http2/hpack-encoder.ts';

/** An encoder, and a decoder that reads all that it writes. */
class Pair {
  readonly encoder = new HpackEncoder();
  readonly table = new DecoderTable();
  private readonly decoder = new HpackDecoder(200_000);

  block(status: number, list: readonly string[]): Buffer {
    const bytes = Buffer.alloc(mostBytesOf(undefined, list));
    this.encoder.begin(bytes, 0);
    this.encoder.status(status);
    this.encoder.pairs(list);
    return bytes.subarray(0, this.encoder.end());
  }

  read(bytes: Buffer): string[] {
    const fields: string[] = [];
    const sink = { add: ({ name, value }: { name: string; value: string }) => fields.push(`${name}: ${value}`) };
    if (!this.decoder.decode(bytes, 0, bytes.length, this.table, sink)) throw new Error('malformed block');
    return fields;
  }

  send(status: number, ...list: string[]): string[] {
    return this.read(this.block(status, list));
  }
}

const typical = ['Content-Type', 'text/html', 'server', 'x', 'Cache-Control', 'no-cache', 'date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const typicalFields = ['content-type: text/html', 'server: x', 'cache-control: no-cache', 'date: Mon, 21 Oct 2013 20:13:21 GMT'];

describe('the encoder', () => {
  test('writes names in lower case, and values as they are', () => {
    const value = Array.from({ length: 224 }, (_, code) => String.fromCharCode(code + 32)).join('');
    expect(new Pair().send(200, 'X-Name', value, 'Empty', '')).toEqual([':status: 200', `x-name: ${value}`, 'empty: ']);
  });

  test('puts what comes a second time into the table, and then a field costs a byte', () => {
    const pair = new Pair();
    for (let turn = 0; turn < 2; turn++) expect(pair.send(200, ...typical)).toEqual([':status: 200', ...typicalFields]);
    const third = pair.block(200, typical);
    expect(third.length).toBe(5);
    expect(pair.read(third)).toEqual([':status: 200', ...typicalFields]);
  });

  test('puts nothing into the table that differs each time', () => {
    const pair = new Pair();
    for (let id = 0; id < 100; id++) pair.send(200, 'x-request-id', String(id * 7_919), ...typical);
    expect(pair.table.lookup(62 + 4)).toBeUndefined();
    expect(pair.block(200, typical).length).toBe(5);
  });

  test.each(['Set-Cookie', 'authorization', 'Proxy-Authorization'])('never lets %s be indexed', (name) => {
    const pair = new Pair();
    for (let turn = 0; turn < 4; turn++) pair.send(200, name, 'secret');
    expect(pair.table.lookup(62)).toBeUndefined();
    // RFC 7541 6.2.3: after the status, the first four bits are 0001.
    expect((pair.block(200, [name, 'secret'])[1] ?? 0) >>> 4).toBe(1);
  });

  test('leaves out what HTTP/2 has no place for', () => {
    const hop = ['Connection', 'close', 'keep-alive', '1', 'Transfer-Encoding', 'chunked', 'upgrade', 'x', 'Proxy-Connection', 'y'];
    expect(new Pair().send(204, ...hop, 'a', 'b')).toEqual([':status: 204', 'a: b']);
  });

  test.each([100, 103, 200, 204, 206, 299, 302, 304, 400, 404, 418, 500, 599])('writes status %i', (status) => {
    expect(new Pair().send(status)).toEqual([`:status: ${status}`]);
  });

  test("follows the client's table size down and up again", () => {
    const pair = new Pair();
    for (let turn = 0; turn < 3; turn++) pair.send(200, ...typical);
    pair.encoder.limitTable(0);
    const without = pair.block(200, typical);
    expect(without[0]).toBe(0x20);
    expect(pair.read(without)).toEqual([':status: 200', ...typicalFields]);
    expect(pair.table.lookup(62)).toBeUndefined();
    pair.encoder.limitTable(65_536);
    pair.encoder.limitTable(100);
    for (let turn = 0; turn < 4; turn++) expect(pair.send(200, 'a', 'b', 'c', 'd')).toEqual([':status: 200', 'a: b', 'c: d']);
    pair.encoder.limitTable(0);
    pair.encoder.limitTable(4_096);
    const both = pair.block(200, typical);
    expect([...both.subarray(0, 4)]).toEqual([0x20, 0x3f, 0xe1, 0x1f]);
    expect(pair.read(both)).toEqual([':status: 200', ...typicalFields]);
  });

  test('agrees with its decoder over thousands of responses, whatever returns and whatever does not', () => {
    const pair = new Pair();
    let seed = 1;
    const below = (limit: number): number => (seed = (seed * 48_271) % 0x7fffffff) % limit;
    for (let turn = 0; turn < 5_000; turn++) {
      if (below(50) === 0) pair.encoder.limitTable(below(5_000));
      const list = Array.from({ length: below(12) }, () => [
        `name-${below(30)}`,
        'v'.repeat(below(4) === 0 ? below(300) : 5) + below(6),
      ]).flat();
      const expected = list.flatMap((part, at) => (at % 2 === 0 ? [`${part}: ${list[at + 1] ?? ''}`] : []));
      expect(pair.send(200, ...list)).toEqual([':status: 200', ...expected]);
    }
  });
});
