import { closeSync, fstatSync, lstatSync, readSync } from 'node:fs';
import { logPath } from './line.ts';
import { openLog } from './open-log.ts';
import { seekLine } from './seek-line.ts';

const newline = 0x0a;
const nothing: Buffer = Buffer.alloc(0);
/** For all tails: what is read is copied. */
const block = Buffer.allocUnsafeSlow(16_384);
/** What is longer is no line of ours, and comes in parts that nobody can read. */
const maxLineBytes = 131_072;

/**
 * The whole lines of one log, the oldest first, over its rotations: those that are there, and then those that come. What is not read
 * yet stays in the files; it is missed only when they are removed meanwhile.
 */
export class LogTail {
  private readonly dir: string;
  private readonly name: string;
  private fd: number | undefined;
  private offset = 0;
  /** Read, and not handed out from `at` on. */
  private bytes = nothing;
  private at = 0;
  private held: string | undefined;

  /** `name`: without `.log`. */
  constructor({ dir, name }: { dir: string; name: string }) {
    this.dir = dir;
    this.name = name;
  }

  /** Undefined: there is none now. */
  next(): string | undefined {
    const { held } = this;
    this.held = undefined;
    if (held !== undefined) return held;
    for (;;) {
      const line = this.takeLine();
      if (line !== undefined) return line;
      if (!this.fill() && !this.goOn()) return undefined;
    }
  }

  /**
   * Goes to the first line that is not before what is wanted, or to the end. Lines are taken to be in order; `isBefore` answers undefined
   * for what it can't read.
   */
  seek(isBefore: (line: string) => boolean | undefined): void {
    this.close();
    for (let rotation = 0; ; rotation += 1) {
      const fd = openLog(logPath(this.dir, this.name, rotation));
      if (fd === undefined && rotation > 0) break;
      if (fd === undefined) continue;
      const offset = seekLine(fd, isBefore);
      this.use(fd, offset ?? 0);
      if (offset !== undefined) break;
    }
    for (let line = this.next(); line !== undefined; line = this.next()) {
      if (isBefore(line) !== false) continue;
      this.held = line;
      return;
    }
  }

  /** What stands in the file now does not count. */
  seekEnd(): void {
    const fd = openLog(logPath(this.dir, this.name));
    if (fd !== undefined) this.use(fd, fstatSync(fd).size);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
    this.held = undefined;
    [this.bytes, this.at, this.offset] = [nothing, 0, 0];
  }

  private use(fd: number, offset: number): void {
    this.close();
    this.fd = fd;
    this.offset = offset;
  }

  private takeLine(): string | undefined {
    const end = this.bytes.indexOf(newline, this.at);
    if (end === -1) return undefined;
    const line = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return line;
  }

  private fill(): boolean {
    // Between the renames of a rotation there is no file of that name.
    this.fd ??= openLog(logPath(this.dir, this.name));
    if (this.fd === undefined) return false;
    const readBytes = readSync(this.fd, block, 0, block.length, this.offset);
    if (readBytes === 0) return false;
    this.offset += readBytes;
    const rest = this.bytes.subarray(this.at);
    this.bytes = Buffer.concat([rest.length > maxLineBytes ? nothing : rest, block.subarray(0, readBytes)]);
    this.at = 0;
    return true;
  }

  /** To the file after this one, when this one was read to its end and is written no more. */
  private goOn(): boolean {
    const rotation = this.rotation();
    if (rotation === 0) return false;
    // It may have been written to until then.
    if (this.fill()) return true;
    const next = rotation === undefined ? this.openOldest() : openLog(logPath(this.dir, this.name, rotation - 1));
    if (next === undefined) return false;
    // A rotation moves older files first: this one is where it was, so the other was right behind it.
    if (this.rotation() !== rotation) {
      closeSync(next);
      return this.goOn();
    }
    this.use(next, 0);
    return true;
  }

  /** Which of the files it is: 0 for the one that is written. Undefined: it was removed. */
  private rotation(): number | undefined {
    if (this.fd === undefined) return 0;
    const own = fstatSync(this.fd);
    if (own.nlink === 0) return undefined;
    // Files move up while this goes up, and leave one place empty at a time.
    for (let rotation = 0, missing = 0; missing < 2; rotation += 1) {
      const named = lstatSync(logPath(this.dir, this.name, rotation), { throwIfNoEntry: false });
      missing = named ? 0 : missing + 1;
      if (named?.ino === own.ino && named.dev === own.dev) return rotation;
    }
    // Nowhere, and not removed: it is looked at again.
    return fstatSync(this.fd).nlink === 0 ? undefined : 0;
  }

  private openOldest(): number | undefined {
    let oldest: number | undefined;
    for (let rotation = 0, missing = 0; missing < 2; rotation += 1) {
      const fd = openLog(logPath(this.dir, this.name, rotation));
      missing = fd === undefined ? missing + 1 : 0;
      if (fd === undefined) continue;
      if (oldest !== undefined) closeSync(oldest);
      oldest = fd;
    }
    return oldest;
  }
}
