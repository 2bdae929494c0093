import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, afterEach, expect, test } from 'vitest';
import {
  inodeOf,
  isWithoutFiles,
  linkTree,
  putInPlaceOf,
  readInTree,
  readTree,
  removeTree,
  writeTree,
} from '../../../src/privileged/operator-trees.ts';

const limits = { files: 10, bytes: 1_000 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trees-'));
  mkdirSync(`${folder}/a/b`, { recursive: true });
  writeFileSync(`${folder}/a/one`, 'one', { mode: 0o755 });
  writeFileSync(`${folder}/a/b/two`, 'two');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (file: { content: Uint8Array } | undefined): string | undefined => file && Buffer.from(file.content).toString();

test('a tree is read in order of path, with what can be executed', async () => {
  const files = await readTree(`${folder}/a`, limits);
  expect(files.map((file) => [file.path, text(file), file.executable])).toEqual([
    ['b/two', 'two', false],
    ['one', 'one', true],
  ]);
});

test('links, devices, what others can write, and what is too much, is refused', async () => {
  const refused = async (path: string, make: () => void): Promise<void> => {
    make();
    await expect(readTree(`${folder}/a`, limits)).rejects.toMatchObject({
      code: 'TENANTD_E_BAD_PATH',
      message: expect.stringContaining(path),
    });
    rmSync(`${folder}/a/${path}`, { recursive: true });
  };
  await refused('link', () => symlinkSync('one', `${folder}/a/link`));
  await refused('folder-link', () => symlinkSync('b', `${folder}/a/folder-link`));
  await refused('fifo', () => execFileSync('mkfifo', [`${folder}/a/fifo`]));
  await refused('open', () => {
    writeFileSync(`${folder}/a/open`, '');
    chmodSync(`${folder}/a/open`, 0o666);
  });
  await refused('open-folder', () => {
    mkdirSync(`${folder}/a/open-folder`);
    chmodSync(`${folder}/a/open-folder`, 0o777);
  });
  await expect(readTree(`${folder}/a`, { files: 1, bytes: 1_000 })).rejects.toMatchObject({ code: 'TENANTD_E_TOO_MANY' });
  await expect(readTree(`${folder}/a`, { files: 10, bytes: 5 })).rejects.toMatchObject({ code: 'TENANTD_E_TOO_MANY' });
});

test('one file is read, and none through a link', async () => {
  symlinkSync('b', `${folder}/a/way`);
  expect(text(await readInTree(`${folder}/a`, 'b/two', 1_000))).toBe('two');
  expect(await readInTree(`${folder}/a`, 'b/three', 1_000)).toBeUndefined();
  expect(await readInTree(`${folder}/a`, 'none/three', 1_000)).toBeUndefined();
  await expect(readInTree(`${folder}/a`, 'way/two', 1_000)).rejects.toMatchObject({ code: 'TENANTD_E_BAD_PATH' });
  await expect(readInTree(`${folder}/a`, '../a/one', 1_000)).rejects.toMatchObject({ code: 'TENANTD_E_INTERNAL' });
});

test('files are written with their modes, also over files that have a second name, which stays', async () => {
  linkSync(`${folder}/a/one`, `${folder}/second`);
  await writeTree(`${folder}/a`, [
    { path: 'one', content: Buffer.from('new'), executable: false },
    { path: 'c/d/three', content: Buffer.from('three'), executable: true },
  ]);
  expect([readFileSync(`${folder}/a/one`, 'utf8'), readFileSync(`${folder}/second`, 'utf8')]).toEqual(['new', 'one']);
  expect([lstatSync(`${folder}/a/one`).mode & 0o777, lstatSync(`${folder}/a/c/d/three`).mode & 0o777]).toEqual([0o644, 0o755]);
});

test('nothing is written through a link', async () => {
  symlinkSync('b', `${folder}/a/way`);
  const write = writeTree(`${folder}/a`, [{ path: 'way/three', content: Buffer.from('x'), executable: false }]);
  await expect(write).rejects.toMatchObject({ code: 'TENANTD_E_BAD_PATH' });
  expect(existsSync(`${folder}/a/b/three`)).toBe(false);
});

test('a second tree has the same files, and links as they are', async () => {
  symlinkSync('../nowhere', `${folder}/a/b/link`);
  await linkTree(`${folder}/a`, `${folder}/copy`);
  expect(lstatSync(`${folder}/copy/one`).ino).toBe(lstatSync(`${folder}/a/one`).ino);
  expect(readlinkSync(`${folder}/copy/b/link`)).toBe('../nowhere');
});

test('a folder takes the place of another at once, and of none', async () => {
  mkdirSync(`${folder}/next`);
  writeFileSync(`${folder}/next/new`, '');
  const inode = inodeOf(`${folder}/next`);
  await putInPlaceOf({ perl: '/usr/bin/perl' }, `${folder}/next`, `${folder}/a`);
  expect([inodeOf(`${folder}/a`), existsSync(`${folder}/next/one`)]).toEqual([inode, true]);
  await putInPlaceOf({ perl: '/usr/bin/perl' }, `${folder}/next`, `${folder}/elsewhere`);
  expect([existsSync(`${folder}/elsewhere/one`), inodeOf(`${folder}/next`)]).toEqual([true, undefined]);
  await expect(putInPlaceOf({ perl: '/usr/bin/perl' }, `${folder}/gone`, `${folder}/a`)).rejects.toMatchObject({
    code: 'TENANTD_E_FILE_UNWRITABLE',
    message: expect.stringContaining('No such file'),
  });
});

test('folders alone are no files', async () => {
  mkdirSync(`${folder}/empty/er`, { recursive: true });
  expect(await Promise.all(['empty', 'a', 'nowhere'].map((name) => isWithoutFiles(`${folder}/${name}`)))).toEqual([true, false, false]);
  await removeTree(`${folder}/a`);
  expect(existsSync(`${folder}/a`)).toBe(false);
});
