import { describe, expect, test } from 'vitest';
import { createHiddenLines } from '../../../src/cli/ask-hidden.ts';

function typed(...texts: string[]): string[] {
  const lines = createHiddenLines();
  for (const text of texts) lines.type(text);
  return lines.typed();
}

describe('what is typed without being shown', () => {
  test.each<[string, string[], string[]]>([
    ['lines', ['one\r', 'two\r'], ['one', 'two']],
    ['lines in one piece', ['one\rtwo\r'], ['one', 'two']],
    ['a line in many pieces', ['o', 'n', 'e', '\r'], ['one']],
    ['no end yet', ['one'], []],
    ['backspace', ['onf\u007fe\r'], ['one']],
    ['backspace at the beginning', ['\u007f\bone\r'], ['one']],
    ['backspace over a character of two halves', ['a\u{1f511}\u007fb\r'], ['ab']],
    ['Ctrl-U', ['wrong\u0015one\r'], ['one']],
    ['arrow keys and other keys', ['o\u001b[Dn\u001b[3~e\u0001\r'], ['one']],
    ['a paste in brackets', ['\u001b[200~one\u001b[201~\r'], ['one']],
    ['a tab', ['o\te\r'], ['o\te']],
  ])('%s', (_, texts, lines) => {
    expect(typed(...texts)).toEqual(lines);
  });

  test('Ctrl-C interrupts, Ctrl-D ends where nothing was typed', () => {
    const lines = createHiddenLines();
    expect([lines.type('\u0004'), lines.type('one\u0004'), lines.type('x\u0003')]).toEqual(['end', 'more', 'interrupt']);
  });
});
