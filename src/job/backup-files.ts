import { createHash, type Hash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  type Dir,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { type BackupArea, type BackupJobResult, type BackupSize, mostLeftOutShown } from '../protocol/backup-job.ts';
import {
  type AreaRecord,
  encodeHole,
  encodeJson,
  encodeRecord,
  type EntryRecord,
  type FileRecord,
  type HardLinkRecord,
  maxDataBytes,
  records,
  type SymbolicLinkRecord,
} from '../protocol/backup-records.ts';
import { dataRangesOf } from './data-ranges.ts';

/** From the area's folder on; more than that could not be named where it is unpacked. */
const maxPathBytes = 3_800;
/** setuid and setgid bits are not kept: nothing in a sandbox can have set them. */
const keptModeBits = 0o1777;
/** Files with several names are remembered. */
const maxLinkedFiles = 1_000_000;

interface Level {
  path: Buffer;
  dir: Dir;
}

/**
 * All that lies in some folders, as records. Who it runs as may read all that the tenant's users have; what is no file, folder or link is
 * left out and told, as is what can't be read. Nothing is followed: not a link, and not a mount.
 */
export class TreePacker {
  readonly size: BackupSize = { entries: 0, files: 0, bytes: 0 };
  readonly leftOut: NonNullable<BackupJobResult['leftOut']> = { count: 0, shown: [] };
  private readonly owners: number;
  private readonly linked = new Map<string, number>();

  constructor(owners: number) {
    this.owners = owners;
  }

  async *pack(areas: readonly BackupArea[]): AsyncGenerator<Buffer> {
    for (const area of areas) yield* this.packArea(area);
    yield encodeJson(records.end, this.size);
  }

  private async *packArea(area: BackupArea): AsyncGenerator<Buffer> {
    const root = this.openFolder(Buffer.from(area.dir), area);
    if (!root) return;
    yield encodeJson(records.area, { area: area.name } satisfies AreaRecord);
    // Where areas are unpacked there is no link from one to another; nor could tenants make any.
    this.linked.clear();
    const levels = [root];
    const { dev } = lstatSync(area.dir, { bigint: true });
    try {
      for (let level = levels.at(-1); level; level = levels.at(-1)) {
        const name = nextName(level);
        if (name === undefined) {
          levels.pop()?.dir.closeSync();
          if (levels.length > 0) yield encodeRecord(records.up, Buffer.alloc(0));
        } else if (levels.length > 1 || !area.without?.includes(name.toString('latin1'))) {
          const folder = yield* this.packOne(area, join(level.path, name), name, dev);
          if (folder) levels.push(folder);
        }
      }
    } finally {
      for (const { dir } of levels) dir.closeSync();
    }
  }

  /** Answers with the folder that it is. */
  private async *packOne(area: BackupArea, path: Buffer, name: Buffer, device: bigint): AsyncGenerator<Buffer, Level | undefined> {
    const stats = this.look(area, path);
    if (!stats) return undefined;
    if (path.length - area.dir.length > maxPathBytes) return this.leave(area, path, 'its path is too long');
    if (stats.dev !== device) return this.leave(area, path, 'something is mounted there');
    const entry = this.entryOf(area, name, stats);
    if (stats.isDirectory()) {
      const folder = this.openFolder(path, area);
      if (!folder) return undefined;
      this.size.entries += 1;
      yield encodeJson(records.folder, entry);
      return folder;
    }
    if (stats.isSymbolicLink()) yield* this.packLink(entry, path);
    else if (stats.isFile()) yield* this.packFile(area, path, entry);
    else this.leave(area, path, 'it is a socket, a FIFO or a device');
    return undefined;
  }

  private *packLink(entry: EntryRecord, path: Buffer): Generator<Buffer> {
    this.size.entries += 1;
    yield encodeJson(records.symbolicLink, {
      ...entry,
      target: readlinkSync(path, 'buffer').toString('latin1'),
    } satisfies SymbolicLinkRecord);
  }

  private async *packFile(area: BackupArea, path: Buffer, entry: EntryRecord): AsyncGenerator<Buffer> {
    const file = this.openFile(area, path);
    if (file === undefined) return;
    try {
      const stats = fstatSync(file, { bigint: true });
      const links = stats.nlink > 1n ? this.linkOf(stats) : undefined;
      if (links?.isKnown) {
        yield this.nextName(entry.name, links.number);
        return;
      }
      this.size.entries += 1;
      this.size.files += 1;
      yield encodeJson(records.file, { ...entry, ...(links && { links: links.number }) } satisfies FileRecord);
      const hash = createHash('sha256');
      for (const record of contentOf(file, stats)) yield this.hashed(hash, record);
      yield encodeRecord(records.fileEnd, hash.digest());
    } finally {
      closeSync(file);
    }
  }

  private hashed(hash: Hash, record: Buffer): Buffer {
    hash.update(record.subarray(5));
    if (record[0] === records.data) this.size.bytes += record.length - 5;
    return record;
  }

  private nextName(name: string, links: number): Buffer {
    this.size.entries += 1;
    return encodeJson(records.hardLink, { name, links } satisfies HardLinkRecord);
  }

  private linkOf({ dev, ino }: BigIntStats): { number: number; isKnown: boolean } | undefined {
    const key = `${dev}:${ino}`;
    const known = this.linked.get(key);
    if (known !== undefined) return { number: known, isKnown: true };
    if (this.linked.size >= maxLinkedFiles) return undefined;
    this.linked.set(key, this.linked.size + 1);
    return { number: this.linked.size, isKnown: false };
  }

  private entryOf(area: BackupArea, name: Buffer, { mode, uid, mtimeNs }: BigIntStats): EntryRecord {
    const owner = Number(uid) < this.owners ? Number(uid) : area.owner;
    return { name: name.toString('latin1'), mode: Number(mode) & keptModeBits, owner, modifiedUs: Number(mtimeNs / 1_000n) };
  }

  private look(area: BackupArea, path: Buffer): BigIntStats | undefined {
    return this.attempt(area, path, () => lstatSync(path, { bigint: true }));
  }

  private openFolder(path: Buffer, area: BackupArea): Level | undefined {
    // Node's types know only of text; its code takes bytes.
    const encoding = 'buffer' as unknown as BufferEncoding;
    const dir = this.attempt(area, path, () => opendirSync(path, { encoding, bufferSize: 256 }));
    return dir && { path, dir };
  }

  private openFile(area: BackupArea, path: Buffer): number | undefined {
    return this.attempt(area, path, () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  }

  private attempt<Result>(area: BackupArea, path: Buffer, look: () => Result): Result | undefined {
    try {
      return look();
    } catch (error) {
      const errno = errnoOf(error);
      // Where there is no snapshot, it may go while it is looked at; and an app may have no data yet.
      if (errno !== 'ENOENT') this.leave(area, path, `it can not be read (${errno ?? 'unknown'})`);
      return undefined;
    }
  }

  private leave(area: BackupArea, path: Buffer, why: string): undefined {
    this.leftOut.count += 1;
    if (this.leftOut.shown.length >= mostLeftOutShown) return;
    const shown = path.subarray(area.dir.length).toString().slice(0, 200);
    this.leftOut.shown.push(`${area.name}${shown}: ${why}`);
  }
}

function nextName({ dir }: Level): Buffer | undefined {
  return dir.readSync()?.name as Buffer | undefined;
}

function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('/'), name]);
}

/** As large as it was when it was opened. */
function* contentOf(file: number, stats: BigIntStats): Generator<Buffer> {
  const size = Number(stats.size);
  let at = 0;
  for (const { start, end } of dataRangesOf(file, size, Number(stats.blocks) * 512)) {
    if (start > at) yield encodeHole(start - at);
    for (at = start; at < end;) {
      const bytes = Buffer.allocUnsafe(Math.min(maxDataBytes, end - at));
      const read = readSync(file, bytes, 0, bytes.length, at);
      if (read === 0) return;
      yield encodeRecord(records.data, bytes.subarray(0, read));
      at += read;
    }
  }
  if (size > at) yield encodeHole(size - at);
}
