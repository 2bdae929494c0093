import { closeSync, fchmodSync, futimesSync, linkSync, lstatSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { assertInside, partsOf, type ReleaseCaps, ReleaseFault, show } from './release-rules.ts';

export interface ReleaseSize {
  bytes: number;
  files: number;
}

export interface FileFacts {
  sizeBytes: number;
  executable: boolean;
  modifiedAt: Date;
}

/**
 * Fills a release's folder, which is empty and seen by nobody else.
 *
 * Invariants:
 * - There is no link in it until `finish`: whatever a name says, nothing is written through one.
 * - What is there is never opened again, and never replaced.
 * - Not a byte and not an entry over the caps is written.
 */
export interface ReleaseWriter {
  directory(name: string): void;
  /** The bytes must be as many as `sizeBytes` says. */
  file(name: string, facts: FileFacts, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  /** Another name of a file that is there. */
  hardLink(name: string, target: string): void;
  symbolicLink(name: string, target: string): void;
  finish(): ReleaseSize;
}

const directoryMode = 0o755;
/** Links wait in memory for the end. */
const maxLinkCharacters = 8 << 20;
/** 2100: beyond that some file systems can't tell (ext4 with small inodes). */
const latestMs = 4_102_444_800_000;

export function createReleaseWriter(root: string, caps: ReleaseCaps): ReleaseWriter {
  const links: { parts: string[]; target: string }[] = [];
  let linkCharacters = 0;
  let lastDirectory = '';
  const size: ReleaseSize = { bytes: 0, files: 0 };

  function count(): void {
    if (++size.files > caps.entries) throw tooManyEntries(caps);
  }

  function assertRoom(moreBytes: number): void {
    if (size.bytes + moreBytes > caps.bytes) throw tooLarge(caps);
  }

  function pathOf(parts: readonly string[]): string {
    return [root, ...parts].join('/');
  }

  function makeDirectory(parts: readonly string[]): void {
    const path = pathOf(parts);
    if (parts.length === 0 || path === lastDirectory) return;
    try {
      mkdirSync(path, { mode: directoryMode });
      count();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') {
        makeDirectory(parts.slice(0, -1));
        return makeDirectory(parts);
      }
      if (errnoOf(error) !== 'EEXIST') throw inTheWay(parts, error);
      if (!lstatSync(path).isDirectory()) throw new ReleaseFault(`${show(parts.join('/'))} is a folder, and no folder`, 'pack it again');
    }
    lastDirectory = path;
  }

  /** Its parent is made where the archive has none. */
  function place(name: string): { parts: string[]; path: string } {
    const parts = partsOf(name);
    if (parts.length === 0) throw new ReleaseFault(`${show(name)} is no name of a file`, 'leave it out');
    makeDirectory(parts.slice(0, -1));
    return { parts, path: pathOf(parts) };
  }

  async function writeFile(name: string, facts: FileFacts, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const { parts, path } = place(name);
    assertRoom(facts.sizeBytes);
    count();
    const file = attempt(parts, () => openSync(path, 'wx', 0o600));
    try {
      await writeAll(file, name, facts.sizeBytes, content);
      fchmodSync(file, facts.executable ? 0o755 : 0o644);
      const modifiedAt = fitTime(facts.modifiedAt);
      futimesSync(file, modifiedAt, modifiedAt);
    } finally {
      closeSync(file);
    }
  }

  async function writeAll(file: number, name: string, sizeBytes: number, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    let written = 0;
    for await (const chunk of content) {
      assertRoom(chunk.length);
      for (let start = 0; start < chunk.length;) start += writeSync(file, chunk, start);
      size.bytes += chunk.length;
      written += chunk.length;
    }
    if (written !== sizeBytes) throw new ReleaseFault(`${show(name)} has ${written} bytes, not ${sizeBytes}`, 'pack it again');
  }

  return {
    directory: (name) => makeDirectory(partsOf(name)),
    file: writeFile,
    hardLink(name, target) {
      const from = partsOf(target);
      const { parts, path } = place(name);
      count();
      attempt(parts, () => {
        if (!lstatSync(pathOf(from)).isFile()) throw new ReleaseFault(`${show(name)} is a hard link to no file`, 'pack it again');
        linkSync(pathOf(from), path);
      });
    },
    symbolicLink(name, target) {
      const { parts } = place(name);
      assertInside(parts, target);
      count();
      linkCharacters += name.length + target.length;
      if (linkCharacters > maxLinkCharacters) throw new ReleaseFault('there are too many links', 'pack files in their place');
      links.push({ parts, target });
    },
    finish() {
      for (const { parts, target } of links) attempt(parts, () => symlinkSync(target, pathOf(parts)));
      return size;
    },
  };
}

function attempt<Result>(parts: readonly string[], make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    throw inTheWay(parts, error);
  }
}

/** Of what an archive can bring about, in its words; what the machine lacks stays what it is. */
function inTheWay(parts: readonly string[], error: unknown): unknown {
  const fault = faults[errnoOf(error) ?? ''];
  return fault === undefined ? error : new ReleaseFault(`${show(parts.join('/'))} ${fault}`, 'pack the folder again');
}

const faults: Readonly<Record<string, string>> = {
  EEXIST: 'is there twice',
  ENOTDIR: 'lies below something that is no folder',
  ENOENT: 'is a hard link to what is not there',
};

function fitTime(time: Date): Date {
  const ms = time.getTime();
  return new Date(Number.isFinite(ms) ? Math.min(Math.max(0, ms), latestMs) : 0);
}

function tooLarge({ bytes }: ReleaseCaps): ReleaseFault {
  const message = `it has over ${Math.floor(bytes / 1_024).toLocaleString('en')} KiB, which is the room that is left`;
  return new ReleaseFault(message, "leave out what it does not need (.tenantdignore), remove old releases, or raise the plan's `disk`");
}

export function tooManyEntries({ entries }: ReleaseCaps): ReleaseFault {
  const message = `it has over ${entries.toLocaleString('en')} files, folders and links, which is the room that is left`;
  return new ReleaseFault(message, "leave out what it does not need (.tenantdignore), remove old releases, or raise the plan's `files`");
}
