import { closeSync, fstatSync, readdirSync, readSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { type LogLine, logPath, parseLogLine } from './line.ts';
import { openLog } from './open-log.ts';

const defaultMaxBytes = 768 * 1024;
const blockBytes = 65_536;
const newline = 0x0a;

export interface ReadNewestOptions<Line extends Timed> {
  dir: string;
  /** Of the logs, without `.log`. */
  names: readonly string[];
  lines: number;
  maxBytes?: number;
  /** Undefined for a line that is not to be in the answer. */
  parse: (text: string) => Line | undefined;
}

interface Timed {
  time: string;
}

/** Of the last line; 0 when there is none. */
export function lastPosition(dir: string, app: string): number {
  for (const { position } of newestFirst(dir, app, parseLogLine)) return position;
  return 0;
}

/** Of each log that has older ones: the last that stands before the newest lines of all of them. */
export function newestPositions({
  dir,
  names,
  lines,
  until,
}: Pick<ReadNewestOptions<LogLine>, 'dir' | 'names' | 'lines'> & { until: string | undefined }): Map<string, number> {
  const logs = names.map((name) => ({ name, newest: newestFirst(dir, name, parseUntil(until)) }));
  const next = logs.map(({ newest }) => newest.next().value as LogLine | undefined);
  for (let taken = 0; taken < lines; taken += 1) {
    const at = latestOf(next);
    if (at === undefined) break;
    next[at] = logs[at]?.newest.next().value as LogLine | undefined;
  }
  for (const { newest } of logs) newest.return(undefined);
  return new Map(logs.flatMap(({ name }, at) => (next[at] ? [[name, next[at].position] as const] : [])));
}

function parseUntil(until: string | undefined): (text: string) => LogLine | undefined {
  return (text) => {
    const line = parseLogLine(text);
    return line && (until === undefined || line.time <= until) ? line : undefined;
  };
}

function latestOf(lines: readonly (LogLine | undefined)[]): number | undefined {
  let latest: number | undefined;
  for (const [at, line] of lines.entries()) {
    if (line && (latest === undefined || line.time >= (lines[latest]?.time ?? ''))) latest = at;
  }
  return latest;
}

/** The newest lines of several logs, oldest first. Reads from the files' ends, as much as it needs; torn lines are left out. */
export function readNewest<Line extends Timed>(options: ReadNewestOptions<Line>): Line[] {
  const { dir, names, lines, maxBytes = defaultMaxBytes, parse } = options;
  let newest: Line[] = [];
  for (const name of names) newest = merge(newest, takeNewest(newestFirst(dir, name, parse), lines, maxBytes), lines, maxBytes);
  return newest;
}

/** Earliest first. */
export function byTime(a: Timed, b: Timed): number {
  return a.time < b.time ? -1 : Number(a.time > b.time);
}

function merge<Line extends Timed>(some: Line[], others: Line[], lines: number, maxBytes: number): Line[] {
  if (some.length === 0) return others;
  return takeNewest([...some, ...others].sort(byTime).toReversed(), lines, maxBytes);
}

function takeNewest<Line>(newest: Iterable<Line>, lines: number, maxBytes: number): Line[] {
  const taken: Line[] = [];
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

function* newestFirst<Line>(dir: string, name: string, parse: (text: string) => Line | undefined): Generator<Line> {
  for (let rotation = 0; ; rotation += 1) {
    const fd = openLog(logPath(dir, name, rotation));
    // Between the renames of a rotation there may be no current file.
    if (fd === undefined && rotation > 0) return;
    if (fd !== undefined) yield* parsedLines(fd, parse);
  }
}

function* parsedLines<Line>(fd: number, parse: (text: string) => Line | undefined): Generator<Line> {
  try {
    for (const text of linesBackwards(fd)) {
      const line = parse(text);
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

/** The names of the logs in a folder; none when it is not there. */
export function listLogs(dir: string): string[] {
  const files = ignoreMissing(() => readdirSync(dir)) ?? [];
  return files.flatMap((file) => (file.endsWith('.log') ? [file.slice(0, -'.log'.length)] : []));
}
