import { describe, expect, test } from 'vitest';
import { parseIgnoreRules } from '../../../src/cli/ignore-rules.ts';

describe('a .tenantdignore', () => {
  test.each<[string, string, boolean, boolean]>([
    ['', 'a', false, false],
    ['', '.git', true, true],
    ['', 'sub/.git', true, true],
    ['', '.github', true, false],
    ['# .env', '.env', false, false],
    ['.env', '.env', false, true],
    ['.env', 'config/.env', false, true],
    ['*.log', 'logs/a.log', false, true],
    ['*.log', 'a.log.js', false, false],
    ['/dist', 'dist', true, true],
    ['/dist', 'lib/dist', true, false],
    ['test/', 'test', true, true],
    ['test/', 'test', false, false],
    ['docs/*.md', 'docs/a.md', false, true],
    ['docs/*.md', 'docs/deep/a.md', false, false],
    ['docs/**/*.md', 'docs/deep/a.md', false, true],
    ['*.md\n!README.md', 'README.md', false, false],
    ['*.md\n!README.md', 'NOTES.md', false, true],
    ['*.md\r\n!README.md\r\n', 'NOTES.md', false, true],
  ])('of %o: of %s (a folder: %s) it is %s that it is left out', (text, path, isFolder, expected) => {
    expect(parseIgnoreRules(text)(path, isFolder)).toBe(expected);
  });
});
