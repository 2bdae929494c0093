import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { runAccessLogsJob } from '../../../src/job/access-logs-job.ts';
import { followAccessLogs } from '../../../src/job/follow-access-logs-job.ts';
import type { AccessLinesEvent, AccessRecord } from '../../../src/protocol/access.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-access-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const timeOf = (number: number): string => new Date(1_700_000_000_000 + number).toISOString();
const lineOf = (number: number, app = 'site'): string =>
  `{"time":"${timeOf(number)}","path":"/","requestId":"${number}","app":"${app}","release":"local","outcome":"ok"}\n`;
const droppedOf = (number: number, dropped: number): string => `{"time":"${timeOf(number)}","dropped":${dropped}}\n`;

const numbers = (lines: AccessRecord[]): (number | string)[] =>
  lines.map((line) => ('dropped' in line ? `dropped ${line.dropped}` : Number(line.requestId)));

describe('the access logs job', () => {
  const read = (lines: number, app?: string): (number | string)[] =>
    numbers(runAccessLogsJob({ job: 'access-logs', lines, ...(app !== undefined && { app }) }, dir).lines);

  test('merges the files of all edge processes by time, over rotations', () => {
    writeFileSync(join(dir, 'access.0.log'), lineOf(5) + lineOf(8));
    writeFileSync(join(dir, 'access.0.log.1'), lineOf(1) + lineOf(3));
    writeFileSync(join(dir, 'access.1.log'), lineOf(2) + lineOf(6) + lineOf(7));
    writeFileSync(join(dir, 'access.10.log'), lineOf(4));
    expect(read(100)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(read(3)).toEqual([6, 7, 8]);
    expect(read(0)).toEqual([]);
  });

  test('leaves out torn lines and other files', () => {
    writeFileSync(join(dir, 'access.0.log'), `${lineOf(1).slice(0, 20)}\n${lineOf(2)}null\n{"time":5}\n${lineOf(3).slice(0, -2)}`);
    writeFileSync(join(dir, 'other.log'), lineOf(4));
    expect(read(100)).toEqual([2]);
  });

  test('of one app leaves out the others, but not that entries are missing', () => {
    const forged = lineOf(3, 'api').replace('"path":"/"', '"path":"/\\",\\"app\\":\\"site\\",\\"dropped\\":9"');
    writeFileSync(join(dir, 'access.0.log'), lineOf(1) + lineOf(2, 'api') + forged + droppedOf(4, 7) + lineOf(5));
    expect(read(100, 'site')).toEqual([1, 'dropped 7', 5]);
    expect(read(100)).toEqual([1, 2, 3, 'dropped 7', 5]);
  });

  test('finds nothing where there is nothing', () => {
    expect(read(100)).toEqual([]);
    rmSync(dir, { recursive: true });
    expect(read(100)).toEqual([]);
    mkdirSync(dir);
  });
});

describe('the job that follows access logs', () => {
  /** Starts it, and gives what takes its next message that says something. */
  function follow(lines: number, app?: string): () => Promise<AccessLinesEvent> {
    const stop = new AbortController();
    const events: AccessLinesEvent[] = [];
    let wake = (): void => {};
    const ended = followAccessLogs({
      request: { job: 'follow-access-logs', lines, ...(app !== undefined && { app }) },
      dir,
      signal: stop.signal,
      print: (event) => {
        events.push(event);
        wake();
      },
    });
    onTestFinished(() => {
      stop.abort();
      return ended;
    });
    return async () => {
      for (;;) {
        const event = events.shift();
        if (event) return event;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    };
  }

  test('begins with the newest, and goes on with what comes from every edge process', async () => {
    writeFileSync(join(dir, 'access.0.log'), lineOf(1) + lineOf(2));
    const next = follow(1);
    expect(numbers((await next()).lines)).toEqual([2]);
    appendFileSync(join(dir, 'access.0.log'), lineOf(5));
    writeFileSync(join(dir, 'access.1.log'), lineOf(4));
    expect(numbers((await next()).lines)).toEqual([4, 5]);
    appendFileSync(join(dir, 'access.0.log'), lineOf(6) + lineOf(7).slice(0, 9));
    expect(numbers((await next()).lines)).toEqual([6]);
    appendFileSync(join(dir, 'access.0.log'), lineOf(7).slice(9));
    expect(numbers((await next()).lines)).toEqual([7]);
  });

  test('loses nothing when a file is rotated', async () => {
    writeFileSync(join(dir, 'access.0.log'), lineOf(1));
    const next = follow(0);
    expect(await next()).toEqual({ lines: [], dropped: 0 });
    appendFileSync(join(dir, 'access.0.log'), lineOf(2));
    renameSync(join(dir, 'access.0.log'), join(dir, 'access.0.log.1'));
    writeFileSync(join(dir, 'access.0.log'), lineOf(3));
    expect(numbers((await next()).lines)).toEqual([2, 3]);
  });

  test('passes on so much at once, and counts the rest', async () => {
    writeFileSync(join(dir, 'access.0.log'), '');
    const next = follow(0, 'site');
    await next();
    appendFileSync(join(dir, 'access.0.log'), (lineOf(1) + lineOf(2, 'api')).repeat(2_000));
    let event = await next();
    let [passed, dropped] = [event.lines.length, event.dropped];
    while (passed + dropped < 2_000) {
      event = await next();
      passed += event.lines.length;
      dropped += event.dropped;
    }
    expect(passed + dropped).toBe(2_000);
    expect(event.lines.length).toBeLessThanOrEqual(500);
    expect(dropped).toBeGreaterThan(0);
  });
});
