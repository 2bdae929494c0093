import { describe, expect, test } from 'vitest';
import { encodeMessage, encodeRecord, opcode, readMessage, recordClass, recordType, uint16 } from '../../../src/dns/message.ts';
import { encodeName } from '../../../src/dns/names.ts';
import { interpretAnswer, type UpstreamAnswer } from '../../../src/resolver/upstream-answer.ts';

const asked = 'api.test';

interface Told {
  name?: string;
  type: number;
  class?: number;
  ttl?: number;
  data: Buffer;
}

/** Of an answer to a question for `asked`, whose name begins at byte 12. */
function interpret(type: number, records: readonly Told[], { rcode = 0, authority = [] as readonly Told[] } = {}): UpstreamAnswer {
  const encode = ({ name = asked, type, class: recordClassNumber = recordClass.IN, ttl = 60, data }: Told): Buffer =>
    encodeRecord({ name, type, class: recordClassNumber, ttl, data });
  const question = { name: asked, type, class: recordClass.IN };
  const query = encodeMessage({ id: 1, opcode: opcode.query, question, authority: [], additional: [] });
  const bytes = Buffer.concat([query, ...[...records, ...authority].map(encode)]);
  bytes.writeUInt16BE(0x8180 | rcode, 2);
  bytes.writeUInt16BE(records.length, 6);
  bytes.writeUInt16BE(authority.length, 8);
  const message = readMessage(bytes);
  if (!message) throw new Error('no message');
  return interpretAnswer(bytes, message, asked, type);
}

const a = (last: number): Buffer => Buffer.from([198, 51, 100, last]);
const soa = (name: string, minimum: number, ttl: number): Told => {
  const data = Buffer.alloc(22);
  data.writeUInt32BE(minimum, 18);
  return { name, type: recordType.SOA, ttl, data };
};

describe('interpretAnswer', () => {
  test('takes the least time of all records on the way', () => {
    const records = [
      { type: recordType.CNAME, ttl: 30, data: encodeName('b.test') },
      { name: 'b.test', type: recordType.A, ttl: 20, data: a(1) },
      { name: 'b.test', type: recordType.A, ttl: 10, data: a(2) },
    ];
    const found = interpret(recordType.A, records);
    expect(found).toMatchObject({ kind: 'records', ttlSeconds: 10, records: [{ address: '198.51.100.1' }, { address: '198.51.100.2' }] });
    expect(interpret(recordType.A, records.toReversed())).toMatchObject({ ttlSeconds: 10 });
  });

  test('writes IPv6 addresses as the kernel does', () => {
    const data = Buffer.from('26009000000000000000000000000007', 'hex');
    expect(interpret(recordType.AAAA, [{ type: recordType.AAAA, data }])).toMatchObject({ records: [{ address: '2600:9000::7' }] });
  });

  test.each([
    ['of another length', { type: recordType.A, data: Buffer.alloc(5) }],
    ['of another class', { type: recordType.A, class: 3, data: a(1) }],
    ['of another type', { type: recordType.AAAA, data: Buffer.alloc(16) }],
    ['of another name', { name: 'b.test', type: recordType.A, data: a(1) }],
    ['of a name below', { name: 'b.api.test', type: recordType.A, data: a(1) }],
  ])('leaves out records %s', (_what, record) => {
    expect(interpret(recordType.A, [record])).toMatchObject({ kind: 'none', rcode: 0 });
  });

  test('follows no alias to what is no host name, nor one with more after it', () => {
    const strange = Buffer.concat([Buffer.from([3]), Buffer.from('a.b'), Buffer.from([0])]);
    for (const data of [strange, Buffer.concat([encodeName('b.test'), Buffer.from('x')]), Buffer.from([9])])
      expect(interpret(recordType.A, [{ type: recordType.CNAME, data }])).toMatchObject({ kind: 'none' });
  });

  test('an alias that the answer does not follow is to be asked for, one whose end is empty is not', () => {
    const alias = { type: recordType.CNAME, ttl: 30, data: encodeName('b.test') };
    expect(interpret(recordType.A, [alias])).toEqual({ kind: 'alias', name: 'b.test', ttlSeconds: 30 });
    expect(interpret(recordType.A, [alias], { authority: [soa('test', 40, 50)] })).toEqual({ kind: 'none', rcode: 0, ttlSeconds: 40 });
    expect(interpret(recordType.A, [alias], { rcode: 3 })).toMatchObject({ kind: 'none', rcode: 3 });
  });

  test.each([
    [40, 50, 40],
    [50, 40, 40],
  ])('what is not there is kept for the lesser of %d and %d', (minimum, ttl, expected) => {
    expect(interpret(recordType.A, [], { rcode: 3, authority: [soa('test', minimum, ttl)] })).toMatchObject({ ttlSeconds: expected });
  });

  test('names in the data come out whole, also where they pointed into the answer', () => {
    const data = Buffer.concat([Buffer.alloc(6), Buffer.from([2]), Buffer.from('db'), uint16(0xc00c)]);
    const found = interpret(recordType.SRV, [{ type: recordType.SRV, data }]);
    expect(found).toMatchObject({ records: [{ data: Buffer.concat([Buffer.alloc(6), encodeName('db.api.test')]) }] });
  });
});
