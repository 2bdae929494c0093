import { expect, test } from 'vitest';
import { GenerationCache } from '../../../src/edge/generation-cache.ts';

const owner = {};

test('what was set is found, for its owner and key', () => {
  const cache = new GenerationCache<object, string>(10, 1_000);
  cache.set(owner, 'key', 'value', 0);
  expect(cache.find(owner, 'key', 0)).toBe('value');
  expect(cache.find(owner, 'other', 0)).toBeUndefined();
  expect(cache.find({}, 'key', 0)).toBeUndefined();
});

test('a value is replaced by the next with its key', () => {
  const cache = new GenerationCache<object, string>(10, 1_000);
  cache.set(owner, 'key', 'first', 0);
  cache.set(owner, 'key', 'second', 0);
  expect([cache.find(owner, 'key', 0), cache.size]).toEqual(['second', 1]);
});

test('a flood of keys stays within the limit, and takes nothing that is in use', () => {
  const cache = new GenerationCache<object, string>(100, 1_000);
  const flooder = {};
  cache.set(owner, 'used', 'value', 0);
  for (let index = 0; index < 10_000; index++) {
    cache.set(index % 2 === 0 ? owner : flooder, `${index}`, 'value', 0);
    expect(cache.size).toBeLessThanOrEqual(100);
    // Once in forty, with fifty to a generation.
    expect(index % 40 === 0 ? cache.find(owner, 'used', 0) : 'value').toBe('value');
  }
  expect(cache.find(owner, '0', 0)).toBeUndefined();
});

test('what nobody uses goes with time', () => {
  const cache = new GenerationCache<object, string>(100, 1_000);
  cache.set(owner, 'unused', 'value', 0);
  for (const nowMs of [1_000, 2_000]) cache.set(owner, 'key', 'value', nowMs);
  expect([cache.find(owner, 'unused', 2_000), cache.size]).toEqual([undefined, 2]);
});
