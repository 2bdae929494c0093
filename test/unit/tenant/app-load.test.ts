import { describe, expect, test } from 'vitest';
import type { WorkerId } from '../../../src/base/ids.ts';
import { createAppLoad } from '../../../src/tenant/app-load.ts';

const [a, b, c] = ['a', 'b', 'c'] as unknown as [WorkerId, WorkerId, WorkerId];

function begin() {
  const clock = { nowMs: 1_000_000 };
  return { clock, load: createAppLoad(() => clock.nowMs) };
}

describe('the load of an app', () => {
  test('is nothing before anything was told', () => {
    expect(begin().load.sample([a])).toEqual({ open: 0, waiting: 0 });
  });

  test('is what the edge told last, for three seconds', () => {
    const { clock, load } = begin();
    load.hearEdge({ open: 7, waiting: 2 });
    clock.nowMs += 3_000;
    expect(load.sample([])).toEqual({ open: 7, waiting: 2 });
    clock.nowMs += 1;
    expect(load.sample([])).toEqual({ open: 0, waiting: 0 });
  });

  test('is the mean of the loops that are ready and told of themselves', () => {
    const { load } = begin();
    load.hearWorker(a, { busy: 0.2, lateMs: 10 });
    load.hearWorker(b, { busy: 0.6, lateMs: 30 });
    load.hearWorker(c, { busy: 1, lateMs: 900 });
    expect(load.sample([a, b, 'new' as WorkerId]).loop).toEqual({ busy: 0.4, lateMs: 20 });
    load.forget(b);
    expect(load.sample([a, b]).loop).toEqual({ busy: 0.2, lateMs: 10 });
  });

  test('of a loop that has fallen silent is full', () => {
    const { clock, load } = begin();
    load.hearWorker(a, { busy: 0.2, lateMs: 10 });
    clock.nowMs += 2_500;
    expect(load.sample([a]).loop).toEqual({ busy: 0.2, lateMs: 10 });
    clock.nowMs += 1;
    expect(load.sample([a]).loop).toEqual({ busy: 1, lateMs: 2_501 });
  });
});
