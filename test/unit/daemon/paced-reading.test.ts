import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPace, paceReading } from '../../../src/daemon/paced-reading.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function openStream() {
  const stream = new PassThrough({ highWaterMark: 1 << 20 });
  const read: number[] = [];
  paceReading(stream, createPace({ burstBytes: 1_000, bytesPerSecond: 100, nowMs: Date.now }));
  stream.on('data', (chunk: Buffer) => read.push(chunk.length));
  return { stream, read };
}

/** What the stream does by itself is done. */
const settled = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => {});

test('what comes within the burst is read at once', async () => {
  const { stream, read } = openStream();
  for (let time = 0; time < 10; time++) stream.write(Buffer.alloc(100));
  await settled();
  expect(read.length).toBe(10);
  expect(stream.isPaused()).toBe(false);
});

test('what comes faster waits until its time has come', async () => {
  const { stream, read } = openStream();
  stream.write(Buffer.alloc(1_500));
  await settled();
  stream.write(Buffer.alloc(10));
  await settled();
  expect([read, stream.isPaused()]).toEqual([[1_500], true]);
  await vi.advanceTimersByTimeAsync(4_900);
  expect(read).toEqual([1_500]);
  await vi.advanceTimersByTimeAsync(200);
  expect(read).toEqual([1_500, 10]);
});

test('a stream that is closed while it waits leaves no timer behind', async () => {
  const { stream } = openStream();
  stream.write(Buffer.alloc(1_500));
  await settled();
  const closed = once(stream, 'close');
  stream.destroy();
  await settled();
  await closed;
  expect(vi.getTimerCount()).toBe(0);
});

test('streams of one pace wait for each other, and one that left it waits no more', async () => {
  const pace = createPace({ burstBytes: 1_000, bytesPerSecond: 100, nowMs: Date.now });
  const [first, second] = [new PassThrough(), new PassThrough()];
  const leave = paceReading(first, pace);
  paceReading(second, pace);
  first.write(Buffer.alloc(1_000));
  await settled();
  expect([first.isPaused(), second.isPaused()]).toEqual([false, false]);
  second.write(Buffer.alloc(100));
  await settled();
  expect(second.isPaused()).toBe(true);
  leave();
  first.write(Buffer.alloc(10_000));
  await settled();
  expect(first.isPaused()).toBe(false);
});
