import { describe, expect, test } from 'vitest';
import { type BackoffPolicy, backoffDelayMs } from '../../../src/base/backoff.ts';

const policy: BackoffPolicy = { firstMs: 100, maxMs: 5_000, healthyMs: 60_000 };
const noJitter = () => 0;

describe('backoffDelayMs', () => {
  test('waits for nothing before a failure', () => {
    expect(backoffDelayMs(policy, 0, noJitter)).toBe(0);
    expect(backoffDelayMs(policy, -1, noJitter)).toBe(0);
  });

  test('doubles with each failure, up to the maximum', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => backoffDelayMs(policy, failures, noJitter));
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  test('stays at the maximum after failures without number', () => {
    for (const failures of [31, 32, 1_100, Number.MAX_SAFE_INTEGER]) expect(backoffDelayMs(policy, failures, noJitter)).toBe(5_000);
  });

  test('takes off at most a quarter, so that many do not start at once', () => {
    expect(backoffDelayMs(policy, 1, () => 0.5)).toBe(88);
    expect(backoffDelayMs(policy, 20, () => 1)).toBe(3_750);
    const delays = Array.from({ length: 100 }, () => backoffDelayMs(policy, 20));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(3_750);
    expect(Math.max(...delays)).toBeLessThanOrEqual(5_000);
    expect(new Set(delays).size).toBeGreaterThan(1);
  });
});
