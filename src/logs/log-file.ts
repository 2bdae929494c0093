import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { logPath } from './line.ts';

const newline = 0x0a;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

export interface LogFile {
  /** Writes all or nothing; throws what the system says. Rotates before it when the file has its full size. */
  append(bytes: Buffer): void;
  close(): void;
}

export interface LogFileOptions {
  dir: string;
  app: string;
  maxBytes: number;
  /** How many full files are kept beside the one that is written. */
  keep: number;
}

export function createLogFile(options: LogFileOptions): LogFile {
  const path = logPath(options.dir, options.app);
  let fd: number | undefined;
  let sizeBytes = 0;

  function open(): number {
    const opened = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
    const stat = fstatSync(opened);
    if ((stat.mode & 0o777) !== 0o640) fchmodSync(opened, 0o640); // The umask took bits away.
    sizeBytes = stat.size;
    fd = opened;
    if (endsTorn(opened, sizeBytes)) sizeBytes += writeSync(opened, Buffer.of(newline));
    return opened;
  }

  function append(bytes: Buffer): void {
    let target = fd ?? open();
    if (sizeBytes > 0 && sizeBytes + bytes.length > options.maxBytes) {
      rotate();
      target = open();
    }
    writeWhole(target, bytes, sizeBytes);
    sizeBytes += bytes.length;
  }

  function rotate(): void {
    close();
    rmSync(logPath(options.dir, options.app, options.keep), { force: true });
    for (let number = options.keep - 1; number >= 0; number -= 1) renameIfThere(options, number);
  }

  function close(): void {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  }

  return { append, close };
}

/** A process that was killed while it wrote may have left half a line. */
function endsTorn(fd: number, sizeBytes: number): boolean {
  if (sizeBytes === 0) return false;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, sizeBytes - 1);
  return last[0] !== newline;
}

function writeWhole(fd: number, bytes: Buffer, sizeBytes: number): void {
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  } catch (error) {
    ftruncateSync(fd, sizeBytes);
    throw error;
  }
}

function renameIfThere({ dir, app }: LogFileOptions, number: number): void {
  try {
    renameSync(logPath(dir, app, number), logPath(dir, app, number + 1));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
