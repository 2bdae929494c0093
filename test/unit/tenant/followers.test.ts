import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLogWriter } from '../../../src/logs/writer.ts';
import { createFollowers, type Followers, type LogLinesMessage } from '../../../src/tenant/followers.ts';

let dir: string;
let sent: LogLinesMessage[];
let reads: boolean;
let followers: Followers;

beforeEach(() => {
  vi.useFakeTimers();
  dir = mkdtempSync(join(tmpdir(), 'tenantd-followers-'));
  [sent, reads] = [[], true];
  followers = createFollowers({ dir, nowMs: Date.now, send: (message) => sent.push(message), maySend: () => reads });
});

afterEach(() => {
  followers.clear();
  vi.useRealTimers();
  rmSync(dir, { recursive: true });
});

function print(app: string, texts: readonly string[], { maxBytes = 1 << 20, keep = 9 } = {}): void {
  const writer = createLogWriter({ dir, app, maxBytes, keep, onKept: () => followers.noteKept(app) });
  for (const line of texts) writer.write({ time: new Date().toISOString(), app, worker: `${app}.a`, line });
  writer.close();
}

const counted = (count: number, from = 1): string[] => Array.from({ length: count }, (_, at) => String(from + at));
const toldTo = (followId: number): string[] =>
  sent.filter((message) => message.followId === followId).flatMap(({ lines }) => lines.map(({ line }) => line));
const dropped = (): number => sent.reduce((sum, message) => sum + message.dropped, 0);

describe('those who follow logs', () => {
  test('get the lines of the app they asked for, or of all, soon and together', () => {
    followers.follow({ followId: 1, app: 'site', after: {} });
    followers.follow({ followId: 2, after: {} });
    print('site', ['a']);
    print('api', ['b']);
    vi.advanceTimersByTime(50);
    expect(sent.map(({ followId, lines }) => [followId, lines.map(({ line }) => line)])).toEqual([
      [1, ['a']],
      [2, ['a', 'b']],
    ]);
    followers.unfollow(2);
    print('api', ['c']);
    vi.advanceTimersByTime(50);
    expect(sent).toHaveLength(2);
  });

  test('begin behind the line that they had, and are told where they are', () => {
    print('site', counted(10));
    followers.follow({ followId: 1, after: { site: 7 } });
    vi.advanceTimersByTime(50);
    expect(sent).toEqual([{ followId: 1, lines: expect.any(Array) as [], dropped: 0, positions: { site: 10 } }]);
    expect(toldTo(1)).toEqual(['8', '9', '10']);
  });

  test('begin at a time, in logs of which they had nothing', () => {
    print('site', counted(3));
    print('api', ['old']);
    vi.advanceTimersByTime(1_000);
    followers.follow({ followId: 1, after: { api: 0 }, since: new Date().toISOString() });
    print('site', ['4']);
    print('late', ['5']);
    vi.advanceTimersByTime(50);
    expect(toldTo(1)).toEqual(['old', '4', '5']);
    expect(sent.at(-1)?.positions).toEqual({ site: 4, api: 1, late: 1 });
    expect(dropped()).toBe(0);
  });

  test('who ask again go on from where they are', () => {
    print('site', counted(3));
    followers.follow({ followId: 1, after: {} });
    vi.advanceTimersByTime(50);
    followers.follow({ followId: 1, after: {} });
    print('site', ['4']);
    vi.advanceTimersByTime(50);
    expect(toldTo(1)).toEqual(['1', '2', '3', '4']);
  });

  test('who are slow get all of it later, as far as the files keep it', () => {
    reads = false;
    followers.follow({ followId: 1, after: {} });
    print('site', counted(5_000));
    vi.advanceTimersByTime(1_000);
    expect(sent).toEqual([]);
    reads = true;
    vi.advanceTimersByTime(5_000);
    expect(toldTo(1)).toEqual(counted(5_000));
    expect(dropped()).toBe(0);
  });

  test('who are so slow that files are gone are told how many lines those held', () => {
    reads = false;
    followers.follow({ followId: 1, after: {} });
    print('site', counted(10));
    reads = true;
    vi.advanceTimersByTime(50);
    reads = false;
    print('site', counted(5_000, 11), { maxBytes: 20_000, keep: 2 });
    reads = true;
    vi.advanceTimersByTime(5_000);
    expect(dropped()).toBeGreaterThan(3_000);
    const told = toldTo(1).map(Number);
    expect(told.length + dropped()).toBe(5_010);
    expect(told).toEqual([...new Set(told)].toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(5_010);
  });

  test('who want to be up to date get as much as they take, the newest, and a count of the rest', () => {
    followers.follow({ followId: 1, after: {}, linesPerSecond: 100 });
    print('site', counted(1_000));
    vi.advanceTimersByTime(50);
    expect(toldTo(1)).toEqual(counted(100));
    expect(dropped()).toBe(900);
    vi.advanceTimersByTime(1_000);
    print('site', counted(20, 1_001));
    vi.advanceTimersByTime(50);
    expect(toldTo(1).slice(100)).toEqual(counted(20, 1_001));
    expect(dropped()).toBe(900);
  });

  test('get messages below the size of a frame, whatever the lines hold', () => {
    followers.follow({ followId: 1, after: {} });
    print(
      'site',
      counted(200).map(() => '\u001b'.repeat(8_192)),
      { maxBytes: 16 << 20 },
    );
    vi.advanceTimersByTime(20_000);
    expect(toldTo(1)).toHaveLength(200);
    expect(Math.max(...sent.map((message) => Buffer.byteLength(JSON.stringify(message))))).toBeLessThan(200_000);
  });

  test('are not more than a host can bear', () => {
    for (let followId = 0; followId < 32; followId += 1) followers.follow({ followId, after: {} });
    expect(() => followers.follow({ followId: 32, after: {} })).toThrow('follow these logs already');
  });
});
