import { describe, expect, test } from 'vitest';
import { createLineSplitter } from '../../../src/protocol/lines.ts';

function splitterOf(maxLineBytes: number) {
  const lines: string[] = [];
  const push = createLineSplitter(maxLineBytes, (line) => lines.push(line.toString()));
  return { lines, push: (text: string) => push(Buffer.from(text)) };
}

describe('createLineSplitter', () => {
  test('cuts several lines out of one chunk and waits for the rest of the last', () => {
    const { lines, push } = splitterOf(100);
    expect(push('one\ntwo\nthr')).toBe(true);
    expect(lines).toEqual(['one', 'two']);
    expect(push('ee\n')).toBe(true);
    expect(lines).toEqual(['one', 'two', 'three']);
  });

  test('gives the same lines however the bytes are cut', () => {
    const text = 'a\n\nsome ünïcode line\n{"jsonrpc":"2.0"}\n';
    for (let size = 1; size <= text.length; size++) {
      const lines: string[] = [];
      const push = createLineSplitter(64, (line) => lines.push(line.toString()));
      const bytes = Buffer.from(text);
      for (let start = 0; start < bytes.length; start += size) expect(push(bytes.subarray(start, start + size))).toBe(true);
      expect(lines).toEqual(['a', '', 'some ünïcode line', '{"jsonrpc":"2.0"}']);
    }
  });

  test('takes a line of exactly the limit', () => {
    const { lines, push } = splitterOf(4);
    expect(push('ab')).toBe(true);
    expect(push('cd')).toBe(true);
    expect(push('\nabcd\n')).toBe(true);
    expect(lines).toEqual(['abcd', 'abcd']);
  });

  test.each([['abcde'], ['abcde\n'], ['ok\nabcde\nok\n']])('answers false for good when a line is over the limit: %o', (text) => {
    const { lines, push } = splitterOf(4);
    expect(push(text)).toBe(false);
    expect(push('ok\n')).toBe(false);
    expect(lines).toEqual(text.startsWith('ok') ? ['ok'] : []);
  });

  test('finds a line over the limit before its end comes', () => {
    const { push } = splitterOf(4);
    expect(['a', 'b', 'c', 'd', 'e'].map(push)).toEqual([true, true, true, true, false]);
  });

  test('a line that was given out is not written over by later ones', () => {
    const lines: Buffer[] = [];
    const push = createLineSplitter(100, (line) => lines.push(line));
    for (const text of ['fir', 'st\nsec', 'ond\nthi', 'rd\n']) push(Buffer.from(text));
    expect(lines.map(String)).toEqual(['first', 'second', 'third']);
  });

  test('a peer that sends single bytes costs no more than what it sent', () => {
    const bytes = 1 << 20;
    const push = createLineSplitter(bytes, () => {});
    const before = usedBytes();
    for (let sent = 0; sent < bytes; sent++) push(Buffer.allocUnsafeSlow(1));
    expect(usedBytes() - before).toBeLessThan(40 * bytes);
    expect(push(Buffer.from('\n'))).toBe(true);
  });
});

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
