import { type LogLine, parseLogLine } from './line.ts';
import { lastPosition } from './read.ts';
import { LogTail } from './tail.ts';

export interface AppLogStart {
  /** The last line that was read. */
  after?: number | undefined;
  /** ISO 8601, UTC. */
  since?: string | undefined;
}

/** The lines of one app's log from a place on, the oldest first; then those that come. */
export class AppLog {
  private readonly dir: string;
  private readonly app: string;
  private readonly tail: LogTail;
  private held: LogLine | undefined;
  private last: number;
  private missed = 0;

  constructor({ dir, app, after, since }: { dir: string; app: string } & AppLogStart) {
    this.dir = dir;
    this.app = app;
    this.tail = new LogTail({ dir, name: app });
    const head = lastPosition(dir, app);
    // One that is not there any more was begun anew.
    const from = after !== undefined && after <= head ? after : undefined;
    this.last = from ?? 0;
    this.tail.seek((text) => {
      const line = parseLogLine(text);
      return line && (line.position <= this.last || (since !== undefined && line.time < since));
    });
    if (from === undefined || since !== undefined) this.last = Math.max(this.last, (this.read()?.position ?? head + 1) - 1);
  }

  /** Of the last line that was taken. */
  get position(): number {
    return this.last;
  }

  /** The next line; undefined: there is none now. */
  peek(): LogLine | undefined {
    const line = this.read();
    if (line && line.position > this.last + 1) this.skipTo(line.position - 1);
    return line;
  }

  take(): void {
    if (this.held) this.last = this.held.position;
    this.held = undefined;
  }

  /** How many lines were missed since the last call: removed before they were read, or skipped. */
  takeMissed(): number {
    const { missed } = this;
    this.missed = 0;
    return missed;
  }

  /** Leaves out what is there and was not read. */
  skip(): void {
    this.tail.close();
    this.tail.seekEnd();
    this.held = undefined;
    this.skipTo(lastPosition(this.dir, this.app));
  }

  close(): void {
    this.tail.close();
  }

  private skipTo(position: number): void {
    this.missed += Math.max(0, position - this.last);
    this.last = Math.max(this.last, position);
  }

  private read(): LogLine | undefined {
    while (!this.held) {
      const text = this.tail.next();
      if (text === undefined) return undefined;
      const line = parseLogLine(text);
      if (line && line.app === this.app && line.position > this.last) this.held = line;
    }
    return this.held;
  }
}
