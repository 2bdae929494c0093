import { describe, expect, test } from 'vitest';
import { encodeMessage, type Message, opcode, rcode, recordClass, recordType } from '../../../src/dns/message.ts';
import { badVersion, readQuery } from '../../../src/resolver/query.ts';
import { encodeReply } from '../../../src/resolver/reply.ts';

const option = (size: number, ttl = 0) => ({ name: '', type: recordType.OPT, class: size, ttl, data: Buffer.alloc(0) });

function encode(changes: Partial<Message> = {}): Buffer {
  const question = { name: 'api.test', type: recordType.A, class: recordClass.IN };
  return encodeMessage({ id: 0xabcd, opcode: opcode.query, question, recursionDesired: true, authority: [], additional: [], ...changes });
}

describe('readQuery', () => {
  test('keeps the question as it was sent', () => {
    const bytes = encode();
    bytes.write('API', 13);
    const read = readQuery(bytes);
    expect(read?.query).toMatchObject({ id: 0xabcd, name: 'api.test', type: 1, maxBytes: 512, edns: false });
    expect(read?.query.questionBytes.toString('latin1')).toContain('API');
    expect(read?.error).toBeUndefined();
  });

  test.each([
    [100, 512],
    [1_000, 1_000],
    [65_535, 1_232],
  ])('a client that takes %d bytes is sent %d at most', (size, maxBytes) => {
    expect(readQuery(encode({ additional: [option(size)] }))?.query).toMatchObject({ maxBytes, edns: true });
  });

  test('an answer, and what is too short, gets no answer', () => {
    const answer = encode();
    answer.writeUInt8(0x81, 2);
    expect(readQuery(answer)).toBeUndefined();
    expect(readQuery(encode().subarray(0, 11))).toBeUndefined();
  });

  test.each([
    ['cut off', encode().subarray(0, -1), rcode.formatError],
    ['an update', encode({ opcode: opcode.update }), rcode.notImplemented],
    ['of another class', encode({ question: { name: 'api.test', type: 1, class: 3 } }), rcode.refused],
    ['with records', encode({ authority: [{ name: 'a', type: 1, class: 1, ttl: 0, data: Buffer.alloc(4) }] }), rcode.formatError],
    ['with two OPT records', encode({ additional: [option(512), option(512)] }), rcode.formatError],
    ['of a later version of EDNS', encode({ additional: [option(512, 0x0001_0000)] }), badVersion],
  ])('one that is %s is answered with an error', (_what, bytes, error) => {
    expect(readQuery(bytes)?.error).toBe(error);
  });
});

describe('encodeReply', () => {
  const addresses = (count: number): Buffer[] => Array.from({ length: count }, () => Buffer.from([192, 0, 2, 1]));
  const replyTo = (bytes: Buffer, reply: Parameters<typeof encodeReply>[1], transport: 'udp' | 'tcp' = 'udp'): Buffer => {
    const read = readQuery(bytes);
    if (!read) throw new Error('no query');
    return encodeReply(read.query, reply, transport);
  };

  test('is what RFC 1035 says, byte for byte', () => {
    const reply = replyTo(encode(), { rcode: 0, records: addresses(1), ttlSeconds: 60 });
    const question = '03617069 0474657374 00 0001 0001';
    expect(reply.toString('hex')).toBe(
      `abcd 8180 0001 0001 0000 0000 ${question} c00c 0001 0001 0000003c 0004 c0000201`.replaceAll(' ', ''),
    );
  });

  test('with EDNS it has an OPT record, with the upper bits of an error', () => {
    const reply = replyTo(encode({ additional: [option(512)] }), { rcode: badVersion, records: [], ttlSeconds: 0 });
    expect(reply.subarray(-11).toString('hex')).toBe('00002904d0010000000000');
    expect(reply.readUInt16BE(2) & 15).toBe(0);
  });

  test('what does not fit is cut by UDP, and not by TCP', () => {
    const long = { rcode: 0, records: addresses(31), ttlSeconds: 60 };
    const cut = replyTo(encode(), long);
    expect([cut.readUInt16BE(6), (cut.readUInt16BE(2) & 0x0200) !== 0]).toEqual([0, true]);
    expect(replyTo(encode(), long, 'tcp').readUInt16BE(6)).toBe(31);
  });
});
