import { describe, expect, test } from 'vitest';
import { encodeMessage, encodeRecord, opcode, readMessage, recordClass, recordType } from '../../../src/dns/message.ts';

const query = encodeMessage({
  id: 7,
  opcode: opcode.query,
  question: { name: 'api.test', type: recordType.A, class: recordClass.IN },
  recursionDesired: true,
  authority: [],
  additional: [],
});
const record = encodeRecord({ name: 'api.test', type: recordType.A, class: recordClass.IN, ttl: 60, data: Buffer.from([1, 2, 3, 4]) });

function withCounts(message: Buffer, ...counts: number[]): Buffer {
  const changed = Buffer.from(message);
  for (const [index, count] of counts.entries()) changed.writeUInt16BE(count, 4 + 2 * index);
  return changed;
}

describe('readMessage', () => {
  test('reads what encodeMessage wrote', () => {
    expect(readMessage(query)).toMatchObject({
      ...{ id: 7, flags: 0x0100, opcode: 0, rcode: 0 },
      questions: [{ name: 'api.test', type: 1, class: 1 }],
      questionsEnd: query.length,
      answers: [],
    });
  });

  test('puts each record into its section', () => {
    const answer = withCounts(Buffer.concat([query, record, record, record]), 1, 1, 1, 1);
    const read = readMessage(answer);
    expect([read?.answers.length, read?.authority.length, read?.additional.length]).toEqual([1, 1, 1]);
    expect(read?.answers[0]).toMatchObject({ name: 'api.test', ttl: 60, data: Buffer.from([1, 2, 3, 4]) });
  });

  test.each([
    ['a record fewer than it says', withCounts(Buffer.concat([query, record]), 1, 2)],
    ['a record more than it says', withCounts(Buffer.concat([query, record]), 1, 0)],
    ['more questions than it has', withCounts(query, 2)],
    ['thousands of records', withCounts(query, 1, 65_535, 65_535, 65_535)],
    ['a record that is cut off', withCounts(Buffer.concat([query, record.subarray(0, -1)]), 1, 1)],
  ])('%s is no message', (_what, message) => {
    expect(readMessage(message)).toBeUndefined();
  });

  test('no part of a message is one', () => {
    const answer = withCounts(Buffer.concat([query, record]), 1, 1);
    for (let length = 0; length < answer.length; length += 1) expect(readMessage(answer.subarray(0, length))).toBeUndefined();
  });
});
