import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogLine } from '../../../src/logs/line.ts';
import { type LogQuery, readLogPage } from '../../../src/logs/page.ts';
import { createLogWriter, type PrintedLine } from '../../../src/logs/writer.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-logs-'));
});

afterEach(() => rmSync(dir, { recursive: true }));

const line = (number: number, app = 'site'): PrintedLine => ({
  time: new Date(1_700_000_000_000 + number * 1_000).toISOString(),
  app,
  worker: `${app}.abc`,
  line: `line ${number}`,
});

const at = (position: number, printed: PrintedLine): LogLine => ({ ...printed, position });

const readLastLines = ({ dir: folder, ...query }: LogQuery & { dir: string }): LogLine[] => readLogPage(folder, query).lines;

const numbers = (lines: LogLine[]): number[] => lines.map((one) => Number(one.line.replace('line ', '')));

function writeLines(count: number, options: { maxBytes: number; keep: number }, app = 'site', from = 0, step = 1): void {
  const writer = createLogWriter({ dir, app, ...options });
  for (let number = 0; number < count; number += 1) writer.write(line(from + number * step, app));
  writer.close();
}

describe('a log writer', () => {
  test('writes one JSON object a line, readable by the owner and the group', () => {
    writeLines(2, { maxBytes: 10_000, keep: 1 });
    const lines = readFileSync(join(dir, 'site.log'), 'utf8').trimEnd().split('\n');
    expect(lines.map((text) => JSON.parse(text) as LogLine)).toEqual([at(1, line(0)), at(2, line(1))]);
    expect(statSync(join(dir, 'site.log')).mode & 0o777).toBe(0o640);
  });

  test('writes soon without being told to', async () => {
    const changes = watch(dir);
    const writer = createLogWriter({ dir, app: 'site', maxBytes: 10_000, keep: 1 });
    writer.write(line(1));
    await once(changes, 'change', { signal: AbortSignal.timeout(5_000) });
    changes.close();
    writer.close();
    expect(readLastLines({ dir, app: 'site', lines: 5 })).toEqual([at(1, line(1))]);
  });

  test('never holds more than 64 KiB back', () => {
    const writer = createLogWriter({ dir, app: 'site', maxBytes: 1 << 20, keep: 1 });
    for (let number = 0; number < 1_000; number += 1) writer.write({ ...line(number), line: 'x'.repeat(100) });
    expect(statSync(join(dir, 'site.log')).size).toBeGreaterThan(65_536);
    writer.close();
  });

  test('rotates at its size and keeps as many files as it may', () => {
    writeLines(1_000, { maxBytes: 2_000, keep: 3 });
    const sizes = ['site.log', 'site.log.1', 'site.log.2', 'site.log.3'].map((file) => statSync(join(dir, file)).size);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(2_100);
    expect(() => statSync(join(dir, 'site.log.4'))).toThrow('ENOENT');
    expect(numbers(readLastLines({ dir, app: 'site', lines: 3 }))).toEqual([997, 998, 999]);
  });

  test('with nothing to keep begins its file anew', () => {
    writeLines(1_000, { maxBytes: 2_000, keep: 0 });
    expect(statSync(join(dir, 'site.log')).size).toBeLessThanOrEqual(2_100);
    expect(() => statSync(join(dir, 'site.log.1'))).toThrow('ENOENT');
  });

  test('goes on after the torn line of a process that was killed', () => {
    writeLines(1, { maxBytes: 10_000, keep: 1 });
    appendFileSync(join(dir, 'site.log'), '{"time":"2023-11-14T22:13:21.000Z","app":"si');
    writeLines(1, { maxBytes: 10_000, keep: 1 }, 'site', 7);
    expect(numbers(readLastLines({ dir, app: 'site', lines: 10 }))).toEqual([0, 7]);
  });

  test('drops what it can not write and says how much as soon as it can', () => {
    const blocked = join(dir, 'blocked');
    writeFileSync(blocked, 'not a folder');
    const writer = createLogWriter({ dir: blocked, app: 'site', maxBytes: 10_000, keep: 1 });
    writer.write(line(1));
    writer.write(line(2));
    writer.flush();
    renameSync(blocked, `${blocked}-away`);
    mkdirSync(blocked);
    writer.write(line(3));
    writer.close();
    const [note, kept] = readLastLines({ dir: blocked, app: 'site', lines: 10 });
    expect(note).toMatchObject({ worker: 'tenantd', line: expect.stringMatching(/^2 lines could not be kept: ENOTDIR/) as string });
    expect(kept).toEqual(at(2, line(3)));
    expect(note?.position).toBe(1);
  });

  test('numbers its lines, over rotations and restarts', () => {
    for (const start of [0, 300, 600]) writeLines(300, { maxBytes: 5_000, keep: 9 }, 'site', start);
    const { lines } = readLogPage(dir, { app: 'site' });
    expect(lines.map(({ position }) => position)).toEqual(numbers(lines).map((number) => number + 1));
    expect(lines.at(-1)?.position).toBe(900);
  });

  test('follows no link that stands in its place', () => {
    writeFileSync(join(dir, 'kept'), 'untouched');
    symlinkSync(join(dir, 'kept'), join(dir, 'site.log'));
    writeLines(1, { maxBytes: 10_000, keep: 1 });
    expect(readFileSync(join(dir, 'kept'), 'utf8')).toBe('untouched');
  });
});

describe('reading the last lines', () => {
  test('goes back over rotated files and block borders', () => {
    writeLines(5_000, { maxBytes: 150_000, keep: 9 });
    expect(numbers(readLastLines({ dir, app: 'site', lines: 4_000 }))).toEqual(Array.from({ length: 4_000 }, (_, at) => at + 1_000));
  });

  test('merges several apps by time', () => {
    writeLines(10, { maxBytes: 10_000, keep: 1 }, 'one', 0, 2);
    writeLines(10, { maxBytes: 10_000, keep: 1 }, 'two', 1, 2);
    expect(numbers(readLastLines({ dir, lines: 5 }))).toEqual([15, 16, 17, 18, 19]);
  });

  test('leaves out what is no line of a log', () => {
    writeFileSync(join(dir, 'site.log'), `not json\n{"time":1}\n${'z'.repeat(300_000)}\n${JSON.stringify(at(4, line(1)))}\n{"torn`);
    expect(readLastLines({ dir, app: 'site', lines: 10 })).toEqual([at(4, line(1))]);
  });

  test('answers nothing for an app that printed nothing, for no lines, and for no folder', () => {
    expect(readLastLines({ dir, app: 'site', lines: 10 })).toEqual([]);
    writeLines(1, { maxBytes: 10_000, keep: 1 });
    expect(readLastLines({ dir, app: 'site', lines: 0 })).toEqual([]);
    expect(readLastLines({ dir: join(dir, 'missing'), lines: 10 })).toEqual([]);
  });
});
