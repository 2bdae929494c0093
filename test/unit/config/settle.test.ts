import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createSettler } from '../../../src/config/settle.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function record(): { told: string[]; settler: ReturnType<typeof createSettler<string>> } {
  const told: string[] = [];
  return { told, settler: createSettler<string>({ quietMs: 60, maxMs: 500, onSettled: (key) => told.push(key) }) };
}

describe('many touches', () => {
  test('become one call, after the last of them', () => {
    const { told, settler } = record();
    settler.touch('a');
    vi.advanceTimersByTime(59);
    settler.touch('a');
    vi.advanceTimersByTime(59);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual(['a']);
  });

  test('that never end are told all the same', () => {
    const { told, settler } = record();
    for (let ms = 0; ms < 500; ms += 10) {
      settler.touch('a');
      vi.advanceTimersByTime(10);
    }
    expect(told).toEqual(['a']);
  });

  test('of one key do not hold up another', () => {
    const { told, settler } = record();
    settler.touch('a');
    vi.advanceTimersByTime(40);
    settler.touch('b');
    vi.advanceTimersByTime(20);
    expect(told).toEqual(['a']);
  });

  test('are not told after a stop', () => {
    const { told, settler } = record();
    settler.touch('a');
    settler.stop();
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([]);
  });
});
