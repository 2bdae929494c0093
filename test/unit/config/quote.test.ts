import { describe, expect, test } from 'vitest';
import { listSome, quote, shorten } from '../../../src/config/quote.ts';

describe('what others wrote, shown to an operator', () => {
  test('a terminal escape is written out', () => {
    expect(quote('\u001b[2Jgone')).toBe('"\\u{1b}[2Jgone"');
  });

  test('a bidirectional override is written out', () => {
    expect(quote('a\u202eb')).toBe('"a\\u{202e}b"');
  });

  test('several lines become one', () => {
    expect(shorten('a\n  b\r\nc')).toBe('a b c');
  });

  test('a long text is cut', () => {
    expect(quote('a'.repeat(100_000))).toBe(`"${'a'.repeat(60)}…"`);
  });

  test('a list or a mapping is named, not shown', () => {
    expect([quote([1]), quote({ a: 1 }), quote(null), quote(undefined)]).toEqual(['a list', 'a mapping', 'null', 'undefined']);
  });

  test('of many names the first are listed', () => {
    expect(listSome(['a', 'b', 'c', 'd', 'e'])).toBe('"a", "b", "c" and 2 more');
    expect(listSome(['a', 'b', 'c'])).toBe('"a", "b", "c"');
  });
});
