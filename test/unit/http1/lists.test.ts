import { describe, expect, test } from 'vitest';
import { splitList } from '../../../src/http1/lists.ts';

describe('a list', () => {
  test.each<[string, string[]]>([
    ['a', ['a']],
    [' a ,\tb\t, c d', ['a', 'b', 'c d']],
    ['', []],
    [', ,\t,', []],
    ['a\u00a0,\u00a0', ['a\u00a0', '\u00a0']],
  ])('%j has its elements without blanks', (value, elements) => {
    expect(splitList(value, 10)).toEqual(elements);
  });

  test('may not have more parts than allowed, empty ones included', () => {
    expect(splitList('a,b,c', 3)).toEqual(['a', 'b', 'c']);
    expect(splitList('a,b,,', 3)).toBeUndefined();
  });
});
