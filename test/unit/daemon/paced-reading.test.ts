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
