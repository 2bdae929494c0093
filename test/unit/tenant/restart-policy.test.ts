import { describe, expect, test } from 'vitest';
import { afterFailure, type Attempts, noAttempts } from '../../../src/tenant/restart-policy.ts';

const startMs = 1_000_000;
const noJitter = (): number => 0;
const alone = { wasHealthy: false, othersServe: false };

/** The pauses after each failure of an app that fails as soon as it is tried. */
function pausesOf(failures: number, kind = alone, random = noJitter): number[] {
  let attempts: Attempts = noAttempts;
  let nowMs = startMs;
  return Array.from({ length: failures }, () => {
    attempts = afterFailure(attempts, { ...kind, nowMs }, random);
    const pauseMs = attempts.nextTryAtMs - nowMs;
    nowMs = attempts.nextTryAtMs;
    return pauseMs;
  });
}

function failedTimes(failures: number): Attempts {
  return Array.from({ length: failures }).reduce(
    (attempts: Attempts) => afterFailure(attempts, { ...alone, nowMs: startMs }, noJitter),
    noAttempts,
  );
}

const minuteMs = 60_000;

describe('an app that fails again and again', () => {
  test('is tried at once, soon, and then in quarantines that double up to an hour', () => {
    const quarantines = [1, 2, 4, 8, 16, 32, 60, 60, 60].map((minutes) => minutes * minuteMs);
    expect(pausesOf(13)).toEqual([0, 500, 1_000, 2_000, ...quarantines]);
  });

  test('is not quarantined while others serve: its pauses double up to a minute', () => {
    const pauses = pausesOf(11, { ...alone, othersServe: true });
    expect(pauses).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, minuteMs, minuteMs, minuteMs]);
    expect(afterFailure(failedTimes(7), { ...alone, othersServe: true, nowMs: startMs }, noJitter).isQuarantined).toBe(false);
  });

  test('has up to a quarter taken off its pauses by chance', () => {
    const least = pausesOf(13, alone, () => 1);
    expect(least).toEqual(pausesOf(13).map((pauseMs) => pauseMs * 0.75));
  });

  test('is quarantined by the fifth failure, not by the fourth', () => {
    expect(failedTimes(4)).toMatchObject({ failures: 4, quarantines: 0, isQuarantined: false });
    expect(failedTimes(5)).toEqual({
      ...{ failures: 5, quarantines: 1, isQuarantined: true },
      ...{ failedAtMs: startMs, nextTryAtMs: startMs + minuteMs },
    });
  });
});

describe('a healthy time', () => {
  test('makes the next failure the first one', () => {
    const healthy = afterFailure(failedTimes(9), { ...alone, wasHealthy: true, nowMs: startMs }, noJitter);
    expect(healthy).toEqual({ ...noAttempts, failures: 1, failedAtMs: startMs, nextTryAtMs: startMs });
  });
});
