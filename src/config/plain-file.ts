import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';

export interface ReadOptions {
  maxBytes: number;
  /** Whether the file's own name may be a link. */
  followLink?: boolean;
  /** Refuses a file that anyone but root could have written. */
  rootOnly?: boolean;
  /** Refuses a file that anyone but root can read, too. */
  secret?: boolean;
  /** The name that problems show; default: `path`. */
  shownAs?: string;
}

export type FileResult = { text: string; problem?: undefined } | { text?: undefined; problem: Problem };

/**
 * The text of a plain file. A link, a device, a directory or a FIFO is refused; none of them is followed or waited for:
 * the file is opened without blocking, and looked at through its descriptor.
 */
export function readPlainFile(path: string, options: ReadOptions): Promise<FileResult> {
  return Promise.resolve(readPlainFileNow(path, options));
}

/** At once: for a thousand of them, a thread for each call would cost ten times as much. */
export function readPlainFileNow(path: string, options: ReadOptions): FileResult {
  const { maxBytes, followLink = false, rootOnly = false, secret = false, shownAs = path } = options;
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (followLink ? 0 : constants.O_NOFOLLOW));
    const stat = fstatSync(fd);
    if (!stat.isFile()) return notPlain(shownAs);
    if (rootOnly && (stat.uid !== 0 || (stat.mode & 0o022) !== 0)) return notOfRoot(shownAs);
    if (secret && (stat.mode & 0o077) !== 0) return notSecret(shownAs);
    if (stat.size > maxBytes) return tooLarge(shownAs, maxBytes);
    const bytes = readAtMost(fd, stat.size + 1);
    return bytes.length === stat.size ? textOf(bytes, shownAs) : changing(shownAs);
  } catch (error) {
    return { problem: openProblem(error, shownAs) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readAtMost(fd: number, maxBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(maxBytes);
  let length = 0;
  while (length < maxBytes) {
    const bytesRead = readSync(fd, buffer, length, maxBytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function textOf(bytes: Buffer, file: string): FileResult {
  if (bytes.length === 0)
    return { problem: { code: 'TENANTD_E_FILE_EMPTY', message: 'the file is empty', fix: 'write its settings', file } };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return { text };
  } catch {
    // Not UTF-8: told below, with the same words as a file that has zero bytes.
  }
  return { problem: { code: 'TENANTD_E_YAML', message: 'the file is not UTF-8 text', fix: 'save it as plain UTF-8 text', file } };
}

function tooLarge(file: string, maxBytes: number): FileResult {
  const message = `the file is over ${maxBytes / 1024} KiB`;
  return { problem: { code: 'TENANTD_E_FILE_TOO_LARGE', message, fix: 'shorten it', file } };
}

/** What was read of it may be half of it. */
function changing(file: string): FileResult {
  const message = 'the file changed while it was read';
  return {
    problem: { code: 'TENANTD_E_FILE_UNREADABLE', message, fix: 'wait until it is written, or write it at once by a rename', file },
  };
}

function notPlain(file: string): FileResult {
  return { problem: { code: 'TENANTD_E_FILE_NOT_PLAIN', message: 'this is not a plain file', fix: 'put a plain file in its place', file } };
}

function notOfRoot(file: string): FileResult {
  const message = 'others than root can write the file';
  return { problem: { code: 'TENANTD_E_FILE_UNREADABLE', message, fix: 'give it to root: chown root, chmod go-w', file } };
}

function notSecret(file: string): FileResult {
  const message = 'others than root can read the file';
  return { problem: { code: 'TENANTD_E_FILE_UNREADABLE', message, fix: 'keep it to root: chown root:root, chmod 600', file } };
}

function openProblem(error: unknown, file: string): Problem {
  const errno = errnoOf(error);
  if (errno === 'ENOENT') return { code: 'TENANTD_E_FILE_MISSING', message: 'the file is not there', fix: 'create it', file };
  // ELOOP: the name is a link (open(2), O_NOFOLLOW). ENXIO: a socket, or a FIFO.
  if (errno === 'ELOOP' || errno === 'ENXIO')
    return {
      code: 'TENANTD_E_FILE_NOT_PLAIN',
      message: `this is a ${errno === 'ELOOP' ? 'link' : 'socket'}, not a plain file`,
      fix: 'put a plain file in its place',
      file,
    };
  const message = `the file can not be read: ${messageOf(error)}`;
  return { code: 'TENANTD_E_FILE_UNREADABLE', message, fix: 'look at its permissions and its disk', file };
}
