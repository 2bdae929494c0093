import { expect, test } from 'vitest';
import { wrapText } from '../../../src/cli/wrap-text.ts';

test('breaks between words, with the indent in the width', () => {
  expect(wrapText('one two three four', 11, '  ')).toEqual(['  one two', '  three', '  four']);
  expect(wrapText('one two', 7)).toEqual(['one two']);
  expect(wrapText('one two', 6)).toEqual(['one', 'two']);
});

test('keeps a word that is too long whole, to be copied', () => {
  expect(wrapText('see http://acme.example/a/long/path now', 10)).toEqual(['see', 'http://acme.example/a/long/path', 'now']);
});

test('an empty text is an empty line', () => {
  expect(wrapText('', 10)).toEqual(['']);
});
