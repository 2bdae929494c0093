import { listLogs, readNewest } from '../logs/read.ts';
import { LogTail } from '../logs/tail.ts';
import type { AccessRecord } from '../protocol/access.ts';

export type ParseAccess = (text: string) => AccessRecord | undefined;

/** Fits an answer. */
const limits = { lines: 10_000, bytes: 768 * 1024 };

export interface AccessQuery {
  app?: string | undefined;
  lines?: number | undefined;
  /** ISO 8601, UTC, both. */
  since?: string | undefined;
  until?: string | undefined;
}

/**
 * Lines of one app, or all, of a time. Those of other apps are left out by their text, which no client can forge: what it sent has its
 * quotes escaped. That entries are missing concerns every app.
 */
export function createAccessParser({ app, since, until }: AccessQuery): ParseAccess {
  const named = `,"app":"${app}",`;
  return (text) => {
    if (app !== undefined && !text.includes(named) && !text.includes(',"dropped":')) return undefined;
    const record = parseAccess(text);
    return record && (since === undefined || record.time >= since) && (until === undefined || record.time <= until) ? record : undefined;
  };
}

/** Undefined for what is not a whole line: the last one before a full disk, or of an edge that was killed. */
export function parseAccess(text: string): AccessRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // The daemon checks the rest.
    return typeof value === 'object' && value !== null && 'time' in value && typeof value.time === 'string'
      ? (value as AccessRecord)
      : undefined;
  } catch {
    return undefined;
  }
}

/** One log an edge process. */
export function listAccessLogs(dir: string): string[] {
  return listLogs(dir).filter((name) => /^access\.\d+$/.test(name));
}

/** As many of the newest as fit into an answer, the oldest first. */
export function readLastAccess(dir: string, query: AccessQuery): AccessRecord[] {
  return readNewest({ dir, names: listAccessLogs(dir), lines: query.lines ?? limits.lines, parse: createAccessParser(query) });
}

/** From a time on, the oldest first: as many as fit into an answer. */
export function readAccessFrom(dir: string, query: AccessQuery & { since: string }): AccessRecord[] {
  const logs = listAccessLogs(dir).map((name) => new AccessFrom(dir, name, query));
  try {
    return takeByTime(logs);
  } finally {
    for (const log of logs) log.close();
  }
}

function takeByTime(logs: readonly AccessFrom[]): AccessRecord[] {
  const taken: AccessRecord[] = [];
  for (let bytes = 0; taken.length < limits.lines;) {
    const next = logs.reduce<AccessFrom | undefined>((first, log) => (isEarlier(log.next, first?.next) ? log : first), undefined);
    if (!next?.next) break;
    bytes += Buffer.byteLength(JSON.stringify(next.next)) + 1;
    if (bytes > limits.bytes) break;
    taken.push(next.next);
    next.goOn();
  }
  return taken;
}

function isEarlier(a: AccessRecord | undefined, b: AccessRecord | undefined): boolean {
  return a !== undefined && (b === undefined || a.time < b.time);
}

class AccessFrom {
  next: AccessRecord | undefined;
  private readonly tail: LogTail;
  private readonly parse: ParseAccess;

  constructor(dir: string, name: string, query: AccessQuery & { since: string }) {
    this.parse = createAccessParser(query);
    this.tail = new LogTail({ dir, name });
    this.tail.seek(isBeforeTime(query.since));
    this.goOn();
  }

  goOn(): void {
    let text: string | undefined;
    do {
      text = this.tail.next();
      this.next = text === undefined ? undefined : this.parse(text);
    } while (text !== undefined && !this.next);
  }

  close(): void {
    this.tail.close();
  }
}

export function isBeforeTime(since: string): (line: string) => boolean | undefined {
  return (line) => {
    const record = parseAccess(line);
    return record && record.time < since;
  };
}
