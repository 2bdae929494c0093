import { createReadStream } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import type { Bytes } from './backup-container.ts';

/** Where a backup goes. It is there whole, under its name, or not at all. */
export interface BackupSink {
  write: (bytes: Buffer) => Promise<void>;
  /** It is whole. Answers with how many bytes it has. */
  finish(): Promise<number>;
  discard(): Promise<void>;
}

/** `-` is standard output. Throws TENANTD_E_USAGE for a name that is taken, unless `force`. */
export async function openSink(path: string, force: boolean): Promise<BackupSink> {
  return path === '-' ? standardOutput() : newFile(path, force);
}

function standardOutput(): BackupSink {
  const { stdout } = process;
  if (stdout.isTTY) throw usage('a backup is not for a terminal', 'name a file, or send standard output into one');
  let bytes = 0;
  return {
    write(chunk) {
      bytes += chunk.length;
      return new Promise((resolve, reject) => stdout.write(chunk, (error) => (error ? reject(error) : resolve())));
    },
    finish: () => Promise.resolve(bytes),
    discard: () => Promise.resolve(),
  };
}

async function newFile(path: string, force: boolean): Promise<BackupSink> {
  if (!force && (await isThere(path))) throw usage(`${path} is there already`, 'choose another name, or give --force');
  const partial = `${path}.partial`;
  const file = await openPartial(partial, path);
  let bytes = 0;
  return {
    async write(chunk) {
      for (let start = 0; start < chunk.length;) start += (await file.write(chunk, start)).bytesWritten;
      bytes += chunk.length;
    },
    async finish() {
      await file.sync();
      await file.close();
      // Somebody may have made one meanwhile.
      if (!force && (await isThere(path))) throw usage(`${path} is there by now`, 'choose another name, or give --force');
      await rename(partial, path);
      await using folder = await open(dirname(path), 'r');
      await folder.sync();
      return bytes;
    },
    async discard() {
      await file.close().catch(() => {}); // it may be closed
      await rm(partial, { force: true });
    },
  };
}

/** What a backup left that was killed goes. Only its owner can read it. */
async function openPartial(partial: string, path: string): Promise<FileHandle> {
  try {
    await rm(partial, { force: true });
    return await open(partial, 'wx', 0o600);
  } catch (error) {
    throw usage(`${path} can not be written: ${messageOf(error)}`, 'name a file in a folder that is there');
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** `-` is standard input. */
export async function openBackup(path: string): Promise<Bytes> {
  if (path === '-') return process.stdin;
  try {
    const file = await open(path, 'r');
    return createReadStream(path, { fd: file, highWaterMark: 1 << 20 });
  } catch (error) {
    const why = errnoOf(error) === 'ENOENT' ? 'is not there' : `can not be read: ${messageOf(error)}`;
    throw usage(`${path} ${why}`, 'name a file that tenantctl tenant backup made');
  }
}

function usage(message: string, fix: string): TenantdError {
  return new TenantdError('TENANTD_E_USAGE', message, fix);
}
