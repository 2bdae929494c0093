import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LogPage, type LogQuery, readLogPage } from '../../../src/logs/page.ts';
import { createLogWriter } from '../../../src/logs/writer.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-pages-'));
});

afterEach(() => rmSync(dir, { recursive: true }));

const timeOf = (number: number): string => new Date(1_700_000_000_000 + number * 1_000).toISOString();

/** Lines `from` to `to`, each a second later than the one before. */
function write(app: string, from: number, to: number, { maxBytes = 20_000, keep = 50, step = 1 } = {}): void {
  const writer = createLogWriter({ dir, app, maxBytes, keep });
  for (let number = from; number <= to; number += step) {
    writer.write({ time: timeOf(number), app, worker: `${app}.a`, line: String(number) });
  }
  writer.close();
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const numbers = ({ lines }: Pick<LogPage, 'lines'>): number[] => lines.map(({ line }) => Number(line));

/** All pages of a question, as a reader asks for them. */
function readAll(query: LogQuery, maxLines: number): { numbers: number[]; pages: number; dropped: number } {
  const read: number[] = [];
  let [pages, dropped] = [0, 0];
  for (let asked = query; ; pages += 1) {
    const page = readLogPage(dir, asked, { maxLines, maxBytes: 1 << 20 });
    read.push(...numbers(page));
    dropped += page.dropped;
    if (!page.more) return { numbers: read, pages: pages + 1, dropped };
    asked = { ...query, lines: undefined, after: page.positions };
  }
}

describe('pages of a log', () => {
  test('together are all of it, whatever their size and the places of its rotations', () => {
    write('site', 1, 2_000);
    for (const size of [7, 333, 10_000]) {
      expect(readAll({ app: 'site' }, size)).toEqual({ numbers: range(1, 2_000), pages: Math.ceil(2_000 / size), dropped: 0 });
    }
    expect(readAll({ app: 'site', lines: 50 }, 1).numbers).toEqual(range(1_951, 2_000));
  });

  test.each([1, 2, 999, 1_000, 1_777, 1_999, 2_000])('begin at a time, at line %i', (number) => {
    write('site', 1, 2_000);
    expect(readAll({ since: timeOf(number) }, 500).numbers).toEqual(range(number, 2_000));
    expect(readAll({ since: new Date(Date.parse(timeOf(number)) - 1).toISOString() }, 500).numbers).toEqual(range(number, 2_000));
  });

  test('end at a time', () => {
    write('site', 1, 2_000);
    expect(readAll({ since: timeOf(1_200), until: timeOf(1_500) }, 100).numbers).toEqual(range(1_200, 1_500));
    expect(readAll({ lines: 10, until: timeOf(1_500) }, 100).numbers).toEqual(range(1_491, 1_500));
  });

  test('go on behind each line that they end with', () => {
    write('site', 1, 400);
    for (const after of [0, 1, 57, 222, 399, 400]) {
      expect(numbers(readLogPage(dir, { app: 'site', after: { site: after } }))).toEqual(range(after + 1, 400));
    }
  });

  test('of several apps are merged by time, and go on in each', () => {
    write('odd', 1, 999, { step: 2 });
    write('even', 2, 1_000, { step: 2 });
    expect(readAll({}, 77).numbers).toEqual(range(1, 1_000));
    expect(readAll({ lines: 101 }, 10).numbers).toEqual(range(900, 1_000));
    expect(readAll({ lines: 300, since: timeOf(900) }, 10).numbers).toEqual(range(900, 1_000));
  });

  test('say where the end is when nothing is asked for, and what came behind it', () => {
    write('site', 1, 30);
    const { positions, lines, more } = readLogPage(dir, { lines: 0 });
    expect({ positions, lines, more }).toEqual({ positions: { site: 30 }, lines: [], more: false });
    write('site', 31, 33);
    write('late', 34, 34);
    expect(numbers(readLogPage(dir, { after: positions }))).toEqual([31, 32, 33, 34]);
    expect(readLogPage(dir, { since: timeOf(99) }).positions).toEqual({ site: 33, late: 1 });
  });

  test('count what was removed before it was read', () => {
    write('site', 1, 100);
    write('site', 101, 2_000, { maxBytes: 5_000, keep: 1 });
    const page = readLogPage(dir, { after: { site: 100 } });
    expect(page.dropped).toBeGreaterThan(1_000);
    expect(page.dropped + page.lines.length).toBe(1_900);
    expect(numbers(page)).toEqual(range(2_001 - page.lines.length, 2_000));
    // Who begins now misses nothing.
    expect(readLogPage(dir, {}).dropped).toBe(0);
  });

  test('of a log that was begun anew are all of it', () => {
    write('site', 1, 5);
    expect(numbers(readLogPage(dir, { after: { site: 700 } }))).toEqual(range(1, 5));
  });

  test('fit their size', () => {
    write('site', 1, 100);
    const page = readLogPage(dir, {}, { maxLines: 100, maxBytes: 1_000 });
    expect(page.lines.map((line) => JSON.stringify(line)).join('\n').length).toBeLessThan(1_000);
    expect([page.lines.length > 5, page.more]).toEqual([true, true]);
  });
});
