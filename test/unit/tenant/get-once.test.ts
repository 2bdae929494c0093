import { describe, expect, test } from 'vitest';
import { createAnswerReader, type GetOutcome } from '../../../src/tenant/get-once.ts';

/** In pieces of so many bytes. Undefined: more is waited for. */
function read(text: string, pieceBytes: number): GetOutcome | undefined {
  const reader = createAnswerReader();
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const outcome = reader.take(bytes.subarray(at, at + pieceBytes));
    if (outcome) return outcome;
  }
  return undefined;
}

const head = (status: string, ...fields: string[]): string => `HTTP/1.1 ${status}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;

describe('an answer', () => {
  test.each<[string, string, GetOutcome | undefined]>([
    ['with a length', `${head('200 OK', 'content-length: 4')}done`, { got: 'answer', status: 200 }],
    ['with a length that is not reached', `${head('200 OK', 'content-length: 5')}done`, undefined],
    ['in chunks', `${head('200 OK', 'transfer-encoding: chunked')}4\r\ndone\r\n0\r\n\r\n`, { got: 'answer', status: 200 }],
    ['in chunks that do not end', `${head('200 OK', 'transfer-encoding: chunked')}4\r\ndone\r\n`, undefined],
    ['without a body', head('204 No Content'), { got: 'answer', status: 204 }],
    ['not modified, with a length', head('304 Not Modified', 'content-length: 9'), { got: 'answer', status: 304 }],
    [
      'after an interim one',
      `${head('103 Early Hints', 'link: </x>')}${head('500 No', 'content-length: 0')}`,
      { got: 'answer', status: 500 },
    ],
    ['after interim ones alone', head('100 Continue'), undefined],
    ['whose length is unknown', `${head('200 OK')}endless`, undefined],
    ['that switches protocols', head('101 Switching Protocols', 'upgrade: x'), { got: 'nonsense', why: 'it switched protocols' }],
    ['that is none', 'SSH-2.0-OpenSSH\r\n\r\n', { got: 'nonsense', why: 'malformed status line' }],
    ['of bad chunks', `${head('200 OK', 'transfer-encoding: chunked')}zz\r\n`, { got: 'nonsense', why: expect.any(String) as string }],
    [
      'with both lengths',
      head('200 OK', 'transfer-encoding: chunked', 'content-length: 1'),
      { got: 'nonsense', why: expect.any(String) as string },
    ],
  ])('%s', (_, text, outcome) => {
    for (const pieceBytes of [1, 7, text.length]) expect(read(text, pieceBytes)).toEqual(outcome);
  });

  test('with a head that does not end is nonsense, and kept no longer', () => {
    expect(read(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}`, 10_000)).toEqual({ got: 'nonsense', why: 'its head is too large' });
  });

  test('that goes on for ever is too large', () => {
    const reader = createAnswerReader();
    reader.take(Buffer.from(head('200 OK')));
    const mebibyte = Buffer.alloc(1 << 20);
    const outcomes = Array.from({ length: 17 }, () => reader.take(mebibyte));
    expect(outcomes.at(-2)).toBeUndefined();
    expect(outcomes.at(-1)).toEqual({ got: 'nonsense', why: 'its answer is too large' });
  });

  test('is whole at the end of its connection only where that is its end', () => {
    const unknown = createAnswerReader();
    unknown.take(Buffer.from(`${head('200 OK')}all of it`));
    expect(unknown.end()).toEqual({ got: 'answer', status: 200 });
    const cut = createAnswerReader();
    cut.take(Buffer.from(`${head('200 OK', 'content-length: 100')}half`));
    expect(cut.end()).toEqual({ got: 'end' });
    expect(createAnswerReader().end()).toEqual({ got: 'end' });
  });
});
