import { closeSync, constants, fchmodSync, fchownSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { assertPlainPath, type Ownership } from './directories.ts';

/**
 * Puts a content in a file's place, whole or not at all, also over a power cut. Its folder must be one that no tenant can write:
 * the operator's, or root's own.
 */
export function replaceFile(path: string, content: string | Uint8Array, { uid, gid, mode }: Ownership): void {
  assertPlainPath(path);
  const unfinished = `${dirname(path)}/.${basename(path)}.new`;
  rmSync(unfinished, { force: true });
  const fd = openSync(unfinished, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode);
    writeAll(fd, typeof content === 'string' ? Buffer.from(content) : content);
    fsyncSync(fd);
  } catch (error) {
    // On a full disk what was written is in the way of everybody else.
    rmSync(unfinished, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(unfinished, path);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  fsyncSync(folder);
  closeSync(folder);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
}
