import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diffFolders } from '../../../src/job/diff-job.ts';

let root: string;
const [before, after] = ['before', 'after'];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantd-diff-'));
  for (const folder of [before, after]) mkdirSync(`${root}/${folder}`);
});
afterEach(() => rmSync(root, { recursive: true }));

function write(side: string, files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = `${root}/${side}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), path);
    else writeFileSync(path, content);
  }
}
const diff = (ignored: string[] = []) => diffFolders(`${root}/${before}`, `${root}/${after}`, ignored);

test('two folders with the same in them do not differ', () => {
  const files = { 'a/b/c.txt': 'same', link: '-> a', empty: '' };
  write(before, files);
  write(after, files);
  expect(diff().counts).toEqual({ added: 0, changed: 0, removed: 0 });
});

test('what came, what went and what is another file are told apart', () => {
  const big = 'x'.repeat(600_000);
  write(before, {
    'gone.txt': '',
    'same.txt': 'same',
    'size.txt': 'a',
    'text.txt': 'abc',
    'late.bin': `${big}1`,
    link: '-> same.txt',
    kind: 'file',
    'folder/in': '',
    'mode.sh': '',
  });
  write(after, {
    'new/er.txt': '',
    'same.txt': 'same',
    'size.txt': 'ab',
    'text.txt': 'abd',
    'late.bin': `${big}2`,
    link: '-> size.txt',
    kind: '-> same.txt',
    folder: 'a file',
    'mode.sh': '',
  });
  chmodSync(`${root}/after/mode.sh`, 0o755);
  expect(diff()).toEqual({
    added: ['folder', 'new/er.txt'],
    changed: ['kind', 'late.bin', 'link', 'mode.sh', 'size.txt', 'text.txt'],
    removed: ['gone.txt', 'folder/in'],
    counts: { added: 2, changed: 6, removed: 2 },
  });
});

test('a link is compared, never followed', () => {
  write(before, { link: '-> /etc/passwd', up: '-> ..' });
  write(after, { link: '-> /etc/passwd', up: '-> ../..' });
  expect(diff()).toMatchObject({ changed: ['up'], added: [], removed: [] });
});

test('of many names some are told, and all counted', () => {
  write(after, Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`f${index}`, ''])));
  const { added, counts } = diff();
  expect([added.length, counts.added]).toEqual([500, 600]);
});

test("what lies at the top of an operator's folder beside its files is none of them", () => {
  write(before, { 'index.html': 'x', 'releases/1/index.html': 'y', current: '-> releases/1' });
  write(after, { 'index.html': 'x', releases: 'mine' });
  expect(diff(['releases', 'current'])).toMatchObject({ added: ['releases'], changed: [], removed: [] });
});
