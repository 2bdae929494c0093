import { describe, expect, test } from 'vitest';
import { createRate } from '../../../src/daemon/rate.ts';

describe('a rate', () => {
  function setUp(options: { burst: number; perSecond: number }) {
    const clock = { nowMs: 1_000_000 };
    const rate = createRate({ ...options, nowMs: () => clock.nowMs });
    const takeAll = (most = 1_000): number => {
      let taken = 0;
      while (taken < most && rate.take()) taken += 1;
      return taken;
    };
    return { clock, rate, takeAll };
  }

  test('gives its burst at once and not one more', () => {
    expect(setUp({ burst: 5, perSecond: 1 }).takeAll()).toBe(5);
  });

  test('gives as much a second as it says, then', () => {
    const { clock, takeAll } = setUp({ burst: 5, perSecond: 2 });
    takeAll();
    const each = Array.from({ length: 6 }, () => {
      clock.nowMs += 500;
      return takeAll();
    });
    expect(each).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('adds up parts of a token, also when it is asked in vain between', () => {
    const { clock, rate } = setUp({ burst: 1, perSecond: 1 });
    rate.take();
    const answers = Array.from({ length: 10 }, () => {
      clock.nowMs += 250;
      return rate.take();
    });
    expect(answers).toEqual([false, false, false, true, false, false, false, true, false, false]);
  });

  test('saves no more than its burst, however long nobody asks', () => {
    const { clock, takeAll } = setUp({ burst: 5, perSecond: 100 });
    clock.nowMs += 86_400_000;
    expect(takeAll()).toBe(5);
  });
});
