import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFollowers, type LogLinesMessage } from '../../../src/tenant/followers.ts';

const line = (app: string, text: string): { time: string; app: string; worker: string; line: string } => ({
  time: '2026-01-01T00:00:00.000Z',
  app,
  worker: `${app}.a`,
  line: text,
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('those who follow logs', () => {
  test('get the lines of the app they asked for, or of all, soon and together', () => {
    const sent: LogLinesMessage[] = [];
    const followers = createFollowers({ send: (message) => sent.push(message), maySend: () => true });
    followers.follow(1, 'site');
    followers.follow(2, undefined);
    followers.offer(line('site', 'a'));
    followers.offer(line('api', 'b'));
    vi.advanceTimersByTime(50);
    expect(sent.map(({ followId, lines }) => [followId, lines.map((one) => one.line)])).toEqual([
      [1, ['a']],
      [2, ['a', 'b']],
    ]);
    followers.unfollow(2);
    followers.offer(line('api', 'c'));
    vi.advanceTimersByTime(50);
    expect(sent).toHaveLength(2);
  });

  test('who are slow lose lines, and are told how many', () => {
    const sent: LogLinesMessage[] = [];
    let reads = false;
    const followers = createFollowers({ send: (message) => sent.push(message), maySend: () => reads });
    followers.follow(1, undefined);
    for (let count = 0; count < 5_000; count += 1) followers.offer(line('site', 'x'));
    vi.advanceTimersByTime(1_000);
    expect(sent).toEqual([]);
    reads = true;
    vi.advanceTimersByTime(50);
    expect(sent).toEqual([expect.objectContaining({ followId: 1, dropped: 4_000 })]);
    expect(sent[0]?.lines).toHaveLength(1_000);
  });

  test('get messages below the size of a frame, whatever the lines hold', () => {
    const sent: LogLinesMessage[] = [];
    const followers = createFollowers({ send: (message) => sent.push(message), maySend: () => true });
    followers.follow(1, undefined);
    for (let count = 0; count < 1_000; count += 1) followers.offer(line('site', '\u001b'.repeat(8_192)));
    vi.advanceTimersByTime(50);
    expect(Buffer.byteLength(JSON.stringify(sent[0]))).toBeLessThan(1 << 20);
    expect((sent[0]?.lines.length ?? 0) + (sent[0]?.dropped ?? 0)).toBe(1_000);
  });

  test('are not more than a host can bear', () => {
    const followers = createFollowers({ send: () => undefined, maySend: () => true });
    for (let id = 0; id < 32; id += 1) followers.follow(id, undefined);
    expect(() => followers.follow(32, undefined)).toThrow('follow these logs already');
  });
});
