import { describe, expect, test } from 'vitest';
import { LimitCounts } from '../../../src/edge/limit-counts.ts';

describe('limits that were hit', () => {
  test('are told once, summed up by tenant, app and limit', () => {
    const counts = new LimitCounts();
    for (const app of ['site', 'site', 'shop']) counts.note('acme', app, 'bodySize');
    counts.note('globex', 'site', 'bodySize');
    expect(counts.take().map(({ tenant, app, limit, count }) => [tenant, app, limit, count])).toEqual([
      ['acme', 'site', 'bodySize', 2],
      ['acme', 'shop', 'bodySize', 1],
      ['globex', 'site', 'bodySize', 1],
    ]);
    expect(counts.take()).toEqual([]);
  });

  test('of several edges keep the first and the last time', () => {
    const counts = new LimitCounts();
    const hit = { tenant: 'acme', app: 'site', limit: 'uriSize', count: 2 } as const;
    counts.add([{ ...hit, firstAtMs: 5, lastAtMs: 6 }]);
    counts.add([{ ...hit, firstAtMs: 3, lastAtMs: 4 }]);
    expect(counts.take()).toEqual([{ ...hit, count: 4, firstAtMs: 3, lastAtMs: 6 }]);
  });

  test('are kept up to a number while nobody hears of them, and told piece by piece', () => {
    const counts = new LimitCounts();
    for (let tenant = 0; tenant < 60_000; tenant++) counts.note(`t${tenant}`, '', 'requestsPerSecond');
    const told = [counts.take().length, counts.take().length];
    expect(told).toEqual([2_000, 2_000]);
    let rest = 0;
    for (let taken = counts.take(); taken.length > 0; taken = counts.take()) rest += taken.length;
    expect(rest).toBe(46_000);
  });
});
