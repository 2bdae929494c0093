import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { diffLines, unifiedDiff } from '../../../src/cli/line-diff.ts';

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index}`);

test('the same texts have no diff', () => {
  expect(unifiedDiff('a\nb\n', 'a\nb\n')).toEqual([]);
});

test('changes far from each other are hunks of their own, with three lines around each', () => {
  const before = numbered(40);
  const after = before.with(5, 'five').toSpliced(30, 1);
  const diff = unifiedDiff(`${before.join('\n')}\n`, `${after.join('\n')}\n`);
  expect(diff.filter((line) => line.startsWith('@@'))).toEqual(['@@ -3,7 +3,7 @@', '@@ -28,7 +28,6 @@']);
  expect(diff.filter((line) => /^[+-]/.test(line))).toEqual(['-line 5', '+five', '-line 30']);
});

test('a new and a removed file', () => {
  expect(unifiedDiff('', 'a\n')).toEqual(['@@ -0,0 +1,1 @@', '+a']);
  expect(unifiedDiff('a\n', '')).toEqual(['@@ -1,1 +0,0 @@', '-a']);
});

test('a last line without an end differs from one with', () => {
  expect(unifiedDiff('a', 'a\n')).toEqual(['@@ -1,2 +1,1 @@', ' a', '-\\ no newline at the end']);
});

test('git makes the one text of the other by it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'line-diff-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const before = numbered(60);
  const after = before.flatMap((line, index) => (index % 7 === 3 ? [] : index % 11 === 5 ? [line, 'new', 'new too'] : [line]));
  const [old, next] = [`${before.join('\n')}\n`, `${after.join('\n')}\n`];
  writeFileSync(join(folder, 'text'), old);
  writeFileSync(join(folder, 'text.patch'), ['--- a/text', '+++ b/text', ...unifiedDiff(old, next), ''].join('\n'));
  execFileSync('git', ['apply', 'text.patch'], { cwd: folder, env: { PATH: process.env['PATH'], GIT_CEILING_DIRECTORIES: tmpdir() } });
  expect(readFileSync(join(folder, 'text'), 'utf8')).toBe(next);
});

test('no line is lost or made up, however large the texts are', () => {
  const before = numbered(3_000).map((line) => `old ${line}`);
  const after = numbered(3_000).map((line) => `new ${line}`);
  const lines = diffLines(before, after);
  expect(lines.filter(({ mark }) => mark !== '+').map(({ text }) => text)).toEqual(before);
  expect(lines.filter(({ mark }) => mark !== '-').map(({ text }) => text)).toEqual(after);
});
