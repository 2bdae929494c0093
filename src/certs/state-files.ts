import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

const ownerOnly = 0o600;
const scratchFolder = 'scratch';
const brokenFolder = 'broken';
/** Of files that could not be read, moved aside: enough to look into, never enough to fill the disk. */
const maxBroken = 100;

/**
 * Files below one directory that nobody else writes.
 *
 * Invariants:
 * - A file is there whole, old or new, whatever moment the process or the machine ends at: temporary file, fsync, rename, fsync
 *   of the folder.
 * - A write is on disk when its promise resolves, and writes of one file take place in the order they were asked for.
 * - Temporary files lie in a folder of their own, emptied at the start, so that a name may have all of its 255 bytes.
 */
export class StateFiles {
  readonly directory: string;
  /** Of each file that is being written, its last write. */
  private readonly writing = new Map<string, Promise<void>>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(directory: string, folders: readonly string[]): Promise<StateFiles> {
    await rm(join(directory, scratchFolder), { recursive: true, force: true });
    for (const folder of [scratchFolder, brokenFolder, ...folders]) await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
    await syncFolder(directory);
    return new StateFiles(directory);
  }

  /** Undefined when there is none. */
  async read(folder: string, name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.directory, folder, name), 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(folder: string, name: string, text: string, mode: number = ownerOnly): Promise<void> {
    const path = join(this.directory, folder, name);
    const before = this.writing.get(path) ?? Promise.resolve();
    // One that failed is its own caller's to hear of.
    const written = before.catch(() => undefined).then(() => this.replace(folder, path, text, mode));
    this.writing.set(path, written);
    try {
      await written;
    } finally {
      if (this.writing.get(path) === written) this.writing.delete(path);
    }
  }

  /** Of files that were not written for so long and that nobody wants. */
  async removeOld(folder: string, beforeMs: number, isWanted: (name: string) => boolean): Promise<void> {
    for (const name of await this.list(folder)) {
      if (isWanted(name)) continue;
      const { mtimeMs } = await stat(join(this.directory, folder, name));
      if (mtimeMs < beforeMs) await this.remove(folder, name);
    }
  }

  private async replace(folder: string, path: string, text: string, mode: number): Promise<void> {
    const temporary = join(this.directory, scratchFolder, randomBytes(8).toString('hex'));
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(text);
      // Whatever the umask is.
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(join(this.directory, folder));
  }

  async remove(folder: string, name: string): Promise<void> {
    await rm(join(this.directory, folder, name), { force: true });
    await syncFolder(join(this.directory, folder));
  }

  async list(folder: string): Promise<string[]> {
    return (await readdir(join(this.directory, folder))).sort();
  }

  /** Out of the way, and kept: a key that can't be read today may still be wanted back. */
  async setBroken(folder: string, name: string): Promise<void> {
    const kept = await this.list(brokenFolder);
    if (kept.length >= maxBroken) await rm(join(this.directory, brokenFolder, kept[0] ?? ''), { force: true });
    const aside = `${Date.now()}-${randomBytes(4).toString('hex')}-${folder}`;
    await rename(join(this.directory, folder, name), join(this.directory, brokenFolder, aside));
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
