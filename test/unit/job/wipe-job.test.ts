import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wipeFolder } from '../../../src/job/wipe-job.ts';

let outer: string;
let folder: string;

beforeEach(() => {
  outer = mkdtempSync(join(tmpdir(), 'tenantd-wipe-'));
  folder = join(outer, 'release');
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(outer, { recursive: true, force: true });
});

/** In a process of its own: it goes from folder to folder. */
function wipe(): void {
  const module = new URL('../../../src/job/wipe-job.ts', import.meta.url).pathname;
  execFileSync(process.execPath, [
    '-e',
    `import(${JSON.stringify(module)}).then(({ wipeFolder }) => wipeFolder(${JSON.stringify(folder)}))`,
  ]);
}

test('takes away whatever a folder holds, and leaves it', () => {
  mkdirSync(`${folder}/a/b/c`, { recursive: true });
  for (const name of ['a/b/f', 'a/b/c/f', 'g']) writeFileSync(`${folder}/${name}`, 'x');
  execFileSync('mkfifo', [`${folder}/a/fifo`]);
  wipe();
  expect(readdirSync(outer)).toEqual(['release']);
  expect(readdirSync(folder)).toEqual([]);
});

test('takes away links, and nothing that they lead to', () => {
  mkdirSync(`${outer}/other`);
  writeFileSync(`${outer}/other/kept`, 'x');
  symlinkSync('../other', `${folder}/l`);
  symlinkSync(`${outer}/other/kept`, `${folder}/k`);
  wipe();
  expect(readdirSync(folder)).toEqual([]);
  expect(existsSync(`${outer}/other/kept`)).toBe(true);
});

test('enters folders that are closed', () => {
  mkdirSync(`${folder}/a/b`, { recursive: true });
  writeFileSync(`${folder}/a/b/f`, 'x');
  chmodSync(`${folder}/a/b`, 0);
  chmodSync(`${folder}/a`, 0);
  wipe();
  expect(readdirSync(folder)).toEqual([]);
});

test('goes down a tree that is deeper than any path is long', () => {
  const script = 'chdir $ARGV[0]; for (1..2000) { mkdir "dddddddd"; chdir "dddddddd" or die $! } open my $bottom, ">", "bottom"';
  execFileSync('perl', ['-e', script, folder]);
  wipe();
  expect(readdirSync(folder)).toEqual([]);
});

test('takes away thousands of files of one folder', () => {
  mkdirSync(`${folder}/many`);
  for (let index = 0; index < 5_000; index += 1) writeFileSync(`${folder}/many/${index}`, '');
  wipe();
  expect(readdirSync(folder)).toEqual([]);
});

test('fails for a folder that is not there', () => {
  expect(() => wipeFolder(`${folder}/gone`)).toThrow('ENOENT');
});
