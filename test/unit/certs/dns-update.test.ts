import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { signMessage } from '../../../src/certs/tsig.ts';
import { parseAnswer } from '../../../src/certs/update-answer.ts';
import { encodeMessage, encodeText, type Message, opcode, recordClass, recordType } from '../../../src/dns/message.ts';
import { encodeName } from '../../../src/dns/names.ts';

const update: Message = {
  id: 0x1234,
  opcode: opcode.update,
  question: { name: 'Example.com.', type: recordType.SOA, class: recordClass.IN },
  authority: [{ name: '_acme-challenge.example.com', type: recordType.TXT, class: recordClass.IN, ttl: 60, data: encodeText('abc') }],
  additional: [],
};

describe('a dynamic update', () => {
  test('is what RFC 2136 says, byte for byte', () => {
    const expected = [
      '1234 2800 0001 0000 0001 0000',
      '07 6578616d706c65 03 636f6d 00 0006 0001',
      '0f 5f61636d652d6368616c6c656e6765 07 6578616d706c65 03 636f6d 00 0010 0001 0000003c 0004 03 616263',
    ];
    expect(encodeMessage(update).toString('hex')).toBe(expected.join('').replaceAll(' ', ''));
  });

  test('is signed as RFC 8945 says: over the message without the record, and the variables', () => {
    const secret = Buffer.from('c2VjcmV0IGtleSBmb3IgdHNpZw==', 'base64');
    const signed = signMessage(update, { name: 'Key.example', secret }, 1_700_000_000_500);
    const plain = encodeMessage(update);
    // One additional record more.
    expect(signed.readUInt16BE(10)).toBe(1);
    const record = signed.subarray(plain.length);
    const keyName = '036b6579076578616d706c6500';
    const algorithm = '0b686d61632d73686132353600';
    const time = '00006553f100012c';
    const mac = createHmac('sha256', secret)
      .update(plain)
      .update(Buffer.from(`${keyName}00ff00000000${algorithm}${time}00000000`, 'hex'))
      .digest('hex');
    expect(record.toString('hex')).toBe(`${keyName}00fa00ff00000000003d${algorithm}${time}0020${mac}123400000000`);
  });
});

describe('names and texts', () => {
  test('labels over 63 bytes and names over 255 are refused', () => {
    expect(() => encodeName(`${'a'.repeat(64)}.example`)).toThrow('63 bytes');
    expect(() => encodeName(`${'a'.repeat(60)}.`.repeat(5))).toThrow('255 bytes');
    expect(encodeName('.').toString('hex')).toBe('00');
  });

  test('long texts are cut into strings of 255 bytes', () => {
    const encoded = encodeText('x'.repeat(300));
    expect([encoded[0], encoded[256], encoded.length]).toEqual([255, 45, 302]);
    expect(encodeText('').toString('hex')).toBe('00');
  });
});

describe('parseAnswer', () => {
  const question = Buffer.concat([encodeName('a.b.example'), Buffer.from('00060001', 'hex')]);
  const answer = (counts: string, records: string): Buffer =>
    Buffer.concat([Buffer.from(`00078500${counts}`, 'hex'), question, Buffer.from(records, 'hex')]);

  test('the zone is the owner of the SOA record in the authority section, also where its name is compressed', () => {
    // A pointer to `b.example` in the question, which begins at byte 12.
    expect(parseAnswer(answer('0001000000010000', 'c00e 0006 0001 00000e10 0002 0000'.replaceAll(' ', '')))).toEqual({
      id: 7,
      rcode: 0,
      zones: ['b.example'],
    });
  });

  test('an error code is read', () => {
    expect(parseAnswer(Buffer.from('0007a8090000000000000000', 'hex'))).toEqual({ id: 7, rcode: 9, zones: [] });
  });

  test.each([
    ['a question', Buffer.from('000700000000000000000000', 'hex')],
    ['too short', Buffer.from('0007', 'hex')],
    ['a name that points to itself', answer('0001000000010000', 'c01d000600010000000000020000')],
    ['records that are cut off', answer('0001000100000000', 'c00c0006')],
    ['a label that is longer than the message', answer('0001000100000000', '3f61')],
  ])('%s is no answer', (_what, message) => {
    expect(parseAnswer(message)).toBeUndefined();
  });
});
