import { describe, expect, test } from 'vitest';
import { nearest } from '../../../src/config/nearest.ts';

describe('the key that was meant', () => {
  const keys = ['domains', 'plan', 'limits', 'tls', 'idle'];

  test.each([
    ['domain', 'domains'],
    ['domians', 'domains'],
    ['Limits', 'limits'],
    ['tsl', 'tls'],
    ['plans', 'plan'],
  ])('%s is %s', (word, meant) => {
    expect(nearest(word, keys)).toBe(meant);
  });

  test.each(['environment', 'x', '', 'd'.repeat(10_000)])('%s is like none', (word) => {
    expect(nearest(word, keys)).toBeUndefined();
  });
});
