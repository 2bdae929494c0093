import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, messageOf } from '../base/errors.ts';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
const newline = 0x0a;
/** A busy file is written a hundred times a second, and each look is two trips to the thread pool. */
const defaultLookEveryMs = 1_000;

export interface AccessFileOptions {
  path: string;
  maxBytes: number;
  /** How many full files are kept beside the one that is written. */
  keep: number;
  /** Default: always. Two processes that write one file would both do it. */
  mayRotate?: () => boolean;
  /** How often it is seen whether the file is still that of its name. */
  lookEveryMs?: number;
}

export interface Appended {
  writtenBytes: number;
  /** Why that is not all. */
  fault?: string;
}

/**
 * One size-capped file of lines, written without ever blocking the process.
 *
 * Invariants:
 * - One call at a time: the caller waits for the one before.
 * - A line that was cut short (a full disk, a killed process) is closed by a newline before the next one.
 * - A file is set aside only while it still is that of its name: another process may have done it.
 * - What is written goes to the file of that name: one that was removed or renamed by somebody else is let go at the next look.
 */
export class AccessFile {
  private readonly options: AccessFileOptions;
  private handle: FileHandle | undefined;
  private sizeBytes = 0;
  private lookAtMs = 0;

  constructor(options: AccessFileOptions) {
    this.options = options;
  }

  /** Never rejects. */
  async append(lines: Buffer): Promise<Appended> {
    let writtenBytes = 0;
    try {
      const handle = await this.handleFor(lines.length);
      while (writtenBytes < lines.length) writtenBytes += (await handle.write(lines, writtenBytes)).bytesWritten;
      this.sizeBytes += writtenBytes;
      return { writtenBytes };
    } catch (error) {
      // The next call opens it anew, and looks how it ends.
      await this.close();
      return { writtenBytes, fault: messageOf(error) };
    }
  }

  async close(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    // What close(2) has to say is that something was not written: there is nothing left to do about it.
    await handle?.close().catch(() => {});
  }

  private async handleFor(bytes: number): Promise<FileHandle> {
    const handle = (await this.currentHandle()) ?? (await this.open());
    if (!this.isFull(bytes)) return handle;
    this.lookAtMs = 0;
    const current = (await this.currentHandle()) ?? (await this.open());
    if (!this.isFull(bytes)) return current;
    await this.close();
    await rotate(this.options);
    return this.open();
  }

  private isFull(bytes: number): boolean {
    const { maxBytes, mayRotate = () => true } = this.options;
    return this.sizeBytes > 0 && this.sizeBytes + bytes > maxBytes && mayRotate();
  }

  private async currentHandle(): Promise<FileHandle | undefined> {
    if (!this.handle) return undefined;
    const nowMs = performance.now();
    if (nowMs < this.lookAtMs) return this.handle;
    this.lookAtMs = nowMs + (this.options.lookEveryMs ?? defaultLookEveryMs);
    const [own, named] = await Promise.all([this.handle.stat(), statIfThere(this.options.path)]);
    this.sizeBytes = own.size;
    if (named?.ino === own.ino && named.dev === own.dev) return this.handle;
    await this.close();
    return undefined;
  }

  private async open(): Promise<FileHandle> {
    const handle = await openOrMake(this.options.path);
    this.handle = handle;
    this.sizeBytes = (await handle.stat()).size;
    if (await endsTorn(handle, this.sizeBytes)) this.sizeBytes += (await handle.write('\n')).bytesWritten;
    return handle;
  }
}

async function openOrMake(path: string): Promise<FileHandle> {
  const openIt = () => open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
  try {
    return await openIt();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await makeFolder(dirname(path));
    return openIt();
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o750 });
  } catch (error) {
    // Another edge was faster.
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

async function endsTorn(handle: FileHandle, sizeBytes: number): Promise<boolean> {
  if (sizeBytes === 0) return false;
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, sizeBytes - 1);
  return last[0] !== newline;
}

async function rotate({ path, keep }: AccessFileOptions): Promise<void> {
  const numbered = (number: number): string => (number === 0 ? path : `${path}.${number}`);
  await rm(numbered(keep), { force: true });
  for (let number = keep - 1; number >= 0; number--) {
    await rename(numbered(number), numbered(number + 1)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
    });
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
