import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { withProgress } from '../../../src/cli/progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start(): { said: string[]; result: Promise<string>; finish: (value: string) => void; fail: (error: Error) => void } {
  const said: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let asked = 0;
  const result = withProgress(
    { writeErr: (text) => said.push(text) },
    () => `working, ${++asked} asked`,
    () => promise,
  );
  return { said, result, finish: resolve, fail: reject };
}

test('what takes less than a second says nothing', async () => {
  const { said, result, finish } = start();
  vi.advanceTimersByTime(999);
  finish('done');
  expect(await result).toBe('done');
  vi.advanceTimersByTime(60_000);
  expect(said).toEqual([]);
});

test('what takes longer says so ever more rarely, until it ends', async () => {
  const { said, result, fail } = start();
  vi.advanceTimersByTime(8_500);
  expect(said).toEqual([1, 2, 4, 8].map((seconds, index) => `tenantctl: working, ${index + 1} asked (${seconds} s)\n`));
  vi.advanceTimersByTime(90_000);
  expect(said.slice(4)).toEqual(
    ['16 s', '32 s', '1 min', '1 min'].map((time, index) => `tenantctl: working, ${index + 5} asked (${time})\n`),
  );
  fail(new Error('no'));
  await expect(result).rejects.toThrow('no');
  vi.advanceTimersByTime(90_000);
  expect(said.length).toBe(8);
});
