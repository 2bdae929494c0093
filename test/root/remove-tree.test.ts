import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { removeTree } from '../../src/privileged/copy-tree.ts';
import { findPrograms } from '../../src/privileged/programs.ts';

const uid = 1_987_654;
const programs = findPrograms();
const tools = { programs, bubblewrap: programs.bwrap };

function folderOf(name: string): { tree: string; outside: string } {
  const base = mkdtempSync(join(tmpdir(), `tenantd-${name}-`));
  onTestFinished(() => void execFileSync('rm', ['-rf', base]));
  const [tree, outside] = [`${base}/tree`, `${base}/outside`];
  mkdirSync(tree);
  mkdirSync(outside);
  writeFileSync(`${outside}/file`, 'precious');
  chownSync(tree, uid, uid);
  chmodSync(base, 0o755);
  return { tree, outside };
}

const asTenant = (script: string, cwd: string): string =>
  execFileSync('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'sh', '-ec', script], { cwd, encoding: 'utf8' });

test('a tree of links, closed folders, pipes and a hundred thousand files goes, and nothing beside it', async () => {
  const { tree, outside } = folderOf('hostile');
  asTenant(
    `ln -s ${outside} link; ln -s ${outside}/file file-link; ln -s / root; ln -s .. up; ln -s link/../.. far; mkfifo pipe
     mkdir closed; echo x > closed/file; chmod 000 closed/file closed; mkdir -p -- "-rf" "$(printf 'new\\nline')"; : > "--help"
     mkdir many; cd many; seq 100000 | xargs touch`,
    tree,
  );
  symlinkSync(outside, `${tree}/planted`);
  await removeTree(tools, tree);
  expect(existsSync(tree)).toBe(false);
  expect(readFileSync(`${outside}/file`, 'utf8')).toBe('precious');
}, 60_000);

test('a tree that is deeper than any path goes', async () => {
  const { tree } = folderOf('deep');
  asTenant(`exec perl -e 'for (1 .. 6000) { mkdir "d" or die $!; chdir "d" or die $! }'`, tree);
  await removeTree(tools, tree);
  expect(existsSync(tree)).toBe(false);
}, 60_000);

test('a link in its place goes, and what it leads to stays', async () => {
  const { tree, outside } = folderOf('link');
  rmSync(tree, { recursive: true });
  symlinkSync(outside, tree);
  await removeTree(tools, tree);
  expect(lstatSync(tree, { throwIfNoEntry: false })).toBeUndefined();
  expect(readFileSync(`${outside}/file`, 'utf8')).toBe('precious');
});

test('what is not there is no fault', async () => {
  await expect(removeTree(tools, '/nonexistent/tree')).resolves.toBeUndefined();
});
