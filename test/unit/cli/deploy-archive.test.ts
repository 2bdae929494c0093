import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openArchive } from '../../../src/cli/deploy-archive.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tenantd-pack-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function bytesOf(path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await openArchive(path)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function entriesOf(path: string): Promise<Map<string, string>> {
  const archive = extract();
  archive.end(await bytesOf(path));
  const entries = new Map<string, string>();
  for await (const entry of archive) {
    const { name, type, linkname } = entry.header;
    let text = '';
    for await (const chunk of entry as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
    entries.set(name, type === 'file' ? text : `${type} ${linkname ?? ''}`.trim());
  }
  return entries;
}

test('a folder is packed, links as links, without what it says to leave out', async () => {
  for (const below of ['lib/deep', '.git', 'node_modules/x']) mkdirSync(join(folder, below), { recursive: true });
  const files = {
    'a.js': 'a',
    'lib/deep/b.js': 'b'.repeat(100_000),
    '.git/config': 'x',
    empty: '',
    '.env': 'SECRET=1',
    'node_modules/x/y.js': 'y',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, '.tenantdignore'), '.env\n');
  symlinkSync('lib/deep', join(folder, 'link'));
  const entries = await entriesOf(folder);
  expect([...entries.keys()].sort()).toEqual([
    'a.js',
    'empty',
    'lib',
    'lib/deep',
    'lib/deep/b.js',
    'link',
    'node_modules',
    'node_modules/x',
    'node_modules/x/y.js',
  ]);
  expect([entries.get('a.js'), entries.get('lib/deep/b.js')?.length, entries.get('link')]).toEqual(['a', 100_000, 'symlink lib/deep']);
});

test('an archive file is sent as it is', async () => {
  writeFileSync(join(folder, 'x.tgz'), 'whatever it is');
  expect((await bytesOf(join(folder, 'x.tgz'))).toString()).toBe('whatever it is');
});

test.each([
  ['what is not there', 'gone'],
  ['a file of another kind', 'notes.txt'],
])('%s is wrong usage', async (_, name) => {
  writeFileSync(join(folder, 'notes.txt'), 'x');
  await expect(openArchive(join(folder, name))).rejects.toMatchObject({ code: 'TENANTD_E_USAGE' });
});

test('a socket in it is wrong usage, and named', async () => {
  const server = createServer().listen(join(folder, 'debug.sock'));
  try {
    await expect(bytesOf(folder)).rejects.toMatchObject({
      code: 'TENANTD_E_USAGE',
      message: expect.stringContaining('debug.sock') as unknown,
    });
  } finally {
    server.close();
  }
});
