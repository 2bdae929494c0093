import { setTimeout as wait } from 'node:timers/promises';
import { byTime } from '../logs/read.ts';
import { LogTail } from '../logs/tail.ts';
import type { AccessLinesEvent, AccessRecord } from '../protocol/access.ts';
import { jobPaths, type JobRequest } from '../protocol/job.ts';
import { createAccessParser, isBeforeTime, listAccessLogs, type ParseAccess, readLastAccess } from './access-lines.ts';

/** Well below what a job may print at once; and root checks every line of it. */
const maxBatchLines = 500;
const maxBatchBytes = 256 << 10;
const pollMs = 250;
/** A reader that is gone is noticed by writing to it. */
const signOfLifeMs = 10_000;

export interface FollowOptions {
  request: JobRequest & { job: 'follow-access-logs' };
  print: (event: AccessLinesEvent) => void;
  dir?: string;
  signal?: AbortSignal;
}

/** Prints the newest entries, or all from a time on, then what comes, until it is ended. */
export async function followAccessLogs({ request, print, dir = jobPaths.logsDir, signal }: FollowOptions): Promise<void> {
  const batch = new Batch(createAccessParser(request));
  const isAll = request.since !== undefined && request.lines === undefined;
  const tails = new Tails(dir, isAll ? request.since : undefined, (line) => batch.offer(line));
  const newest = isAll ? [] : readLastAccess(dir, request);
  print({ lines: newest, dropped: 0 });
  // Written between the tails' start and that.
  const printed = new Set(newest.map((line) => JSON.stringify(line)));
  for (let silentMs = 0; ; silentMs += pollMs) {
    tails.read();
    const event = batch.take();
    const lines = printed.size === 0 ? event.lines : event.lines.filter((line) => !printed.has(JSON.stringify(line)));
    printed.clear();
    if (lines.length + event.dropped > 0 || silentMs >= signOfLifeMs) {
      print({ lines, dropped: event.dropped });
      silentMs = 0;
    }
    if (signal?.aborted) return tails.close();
    await wait(pollMs);
  }
}

/** One tail for each edge process; also for those that come later. */
class Tails {
  private readonly dir: string;
  private readonly onLine: (line: string) => void;
  private readonly tails = new Map<string, LogTail>();

  constructor(dir: string, since: string | undefined, onLine: (line: string) => void) {
    this.dir = dir;
    this.onLine = onLine;
    this.openNew((tail) => {
      if (since === undefined) return tail.seekEnd();
      tail.seek(isBeforeTime(since));
    });
  }

  read(): void {
    this.openNew(() => undefined);
    for (const tail of this.tails.values()) {
      for (let line = tail.next(); line !== undefined; line = tail.next()) this.onLine(line);
    }
  }

  close(): void {
    for (const tail of this.tails.values()) tail.close();
  }

  private openNew(place: (tail: LogTail) => void): void {
    for (const name of listAccessLogs(this.dir)) {
      if (this.tails.has(name)) continue;
      const tail = new LogTail({ dir: this.dir, name });
      place(tail);
      this.tails.set(name, tail);
    }
  }
}

/** What one message holds; what is over it is counted. */
class Batch {
  private readonly parse: ParseAccess;
  private lines: AccessRecord[] = [];
  private bytes = 0;
  private dropped = 0;

  constructor(parse: ParseAccess) {
    this.parse = parse;
  }

  offer(text: string): void {
    const line = this.parse(text);
    if (!line) return;
    if (this.lines.length >= maxBatchLines || this.bytes + text.length > maxBatchBytes) {
      this.dropped++;
      return;
    }
    this.lines.push(line);
    this.bytes += text.length;
  }

  take(): AccessLinesEvent {
    const { lines, dropped } = this;
    this.lines = [];
    this.bytes = 0;
    this.dropped = 0;
    return { lines: lines.sort(byTime), dropped };
  }
}
