import { describe, expect, test } from 'vitest';
import { decodeHuffman } from '../../../src/http2/huffman.ts';

function decode(hex: string): string | undefined {
  const bytes = Buffer.from(hex, 'hex');
  const into = Buffer.alloc(Math.ceil((bytes.length * 8) / 5));
  const length = decodeHuffman(bytes, 0, bytes.length, into);
  return length === -1 ? undefined : into.toString('latin1', 0, length);
}

describe('Huffman codes', () => {
  test.each([
    ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
    ['a8eb10649cbf', 'no-cache'],
    ['25a849e95ba97d7f', 'custom-key'],
    ['6402', '302'],
    ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    [
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ],
    ['', ''],
  ])('%s is %j, as in RFC 7541 appendix C', (hex, text) => {
    expect(decode(hex)).toBe(text);
  });

  test.each([
    ['fe', 'padding with a zero in it'],
    ['1c', 'a character cut short'],
    ['1fff', 'eight bits of padding or more after a character'],
    ['ff', 'nothing but eight bits of padding'],
    ['fffffffc', 'the end of string'],
    ['1fffffffff', 'the end of string after a character'],
  ])('%s is refused: %s', (hex) => {
    expect(decode(hex)).toBeUndefined();
  });

  test('up to seven ones are padding', () => {
    expect(decode('07')).toBe('0');
    expect(decode('f8')).toBe('&');
  });
});
