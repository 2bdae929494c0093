import { AccessBuffer, type BufferBudget } from './access-buffer.ts';
import type { AccessFile } from './access-file.ts';
import { droppedLine } from './access-line.ts';

export interface AccessTenantOptions {
  file: AccessFile;
  budget: BufferBudget;
  flushBytes: number;
  /** Of what waits while a write is under way. */
  maxWaitingBytes: number;
  nowMs: () => number;
  reportFault: (fault: string) => void;
  /** Between two writes. */
  mayKeepOpen: () => boolean;
}

const newline = 0x0a;

/**
 * One tenant's access log.
 *
 * Invariants:
 * - At most one write is under way, and at most so much waits: beyond it entries are dropped and counted.
 * - The count is in the file, as a line of its own, before the next entry that is.
 * - After a failed write the next one is tried when `flush` is called, not with each entry.
 */
export class AccessTenant {
  /** How often it was found without work; for whoever looks. */
  idleLooks = 0;
  private readonly options: AccessTenantOptions;
  private readonly waiting: AccessBuffer;
  private dropped = 0;
  private failing = false;
  private writing: Promise<void> | undefined = undefined;

  constructor(options: AccessTenantOptions) {
    this.options = options;
    this.waiting = new AccessBuffer(options.budget);
  }

  add(line: string): void {
    const { flushBytes, maxWaitingBytes } = this.options;
    if (!this.waiting.append(line, this.failing ? flushBytes : maxWaitingBytes)) this.dropped++;
    else if (this.waiting.usedBytes >= flushBytes && !this.failing) void this.write();
  }

  drop(): void {
    this.dropped++;
  }

  get hasWork(): boolean {
    return this.writing !== undefined || this.hasNews;
  }

  /** Begins to write what is there, unless that is under way. */
  write(): Promise<void> {
    this.writing ??= this.writeAll().finally(() => (this.writing = undefined));
    return this.writing;
  }

  /** Writes what is there by now; never rejects. */
  async flush(): Promise<void> {
    await this.writing;
    await this.write();
  }

  /** Nothing may be added after it. */
  async close(): Promise<void> {
    await this.flush();
    await this.options.file.close();
  }

  private get hasNews(): boolean {
    return this.waiting.lines > 0 || this.dropped > 0;
  }

  private async writeAll(): Promise<void> {
    const { file, flushBytes, mayKeepOpen } = this.options;
    if (this.hasNews) await this.writeBatch();
    while (this.waiting.usedBytes >= flushBytes && !this.failing) await this.writeBatch();
    if (!mayKeepOpen()) await file.close();
  }

  private async writeBatch(): Promise<void> {
    const { file, budget, nowMs, reportFault } = this.options;
    const noted = this.dropped;
    const note = Buffer.from(noted > 0 ? droppedLine(nowMs(), noted) : '');
    this.dropped = 0;
    const { bytes, lines, heldBytes } = this.waiting.take();
    const { writtenBytes, fault } = await file.append(noted > 0 ? Buffer.concat([note, bytes]) : bytes);
    budget.usedBytes -= heldBytes;
    this.failing = fault !== undefined;
    if (fault === undefined) return;
    const isNoted = writtenBytes >= note.length;
    this.dropped += lines - countLines(bytes.subarray(0, Math.max(0, writtenBytes - note.length))) + (isNoted ? 0 : noted);
    reportFault(fault);
  }
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) count++;
  return count;
}
