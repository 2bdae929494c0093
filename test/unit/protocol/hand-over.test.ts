import { describe, expect, test } from 'vitest';
import { decodeHandOver, encodeHandOver } from '../../../src/protocol/hand-over.ts';

const secrets = [
  { name: 'A', value: Buffer.from('1') },
  { name: 'WITH_EQUALS', value: Buffer.from('a=b==\n=') },
  { name: 'KEY_OF_MANY_LINES', value: Buffer.from('-----BEGIN-----\n\u{1f511}\n-----END-----\n') },
];

describe('what is handed over', () => {
  test.each([[[]], [secrets.slice(0, 1)], [secrets]])('arrives as it was: %#', (sent) => {
    expect(decodeHandOver(encodeHandOver(sent))).toEqual(sent);
  });

  test('is refused when any part of its end is missing, or more came', () => {
    const bytes = encodeHandOver(secrets);
    const cut = Array.from({ length: bytes.length }, (_, end) => decodeHandOver(bytes.subarray(0, end)));
    expect(cut).toEqual(Array(bytes.length).fill(undefined));
    expect(decodeHandOver(Buffer.concat([bytes, Buffer.from('B=2\0')]))).toBeUndefined();
  });
});
