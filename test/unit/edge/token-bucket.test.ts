import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../../src/edge/token-bucket.ts';

/** How many of so many tries in a row are allowed. */
function allowed(bucket: TokenBucket, nowMs: number, tries = 1_000): number {
  return Array.from({ length: tries }, () => bucket.take(nowMs)).filter((waitSeconds) => waitSeconds === 0).length;
}

test.each([
  [100, 200],
  [50, 100],
  [3, 10],
  [0.25, 10],
])('at %d a second, %d may come at once', (perSecond, burst) => {
  expect(allowed(new TokenBucket(perSecond, 0), 0)).toBe(burst);
});

test('after a burst as many may come as the rate says', () => {
  const bucket = new TokenBucket(50, 0);
  allowed(bucket, 0);
  const inTenSeconds = Array.from({ length: 100 }, (_, tick) => allowed(bucket, (tick + 1) * 100));
  expect(inTenSeconds).toEqual(Array.from({ length: 100 }, () => 5));
});

test('a long pause brings one burst, not several', () => {
  const bucket = new TokenBucket(50, 0);
  allowed(bucket, 0);
  expect(allowed(bucket, 3_600_000)).toBe(100);
});

test('what is refused costs nothing', () => {
  const bucket = new TokenBucket(50, 0);
  allowed(bucket, 0, 100_000);
  expect(allowed(bucket, 1_000)).toBe(50);
});

test.each([
  [50, 1],
  [1, 1],
  [0.25, 4],
  [0.003, 334],
])('at %d a second, who is refused may come again in %d s', (perSecond, seconds) => {
  const bucket = new TokenBucket(perSecond, 0);
  allowed(bucket, 0);
  expect(bucket.take(0)).toBe(seconds);
  expect(bucket.take(seconds * 1_000)).toBe(0);
});

test('a rate of 0 is no limit', () => {
  expect(allowed(new TokenBucket(0, 0), 0, 100_000)).toBe(100_000);
});

test('a clock that goes back adds nothing, and goes on counting from there', () => {
  const bucket = new TokenBucket(50, 10_000);
  allowed(bucket, 10_000);
  expect(allowed(bucket, 0)).toBe(0);
  expect(allowed(bucket, 1_000)).toBe(50);
});

describe('a new rate', () => {
  test('leaves a bucket as full as it was', () => {
    const bucket = new TokenBucket(50, 0);
    allowed(bucket, 0, 50);
    bucket.setRate(500, 0);
    expect(allowed(bucket, 0)).toBe(500);
  });

  test('is no way to another burst', () => {
    const bucket = new TokenBucket(50, 0);
    allowed(bucket, 0);
    for (let change = 0; change < 100; change++) bucket.setRate(change % 2 === 0 ? 1_000 : 50, 0);
    expect(allowed(bucket, 0)).toBe(0);
  });

  test('counts from now on, not for the time before', () => {
    const bucket = new TokenBucket(10, 0);
    allowed(bucket, 0);
    bucket.setRate(100, 1_000);
    expect(allowed(bucket, 1_000)).toBe(100);
    expect(allowed(bucket, 2_000)).toBe(100);
  });

  test('may begin and end a time without limit', () => {
    const bucket = new TokenBucket(0, 0);
    bucket.setRate(50, 0);
    expect(allowed(bucket, 0)).toBe(100);
    bucket.setRate(0, 0);
    expect(allowed(bucket, 0)).toBe(1_000);
  });
});
