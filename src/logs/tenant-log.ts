import { AppLog, type AppLogStart } from './app-log.ts';
import type { LogLine, LogPositions } from './line.ts';
import { listLogs } from './read.ts';

export interface TakenLines {
  lines: LogLine[];
  /** Lines that were missed: their files were removed before they were read. */
  dropped: number;
}

export interface TakeLimits {
  maxLines: number;
  /** Of the lines as JSON. */
  maxBytes: number;
  /** ISO 8601, UTC: later ones stay. */
  until?: string | undefined;
}

/** What all apps of a tenant printed, or one, merged by time. */
export class TenantLog {
  private readonly dir: string;
  private readonly only: string | undefined;
  private readonly logs = new Map<string, AppLog>();

  constructor({ dir, app, startOf }: { dir: string; app: string | undefined; startOf: (app: string) => AppLogStart }) {
    this.dir = dir;
    this.only = app;
    for (const name of app === undefined ? listLogs(dir) : [app]) this.logs.set(name, new AppLog({ dir, app: name, ...startOf(name) }));
  }

  /** There is a log of it now. */
  add(app: string): void {
    if (this.logs.has(app) || (this.only !== undefined && this.only !== app)) return;
    this.logs.set(app, new AppLog({ dir: this.dir, app }));
  }

  take({ maxLines, maxBytes, until }: TakeLimits): TakenLines {
    const lines: LogLine[] = [];
    for (let bytes = 0; lines.length < maxLines;) {
      const log = this.nextLog(until);
      const line = log?.peek();
      if (!log || !line) break;
      bytes += Buffer.byteLength(JSON.stringify(line)) + 1;
      if (bytes > maxBytes) break;
      lines.push(line);
      log.take();
    }
    return { lines, dropped: this.all().reduce((sum, log) => sum + log.takeMissed(), 0) };
  }

  hasMore(until?: string): boolean {
    return this.nextLog(until) !== undefined;
  }

  skip(): void {
    for (const log of this.all()) log.skip();
  }

  positions(): LogPositions {
    return Object.fromEntries([...this.logs].map(([app, log]) => [app, log.position]));
  }

  close(): void {
    for (const log of this.all()) log.close();
  }

  private all(): AppLog[] {
    return [...this.logs.values()];
  }

  private nextLog(until: string | undefined): AppLog | undefined {
    let [next, earliest]: [AppLog | undefined, string | undefined] = [undefined, undefined];
    for (const log of this.logs.values()) {
      const time = log.peek()?.time;
      if (time === undefined || (until !== undefined && time > until)) continue;
      if (earliest === undefined || time < earliest) [next, earliest] = [log, time];
    }
    return next;
  }
}
