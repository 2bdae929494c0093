import { TenantdError } from '../base/errors.ts';

const maxCharacters = 100_000;

/**
 * A command line's words, as a shell would cut it where only blanks and quotes have a meaning: '...' as it is, "..." and outside of quotes
 * with \ before a character that is to stand for itself. Nothing is looked up or run: $, ;, |, * and the like are characters.
 */
export function splitWords(line: string): string[] {
  if (line.length > maxCharacters) throw usage(`the command has over ${maxCharacters} characters`);
  const words: string[] = [];
  let rest = line.trimStart();
  while (rest !== '') {
    const { word, length } = readWord(rest);
    words.push(word);
    rest = rest.slice(length).trimStart();
  }
  return words;
}

const part = /'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])|([^\s'"\\]+)/y;

function readWord(text: string): { word: string; length: number } {
  let word = '';
  let length = 0;
  while (length < text.length && !/\s/.test(text.charAt(length))) {
    part.lastIndex = length;
    const match = part.exec(text);
    if (!match) throw usage('a quote or a \\ has no end');
    const [whole, single, double, escaped, plain] = match;
    word += single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? plain ?? '';
    length += whole.length;
  }
  return { word, length };
}

function usage(message: string): TenantdError {
  return new TenantdError('TENANTD_E_USAGE', message, 'give the command to ssh in quotes: ssh HOST "exec acme -- sh -c \'date; id\'"');
}
