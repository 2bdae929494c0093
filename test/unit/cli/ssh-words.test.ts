import { describe, expect, test } from 'vitest';
import { splitWords } from '../../../src/cli/ssh-words.ts';

describe('a line from SSH is cut', () => {
  test.each([
    ['', []],
    ['  \n ', []],
    ['app deploy acme/site -', ['app', 'deploy', 'acme/site', '-']],
    ["exec acme -- sh -c 'date; id'", ['exec', 'acme', '--', 'sh', '-c', 'date; id']],
    ['exec acme -- printf "a b" c\\ d', ['exec', 'acme', '--', 'printf', 'a b', 'c d']],
    [String.raw`x "a \"b\" \$c \n"`, ['x', String.raw`a "b" $c \n`]],
    ['a\'b\'"c"d', ['abcd']],
    ['\'\' ""', ['', '']],
    [
      'status; rm -rf / && id | tee $(id) `id` > x *',
      ['status;', 'rm', '-rf', '/', '&&', 'id', '|', 'tee', '$(id)', '`id`', '>', 'x', '*'],
    ],
    ['status\nreload\r\ttoken', ['status', 'reload', 'token']],
    ['~root $HOME', ['~root', '$HOME']],
  ])('%j into %j', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  test.each(["'", '"', 'a "b', "a 'b", 'a\\', '"\\"'])('never in the middle of %j', (line) => {
    expect(() => splitWords(line)).toThrow('has no end');
  });

  test('only up to a length', () => {
    expect(splitWords('x '.repeat(50_000)).length).toBe(50_000);
    expect(() => splitWords('x'.repeat(100_001))).toThrow('characters');
  });
});
