import { constants, createReadStream } from 'node:fs';
import { lstat, open, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import { type IsIgnored, parseIgnoreRules } from './ignore-rules.ts';

export const ignoreFile = '.tenantdignore';

/** A tar archive, plain or gzip, as it comes. */
export type ArchiveChunks = AsyncIterable<Uint8Array>;

/** Of a folder, which is packed while it is read; of a file, or standard input, as it is. Throws TENANTD_E_USAGE for anything else. */
export async function openArchive(path: string): Promise<ArchiveChunks> {
  if (path === '-') return process.stdin as AsyncIterable<Buffer>;
  const found = await stat(path).catch((error: unknown) => {
    throw usage(errnoOf(error) === 'ENOENT' ? `${path} is not there` : `${path} can not be read: ${messageOf(error)}`);
  });
  if (found.isDirectory()) return packFolder(path);
  if (found.isFile() && /\.(?:tar|tar\.gz|tgz)$/.test(path)) return createReadStream(path);
  throw usage(`${path} is neither a folder nor a .tar, .tar.gz or .tgz file`);
}

function usage(message: string): TenantdError {
  return new TenantdError('TENANTD_E_USAGE', message, 'name the folder that has the app, or an archive of it');
}

/** Links are packed as links; what is no file, folder or link is refused where it is unpacked. */
async function* packFolder(folder: string): AsyncGenerator<Uint8Array> {
  const isIgnored = parseIgnoreRules(await readFile(join(folder, ignoreFile), 'utf8').catch(() => ''));
  const archive = pack();
  const packed = packAll(archive, folder, isIgnored).catch((error: unknown) => archive.destroy(error as Error));
  yield* archive as AsyncIterable<Uint8Array>;
  await packed;
}

async function packAll(archive: Pack, folder: string, isIgnored: IsIgnored): Promise<void> {
  const waiting = [''];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    const entries = await readdir(join(folder, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (name === ignoreFile || isIgnored(name, entry.isDirectory())) continue;
      if (entry.isDirectory()) waiting.push(name);
      await packOne(archive, folder, name);
    }
  }
  archive.finalize();
}

async function packOne(archive: Pack, folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  const found = await lstat(path);
  const { mode, mtime } = found;
  if (found.isFile()) return packFile(archive, path, name);
  if (found.isDirectory()) archive.entry({ name, type: 'directory', mode, mtime });
  else if (found.isSymbolicLink()) archive.entry({ name, type: 'symlink', linkname: await readlink(path), mtime });
  else throw usage(`${path} is no file, folder or link: add it to ${ignoreFile}, or remove it`);
}

/** As large as it is when it is opened: what is added meanwhile is left out. */
async function packFile(archive: Pack, path: string, name: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const { size, mode, mtime } = await file.stat();
  const entry = archive.entry({ name, type: 'file', size, mode, mtime });
  if (size === 0) return void entry.end(undefined);
  await pipeline(file.createReadStream({ start: 0, end: size - 1, autoClose: false }), entry as unknown as NodeJS.WritableStream);
}
