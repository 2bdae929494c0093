import { expect, test } from 'vitest';
import { createLineCutter } from '../../../src/logs/cut-lines.ts';

function cut(maxLineBytes: number, ...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const cutter = createLineCutter(maxLineBytes, (line) => lines.push(line));
  for (const chunk of chunks) {
    const reused = Buffer.from(chunk);
    cutter.push(reused);
    reused.fill('!');
  }
  cutter.end();
  return lines;
}

test('lines come out whole, however the chunks fall', () => {
  expect(cut(100, 'one\ntw', 'o\r', '\n\nthree')).toEqual(['one', 'two', '', 'three']);
});

test('a line over the limit comes in pieces', () => {
  expect(cut(4, 'abcdefghij\nxy\n')).toEqual(['abcd', 'efgh', 'ij', 'xy']);
  expect(cut(4, 'abc', 'def', 'ghi')).toEqual(['abcd', 'efgh', 'i']);
});

test('no character is torn by a limit or a chunk', () => {
  const text = 'äö€😀'.repeat(10);
  expect(cut(7, text).join('')).toBe(text);
  const bytes = Buffer.from(text);
  expect(cut(100, bytes.subarray(0, 9), bytes.subarray(9)).join('')).toBe(text);
});

test('bytes that are no UTF-8 do not hang it', () => {
  expect(cut(4, Buffer.alloc(10, 0x80)).join('')).toHaveLength(10);
});
