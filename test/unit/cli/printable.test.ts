import { describe, expect, test } from 'vitest';
import { printable } from '../../../src/cli/printable.ts';

describe('printable', () => {
  test.each([
    ['plain text', 'plain text'],
    ['Zürich, 東京, 👍', 'Zürich, 東京, 👍'],
    ['', ''],
    ['tab\there', 'tab    here'],
  ])('leaves %o readable', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['the move of the cursor', '\u001b[2A\u001b[Kgone', 'gone'],
    ['a window title', '\u001b]0;owned\u0007text', 'text'],
    ['a link', '\u001b]8;;http://evil.example\u0007here\u001b]8;;\u0007', 'here'],
  ])('takes out %s', (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test.each([
    ['a new line', 'a\nforged line', 'a\\x0aforged line'],
    ['a return', 'real\rfake', 'real\\x0dfake'],
    ['a backspace', 'a\bb', 'a\\x08b'],
    ['a bell', '\u0007', '\\x07'],
    ['a zero byte', 'a\0b', 'a\\x00b'],
    ['a delete', '\u007f', '\\x7f'],
    ['text turned around', '\u202egnp.exe', '\\u202egnp.exe'],
    ['a line separator', 'a\u2028b', 'a\\u2028b'],
  ])('shows %s as an escape', (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test('leaves no character that a terminal obeys, whatever it gets', () => {
    const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join('');
    for (const before of ['', '\u001b', '\u001b[', '\u001b]', '\u001bP', '\u009b', '\u001b[31', '\u001b\u001b[m']) {
      // oxlint-disable-next-line no-control-regex -- they are what it is about
      expect(printable(before + controls + before)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
  });
});
