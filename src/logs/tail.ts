import { closeSync, fstatSync, readSync, type Stats, statSync } from 'node:fs';
import { createLineCutter } from './cut-lines.ts';
import { openLog } from './open-log.ts';

const blockBytes = 65_536;

/** What is written to one log from now on, over its rotations. */
export class LogTail {
  private readonly path: string;
  private readonly cutter: ReturnType<typeof createLineCutter>;
  private readonly block = Buffer.alloc(blockBytes);
  private fd: number | undefined;
  private positionBytes = 0;

  /** `from`: whether what stands in the file now counts as new. Longer lines than `maxLineBytes` come in pieces. */
  constructor(options: { path: string; from: 'start' | 'end'; maxLineBytes: number; onLine: (line: string) => void }) {
    this.path = options.path;
    this.cutter = createLineCutter(options.maxLineBytes, options.onLine);
    if (this.open() && options.from === 'end') this.positionBytes = this.sizeBytes();
  }

  /** Hands out the whole lines that came since the last call. */
  read(): void {
    if (this.fd === undefined && !this.open()) return;
    const rotated = this.isRotated();
    // Looked at before this: nothing is written to a file after its rotation.
    this.readToEnd();
    if (!rotated) return;
    this.close();
    if (this.open()) this.readToEnd();
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private open(): boolean {
    // Between the renames of a rotation there is no file of that name.
    this.fd = openLog(this.path);
    this.positionBytes = 0;
    return this.fd !== undefined;
  }

  private readToEnd(): void {
    const { fd, block } = this;
    if (fd === undefined) return;
    for (;;) {
      const readBytes = readSync(fd, block, 0, block.length, this.positionBytes);
      if (readBytes === 0) return;
      this.positionBytes += readBytes;
      this.cutter.push(block.subarray(0, readBytes));
    }
  }

  private sizeBytes(): number {
    return this.fd === undefined ? 0 : fstatSync(this.fd).size;
  }

  private isRotated(): boolean {
    if (this.fd === undefined) return false;
    const own = fstatSync(this.fd);
    const named: Stats | undefined = statSync(this.path, { throwIfNoEntry: false });
    return named !== undefined && (named.ino !== own.ino || named.dev !== own.dev);
  }
}
