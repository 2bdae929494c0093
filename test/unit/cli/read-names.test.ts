import { expect, test } from 'vitest';
import { parseNameLines, readNames } from '../../../src/cli/read-names.ts';

test('a file has a name a line, and comments', () => {
  const text = '\u{feff}# customers\nshop.example\r\n\n  Bücher.example.   # theirs\n*.b.example#no comment\n'.replace('#no comment', '');
  expect(parseNameLines(text, 'names.txt')).toEqual(['shop.example', 'xn--bcher-kva.example', '*.b.example']);
});

test('all lines that are wrong are told at once, by number', () => {
  const lines = ['ok.example', 'a b', 'https://x.example', '', '10.0.0.1', '*', 'x_y.example', 'y..example', '-'];
  expect(() => parseNameLines(lines.join('\n'), 'names.txt')).toThrow(
    expect.objectContaining({
      code: 'TENANTD_E_BAD_DOMAIN',
      message: expect.stringMatching(
        /^names\.txt, line 2: "a b" must be a host name; line 3: .*; line 5: .*; line 6: .*; line 7: [^;]*; and 2 more$/,
      ),
    }),
  );
});

test('a file without names is told', () => {
  expect(() => parseNameLines('# none\n\n', 'names.txt')).toThrow(expect.objectContaining({ code: 'TENANTD_E_FILE_EMPTY' }));
});

test('names of arguments are told each once, in the form that requests have', async () => {
  expect(await readNames(['A.example', 'a.example.', '*.b.example'], undefined)).toEqual(['a.example', '*.b.example']);
  await expect(readNames(['a.example', 'a/b'], undefined)).rejects.toThrow(expect.objectContaining({ code: 'TENANTD_E_BAD_DOMAIN' }));
  await expect(readNames([], undefined)).rejects.toThrow(expect.objectContaining({ code: 'TENANTD_E_USAGE' }));
});

test('a file that is not there is told', async () => {
  await expect(readNames([], '/nonexistent/names')).rejects.toThrow(expect.objectContaining({ code: 'TENANTD_E_FILE_MISSING' }));
  await expect(readNames([], '/')).rejects.toThrow(expect.objectContaining({ code: 'TENANTD_E_FILE_UNREADABLE' }));
});
