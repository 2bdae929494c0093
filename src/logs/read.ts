import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { type LogLine, logPath, parseLogLine } from './line.ts';

export interface ReadOptions {
  dir: string;
  /** Without it, the lines of all apps, merged by time. */
  app?: string;
  lines: number;
  /** Of the lines as JSON. The default fits a frame between two processes. */
  maxBytes?: number;
}

const defaultMaxBytes = 768 * 1024;
const blockBytes = 65_536;
const newline = 0x0a;

/** The newest lines, oldest first. Reads from the files' ends, as much as it needs; torn lines are left out. */
export function readLastLines({ dir, app, lines, maxBytes = defaultMaxBytes }: ReadOptions): LogLine[] {
  if (app !== undefined) return takeNewest(newestFirst(dir, app), lines, maxBytes);
  let newest: LogLine[] = [];
  for (const name of listApps(dir)) newest = merge(newest, takeNewest(newestFirst(dir, name), lines, maxBytes), lines, maxBytes);
  return newest;
}

function merge(some: LogLine[], others: LogLine[], lines: number, maxBytes: number): LogLine[] {
  const sorted = [...some, ...others].sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
  return takeNewest(sorted.toReversed(), lines, maxBytes);
}

function takeNewest(newest: Iterable<LogLine>, lines: number, maxBytes: number): LogLine[] {
  const taken: LogLine[] = [];
  let bytes = 0;
  if (lines <= 0) return taken;
  for (const line of newest) {
    bytes += Buffer.byteLength(JSON.stringify(line)) + 1;
    if (bytes > maxBytes) break;
    taken.push(line);
    if (taken.length === lines) break;
  }
  return taken.toReversed();
}

function* newestFirst(dir: string, app: string): Generator<LogLine> {
  for (let rotation = 0; ; rotation += 1) {
    const fd = ignoreMissing(() => openSync(logPath(dir, app, rotation), constants.O_RDONLY | constants.O_NOFOLLOW));
    // Between the renames of a rotation there may be no current file.
    if (fd === undefined && rotation > 0) return;
    if (fd !== undefined) yield* parsedLines(fd);
  }
}

function* parsedLines(fd: number): Generator<LogLine> {
  try {
    for (const text of linesBackwards(fd)) {
      const line = parseLogLine(text);
      if (line) yield line;
    }
  } finally {
    closeSync(fd);
  }
}

/** Blocks from the end to the start; a line over a few blocks is not one of ours, and its parts are left out as torn. */
function* linesBackwards(fd: number): Generator<string> {
  let tail: Buffer = Buffer.alloc(0);
  for (let end = fstatSync(fd).size; end > 0;) {
    const start = Math.max(0, end - blockBytes);
    const block = Buffer.allocUnsafe(end - start);
    const read = readSync(fd, block, 0, block.length, start);
    let rest: Buffer = Buffer.concat([block.subarray(0, read), tail.subarray(0, 2 * blockBytes)]);
    for (let at = rest.lastIndexOf(newline); at !== -1; at = rest.lastIndexOf(newline)) {
      if (at + 1 < rest.length) yield rest.toString('utf8', at + 1);
      rest = rest.subarray(0, at);
    }
    tail = rest;
    end = start;
  }
  if (tail.length > 0) yield tail.toString();
}

function ignoreMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function listApps(dir: string): string[] {
  const files = ignoreMissing(() => readdirSync(dir)) ?? [];
  return files.flatMap((file) => (file.endsWith('.log') ? [file.slice(0, -'.log'.length)] : []));
}
