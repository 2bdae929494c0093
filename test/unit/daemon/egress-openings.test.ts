import { describe, expect, test } from 'vitest';
import { EgressOpenings } from '../../../src/daemon/egress-openings.ts';
import { createEgressQueue } from '../../../src/daemon/egress-queue.ts';
import { createTurns } from '../../../src/daemon/in-turn.ts';

const at = (address: string, port = 443) => ({ address, port, seconds: 60 });

describe('addresses that were opened for names', () => {
  test('are kept while one of their names may have them, at that port', () => {
    const openings = new EgressOpenings();
    openings.note('a.example', at('203.0.113.1'), 0);
    openings.note('b.example', at('203.0.113.1'), 0);
    openings.note('a.example', at('203.0.113.2'), 0);
    openings.note('b.example', at('203.0.113.3', 80), 0);
    expect(openings.keepOnly((name, port) => name === 'b.example' && port === 443, 0)).toEqual([at('203.0.113.1')]);
    expect(openings.keepOnly((name) => name === 'a.example', 0)).toEqual([]);
  });

  test('have as much time left as they were opened for last', () => {
    const openings = new EgressOpenings();
    openings.note('a.example', at('203.0.113.1'), 0);
    openings.note('a.example', at('203.0.113.1'), 30_000);
    openings.note('a.example', at('203.0.113.2'), 0);
    const left = openings.keepOnly(() => true, 70_000);
    expect(left.map(({ address, seconds }) => [address, seconds])).toEqual([
      ['203.0.113.1', 20],
      ['203.0.113.2', 0],
    ]);
  });

  test('are forgotten, the oldest first, when there are too many', () => {
    const openings = new EgressOpenings();
    for (let port = 1; port <= 16_385; port++) openings.note('a.example', at('203.0.113.1', port), 0);
    const ports = openings.keepOnly(() => true, 0).map(({ port }) => port);
    expect([ports.length, ports[0]]).toEqual([16_384, 2]);
  });
});

describe('openings that are asked for at the same time', () => {
  function record(fails: (tenants: string[]) => boolean) {
    const opened: string[][] = [];
    const queue = createEgressQueue<string>(async (tenants) => {
      opened.push([...tenants]);
      if (fails([...tenants])) throw new Error('full');
    }, createTurns());
    return { opened, add: queue.add };
  }

  test('go together', async () => {
    const { opened, add } = record(() => false);
    await Promise.all(['a', 'b', 'c'].map(add));
    await add('d');
    expect(opened).toEqual([['a', 'b', 'c'], ['d']]);
  });

  test('go one by one when they fail together: the fault of one is no other’s', async () => {
    const { opened, add } = record((tenants) => tenants.includes('b'));
    const results = await Promise.allSettled(['a', 'b', 'c'].map(add));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(opened).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']]);
  });
});
