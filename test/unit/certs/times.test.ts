import { describe, expect, test } from 'vitest';
import { expiryStage } from '../../../src/certs/expiry.ts';
import { jitterOf, renewAtMs } from '../../../src/certs/renewal-time.ts';
import { nextRenewal } from '../../../src/certs/renewal-window.ts';
import { retryDelayMs } from '../../../src/certs/retry.ts';

const dayMs = 86_400_000;
const validity = (days: number) => ({ notBeforeMs: 0, notAfterMs: days * dayMs });

describe('renewAtMs', () => {
  test.each([6, 47, 90, 398])('is at two thirds of %d days, a little before at most, and the same each time', (days) => {
    const times = Array.from({ length: 100 }, (_, index) => renewAtMs(validity(days), jitterOf(`${index}.example`)));
    for (const atMs of times) {
      expect(atMs).toBeLessThanOrEqual((days * dayMs * 2) / 3);
      expect(atMs).toBeGreaterThanOrEqual(days * dayMs * (2 / 3 - 1 / 20) - 1);
    }
    expect(new Set(times).size).toBe(100);
    expect(renewAtMs(validity(days), jitterOf('0.example'))).toBe(times[0]);
  });
});

describe('nextRenewal', () => {
  const info = { startMs: 1_000, endMs: 2_000, askAgainMs: 50 };
  const half = () => 0.5;

  test('draws a moment in the window', () => {
    expect(nextRenewal(info, 'a.b', 0, undefined, half)).toEqual({ ariId: 'a.b', ...info, atMs: 1_500 });
    for (let count = 0; count < 50; count += 1) {
      const { atMs } = nextRenewal(info, 'a.b', 0, undefined);
      expect(atMs >= 1_000 && atMs <= 2_000).toBe(true);
    }
  });

  test('keeps the moment while the window stays, and draws again when the CA moves it', () => {
    const before = nextRenewal(info, 'a.b', 0, undefined, half);
    expect(nextRenewal({ ...info, askAgainMs: 99 }, 'a.b', 0, before, () => 0)).toEqual({ ...before, askAgainMs: 99 });
    expect(nextRenewal({ ...info, startMs: 100, endMs: 200 }, 'a.b', 0, before, half).atMs).toBe(150);
    expect(nextRenewal(info, 'other', 0, before, () => 0).atMs).toBe(1_000);
  });

  test('a window that is over means now', () => {
    expect(nextRenewal(info, 'a.b', 5_000, undefined, half).atMs).toBeLessThanOrEqual(5_000);
  });
});

describe('expiryStage', () => {
  test.each([
    [90, 60, 'fine'],
    [90, 77, 'soon'],
    [90, 88, 'very-soon'],
    [90, 90, 'expired'],
    [6, 4.1, 'fine'],
    [6, 4.8, 'soon'],
    [6, 5.4, 'very-soon'],
    [6, 7, 'expired'],
    [47, 36, 'fine'],
    [47, 37, 'soon'],
    [47, 44.5, 'very-soon'],
  ])('of %d days, on day %d: %s', (days, day, stage) => {
    expect(expiryStage(validity(days), day * dayMs)).toBe(stage);
  });
});

describe('retryDelayMs', () => {
  const none = () => 0;

  test('grows to a day and stays there', () => {
    const delays = [1, 2, 3, 8, 20, 1_000].map((failures) => retryDelayMs('order', failures, undefined, none));
    expect(delays).toEqual([900_000, 1_800_000, 3_600_000, dayMs, dayMs, dayMs]);
    expect(retryDelayMs('dns', 1, undefined, none)).toBe(60_000);
  });

  test('a certificate of six days is not waited for a day', () => {
    expect(retryDelayMs('order', 20, 6 * dayMs, none)).toBe((6 * dayMs) / 30);
    expect(retryDelayMs('order', 20, 90 * dayMs, none)).toBe(dayMs);
  });
});
