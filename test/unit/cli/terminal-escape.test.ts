import { describe, expect, test } from 'vitest';
import { createEscapeFilter } from '../../../src/cli/terminal-escape.ts';

function typed(...pieces: string[]): { sent: string; done: boolean } {
  const filter = createEscapeFilter();
  const sent = pieces.map((piece) => filter.pass(Buffer.from(piece)).toString()).join('');
  return { sent, done: filter.isDone() };
}

describe('what is typed', () => {
  test.each<[string, string[]]>([
    ['text', ['ls -l ~/x\r']],
    ['a path that begins a line', ['~/bin/x\r']],
    ['a tilde and a dot within a line', ['ls ~.\r']],
    ['a tilde and Enter', ['~\r']],
    ['bytes that are no text', ['\u0000\u001b[A\u0003ü']],
  ])('goes through as it is: %s', (_, pieces) => {
    expect(typed(...pieces)).toEqual({ sent: pieces.join(''), done: false });
  });

  test.each<[string, string[], string]>([
    ['first of all', ['~.'], ''],
    ['after Enter', ['ls\r~.'], 'ls\r'],
    ['key by key', ['x', '\r', '~', '.'], 'x\r'],
    ['with more behind it', ['\n~.rm -rf /\r'], '\n'],
  ])('ends the session: "~." %s', (_, pieces, sent) => {
    expect(typed(...pieces)).toEqual({ sent, done: true });
  });

  test('sends one tilde for two at the beginning of a line', () => {
    expect(typed('~~.\r~~')).toEqual({ sent: '~.\r~', done: false });
  });
});
