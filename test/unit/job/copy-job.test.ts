import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyBuilt } from '../../../src/job/copy-job.ts';

const caps = { bytes: 1 << 20, entries: 100 };
let outer: string;
let [from, to] = ['', ''];

beforeEach(() => {
  outer = mkdtempSync(join(tmpdir(), 'tenantd-copy-'));
  [from, to] = [join(outer, 'from'), join(outer, 'to')];
  for (const folder of [from, to]) mkdirSync(folder);
});
afterEach(() => rmSync(outer, { recursive: true, force: true }));

test('what a build left is copied, with modes that are all alike', async () => {
  mkdirSync(`${from}/dist/deep`, { recursive: true });
  writeFileSync(`${from}/dist/deep/a.js`, 'a', { mode: 0o600 });
  writeFileSync(`${from}/run`, 'r');
  chmodSync(`${from}/run`, 0o4755);
  symlinkSync('dist/deep/a.js', `${from}/l`);
  expect(await copyBuilt(from, to, caps)).toEqual({ bytes: 2, files: 5 });
  expect(readFileSync(`${to}/l`, 'utf8')).toBe('a');
  expect(['dist/deep', 'dist/deep/a.js', 'run'].map((name) => (statSync(`${to}/${name}`).mode & 0o7777).toString(8))).toEqual([
    '755',
    '644',
    '755',
  ]);
});

test('what a build closed is opened', async () => {
  mkdirSync(`${from}/closed`);
  writeFileSync(`${from}/closed/f`, 'x');
  chmodSync(`${from}/closed/f`, 0);
  chmodSync(`${from}/closed`, 0);
  await copyBuilt(from, to, caps);
  expect(readFileSync(`${to}/closed/f`, 'utf8')).toBe('x');
});

describe('refused, and not followed:', () => {
  test.each([
    ['a link to the outside', () => symlinkSync('../secret', `${from}/l`), 'not surely in its release'],
    ['an absolute link', () => symlinkSync('/etc/passwd', `${from}/l`), 'not surely in its release'],
    ['a FIFO', () => void execFileSync('mkfifo', [`${from}/f`]), 'which is no file, folder or link'],
    ['a name with a newline', () => writeFileSync(`${from}/a\nb`, ''), 'control character'],
    ['a name that is not UTF-8', () => writeFileSync(Buffer.concat([Buffer.from(`${from}/`), Buffer.from([0xff, 0xfe])]), ''), 'not UTF-8'],
    ['a file that seems huge', () => (writeFileSync(`${from}/f`, ''), truncateSync(`${from}/f`, 2 ** 40)), 'room that is left'],
    [
      'too many files in one folder',
      () => Array.from({ length: 101 }, (_, index) => writeFileSync(`${from}/${index}`, '')),
      'over 100 files in one folder',
    ],
    ['a tree that is too deep', () => mkdirSync(`${from}/${'d/'.repeat(70)}`, { recursive: true }), 'deep'],
  ])('%s', async (_, plant, message) => {
    writeFileSync(`${outer}/secret`, 'secret');
    plant();
    await expect(copyBuilt(from, to, caps)).rejects.toThrow(message);
    expect(readdirSync(to).filter((name) => lstatSync(`${to}/${name}`).isSymbolicLink())).toEqual([]);
  });

  test('a socket', async () => {
    const server = createServer().listen(`${from}/s`);
    try {
      await expect(copyBuilt(from, to, caps)).rejects.toThrow('which is no file, folder or link');
    } finally {
      server.close();
    }
  });
});
