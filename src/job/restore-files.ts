import { createHash, type Hash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import type { BackupArea, BackupCaps, BackupSize } from '../protocol/backup-job.ts';
import { RecordFault, readRecords, records } from '../protocol/backup-records.ts';
import { type Entry, parseEntry, parseHardLink, parseHole, parseJson, parseText } from './restore-rules.ts';

interface OpenFolder {
  path: string;
  /** Undefined: the area's own, which is not of the backup. */
  entry: Entry | undefined;
}

interface OpenFile {
  fd: number;
  entry: Entry;
  hash: Hash;
  at: number;
}

/**
 * Writes what `TreePacker` read into folders that are new and seen by nobody else. What comes is anybody's.
 *
 * Invariants:
 * - Each name is one name in a folder that was made here: nothing leads out of it, and nothing is written through a link.
 * - What is there is never opened again, and never replaced.
 * - No more is written than the caps say, and no owner given but one of the tenant's.
 */
export class TreeWriter {
  private readonly areas: ReadonlyMap<string, BackupArea>;
  private readonly owners: number;
  private readonly caps: BackupCaps;
  private readonly seen = new Set<string>();
  private readonly linked = new Map<number, string>();
  private readonly folders: OpenFolder[] = [];
  private readonly size: BackupSize = { entries: 0, files: 0, bytes: 0 };
  private area: BackupArea | undefined;
  private file: OpenFile | undefined;
  private isWhole = false;

  constructor({ areas, owners, caps }: { areas: readonly BackupArea[]; owners: number; caps: BackupCaps }) {
    this.areas = new Map(areas.map((area) => [area.name, area]));
    this.owners = owners;
    this.caps = caps;
  }

  /** Throws RecordFault for what no backup of ours has. */
  async write(bytes: AsyncIterable<Uint8Array>): Promise<BackupSize> {
    try {
      for await (const { type, payload } of readRecords(bytes)) {
        if (this.isWhole) throw new RecordFault('it goes on after its end');
        this.take(type, payload);
      }
      if (!this.isWhole) throw new RecordFault('its end is missing');
      return this.size;
    } finally {
      if (this.file) closeSync(this.file.fd);
    }
  }

  private take(type: number, payload: Buffer): void {
    const isOfFile = type === records.data || type === records.hole || type === records.fileEnd;
    if (isOfFile !== (this.file !== undefined)) throw new RecordFault('its records are in disorder');
    const step = this.steps[type];
    if (!step) throw new RecordFault(`it has a record of unknown type ${type}`);
    step(payload);
  }

  private readonly steps: Readonly<Record<number, (payload: Buffer) => void>> = {
    [records.area]: (payload) => this.openArea(parseText(payload, 'area')),
    [records.folder]: (payload) => this.openFolder(this.entryOf(payload)),
    [records.up]: () => this.closeFolder(),
    [records.file]: (payload) => this.openFile(this.entryOf(payload)),
    [records.data]: (payload) => this.writeData(payload),
    [records.hole]: (payload) => this.skip(payload),
    [records.fileEnd]: (payload) => this.closeFile(payload),
    [records.hardLink]: (payload) => this.link(payload),
    [records.symbolicLink]: (payload) => this.symbolicLink(this.entryOf(payload), parseText(payload, 'target')),
    [records.end]: (payload) => this.end(payload),
  };

  private entryOf(payload: Buffer): Entry {
    return parseEntry(payload, this.owners);
  }

  private openArea(name: string): void {
    if (this.folders.length > 1) throw new RecordFault('a folder of it has no end');
    this.area = this.areas.get(name);
    if (!this.area || this.seen.has(name)) throw new RecordFault(`it has a part ${JSON.stringify(name)}, which there is none of`);
    this.seen.add(name);
    this.linked.clear();
    this.folders.splice(0, 1, { path: this.area.dir, entry: undefined });
  }

  /** Where an entry of that name comes; counted. */
  private pathOf(name: string): string {
    const folder = this.folders.at(-1);
    if (!folder) throw new RecordFault('it begins with no part');
    if (this.folders.length === 1 && this.area?.without?.includes(name))
      throw new RecordFault(`${JSON.stringify(name)} is a name of another part`);
    this.size.entries += 1;
    if (this.size.entries > this.caps.entries)
      throw new RecordFault(`it has over ${this.caps.entries.toLocaleString('en')} files, which is the room there is`);
    return `${folder.path}/${name}`;
  }

  private openFolder(entry: Entry): void {
    const path = this.pathOf(entry.name);
    const isMade = this.folders.length === 1 && (this.area?.made?.includes(entry.name) ?? false) && !this.seen.has(path);
    if (isMade) this.seen.add(path);
    else attempt(entry, () => mkdirSync(bytesOf(path), { mode: 0o700 }));
    this.folders.push({ path, entry });
  }

  /** Its mode and time come last: what is in it changes both. */
  private closeFolder(): void {
    const { path, entry } = this.folders.pop() ?? {};
    if (path === undefined || !entry) throw new RecordFault('it leaves a part by its top');
    const { owner, mode, time } = entry;
    chownSync(bytesOf(path), owner, owner);
    chmodSync(bytesOf(path), mode);
    utimesSync(bytesOf(path), time, time);
  }

  private openFile(entry: Entry): void {
    const path = this.pathOf(entry.name);
    const fd = attempt(entry, () => openSync(bytesOf(path), 'wx', 0o600));
    this.file = { fd, entry, hash: createHash('sha256'), at: 0 };
    this.size.files += 1;
    if (entry.links !== undefined && !this.linked.has(entry.links)) this.linked.set(entry.links, path);
  }

  private writeData(bytes: Buffer): void {
    const { file } = this;
    if (!file) return;
    this.size.bytes += bytes.length;
    if (this.size.bytes > this.caps.bytes)
      throw new RecordFault(`it has over ${this.caps.bytes.toLocaleString('en')} bytes, which is the room there is`);
    for (let start = 0; start < bytes.length;) start += writeSync(file.fd, bytes, start, bytes.length - start, file.at + start);
    file.at += bytes.length;
    file.hash.update(bytes);
  }

  private skip(payload: Buffer): void {
    const { file } = this;
    if (!file) return;
    file.at += parseHole(payload);
    if (!Number.isSafeInteger(file.at)) throw new RecordFault(`${JSON.stringify(file.entry.name)} is too large`);
    file.hash.update(payload);
  }

  private closeFile(expected: Buffer): void {
    const { file } = this;
    if (!file) return;
    const { fd, entry, hash, at } = file;
    if (!hash.digest().equals(expected)) throw new RecordFault(`${JSON.stringify(entry.name)} is damaged: its hash is another one`);
    attempt(entry, () => ftruncateSync(fd, at));
    fchownSync(fd, entry.owner, entry.owner);
    fchmodSync(fd, entry.mode);
    futimesSync(fd, entry.time, entry.time);
    closeSync(fd);
    this.file = undefined;
  }

  private link(payload: Buffer): void {
    const { name, links } = parseHardLink(payload);
    const path = this.pathOf(name);
    const target = this.linked.get(links);
    if (target === undefined) throw new RecordFault(`${JSON.stringify(name)} is another name of no file`);
    attempt({ name }, () => linkSync(bytesOf(target), bytesOf(path)));
  }

  private symbolicLink(entry: Entry, target: string): void {
    const path = bytesOf(this.pathOf(entry.name));
    attempt(entry, () => symlinkSync(bytesOf(target), path));
    lchownSync(path, entry.owner, entry.owner);
    lutimesSync(path, entry.time, entry.time);
  }

  private end(payload: Buffer): void {
    if (this.folders.length > 1) throw new RecordFault('a folder of it has no end');
    const told = parseJson(payload);
    const isSame = (['entries', 'files', 'bytes'] as const).every((key) => told[key] === this.size[key]);
    if (!isSame) throw new RecordFault('it does not hold what it says');
    this.isWhole = true;
  }
}

function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** Of what an archive can bring about, in its words; what the machine lacks stays what it is. */
function attempt<Result>({ name }: Pick<Entry, 'name'>, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    const fault = faults[errnoOf(error) ?? ''];
    throw fault === undefined ? error : new RecordFault(`${JSON.stringify(name)} ${fault}`);
  }
}

const faults: Readonly<Record<string, string>> = {
  EEXIST: 'is there twice',
  ENAMETOOLONG: 'has too long a path',
  EFBIG: 'is too large',
  ENOENT: 'lies nowhere',
  EMLINK: 'has too many names',
  EPERM: 'may not be made',
};
