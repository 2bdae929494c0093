import { describe, expect, test } from 'vitest';
import { UsageCounters, UsageTally } from '../../../src/edge/usage-tally.ts';

describe('a tally', () => {
  test('tells what was counted since it was asked last, and of nobody else', () => {
    const tally = new UsageTally();
    const site = new UsageCounters(tally, 'acme', 'site');
    const idle = new UsageCounters(tally, 'acme', 'idle');
    for (const status of [200, 204, 404, 101, 503, 0, 999]) site.countRequest(status);
    site.countIn(10);
    site.countOut(7);
    expect(tally.take(10)).toEqual([{ tenant: 'acme', app: 'site', requests: [1, 1, 2, 0, 1, 2], bytesIn: 10, bytesOut: 7 }]);
    expect(tally.take(10)).toEqual([]);
    idle.countOut(1);
    expect(tally.take(10)).toEqual([{ tenant: 'acme', app: 'idle', requests: [0, 0, 0, 0, 0, 0], bytesIn: 0, bytesOut: 1 }]);
  });

  test('tells at another time what is too much for one, and pushes nobody out', () => {
    const tally = new UsageTally();
    const counters = ['one', 'two', 'three'].map((app) => new UsageCounters(tally, 'acme', app));
    for (const counter of counters) counter.countOut(1);
    expect(tally.take(2).map(({ app }) => app)).toEqual(['one', 'two']);
    counters[0]?.countOut(5);
    expect(tally.take(2).map(({ app }) => app)).toEqual(['three', 'one']);
  });

  test('keeps requests to itself of which nobody knows whose they are', () => {
    const tally = new UsageTally();
    tally.nobody.countRequest(421);
    expect(tally.take(10)).toEqual([]);
  });
});
