import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { type Advancing, createReconciler, type Reconciler } from '../../../src/daemon/reconciler.ts';
import { createRecordingLog, type LogEntry } from './recording-log.ts';

const names = (count: number): TenantName[] => Array.from({ length: count }, (_, index) => `t${index}` as TenantName);
const [acme, globex, initech] = ['acme', 'globex', 'initech'] as [TenantName, TenantName, TenantName];

describe('one tenant', () => {
  test('is advanced until there is no step left', async () => {
    const { reconciler, history } = setUp({ acme: stepsThenRest(3) });
    reconciler.request(acme);
    await reconciler.idle();
    expect(history).toEqual(['acme', 'acme', 'acme', 'acme']);
  });

  test('is advanced by one loop at a time, however often that is asked for', async () => {
    const { reconciler, mostAtOnce, history } = setUp({ acme: stepsThenRest(20) });
    for (let requests = 0; requests < 50; requests++) {
      reconciler.request(acme);
      await nextTurn();
    }
    await reconciler.idle();
    expect(history.length).toBeGreaterThan(20);
    expect(mostAtOnce()).toBe(1);
  });

  test('is looked at once for many requests at once', async () => {
    const { reconciler, history } = setUp({ acme: stepsThenRest(0) });
    for (let requests = 0; requests < 50; requests++) reconciler.request(acme);
    await reconciler.idle();
    expect(history).toEqual(['acme']);
  });

  test('is looked at once more when a request comes while its last look is on', async () => {
    const gate = createGate();
    const { reconciler, history } = setUp({ acme: () => gate.pass(false) });
    reconciler.request(acme);
    await gate.reached(1);
    reconciler.request(acme);
    reconciler.request(acme);
    gate.open();
    await reconciler.idle();
    expect(history).toEqual(['acme', 'acme']);
  });

  test('that is gone meanwhile is no trouble', async () => {
    const { reconciler, history, entries } = setUp({});
    reconciler.request(acme);
    await reconciler.idle();
    expect([history, entries]).toEqual([[], []]);
  });
});

describe('many tenants', () => {
  test.each([1, 2, 4])('are advanced at most %i at once, and all of them', async (concurrency) => {
    const all = names(20);
    const { reconciler, history, mostAtOnce } = setUp(Object.fromEntries(all.map((name) => [name, stepsThenRest(3)])), concurrency);
    for (const name of all) reconciler.request(name);
    await reconciler.idle();
    expect(mostAtOnce()).toBe(concurrency);
    expect(all.map((name) => history.filter((advanced) => advanced === name).length)).toEqual(all.map(() => 4));
  });

  test('get their turn in the order in which they asked', async () => {
    const all = names(10);
    const { reconciler, history } = setUp(Object.fromEntries(all.map((name) => [name, stepsThenRest(1)])), 1);
    for (const name of all.toReversed()) reconciler.request(name);
    await reconciler.idle();
    expect(history.filter((name, at) => name !== history[at - 1])).toEqual(all.toReversed());
  });

  test('get their turn beside one that asks again and again', async () => {
    const asked: number[] = [];
    const busy = (): boolean => {
      if (asked.push(1) < 1_000) reconciler.request(acme);
      return false;
    };
    const { reconciler, history } = setUp({ acme: busy, globex: stepsThenRest(1), initech: stepsThenRest(1) }, 1);
    for (const name of [acme, globex, initech]) reconciler.request(name);
    await reconciler.idle();
    expect(history.slice(0, 6)).toEqual(['acme', 'globex', 'globex', 'initech', 'initech', 'acme']);
    expect(history).toHaveLength(1_004);
  });

  test('get the turn of one whose step only waits, for as long as it does', async () => {
    const gate = createGate();
    const opens = (): boolean => {
      gate.open();
      return false;
    };
    const { reconciler, history } = setUp({ acme: () => reconciler.outOfTurn(acme, gate.pass(false)), globex: opens }, 1);
    for (const name of [acme, globex]) reconciler.request(name);
    await reconciler.idle();
    expect(history).toEqual(['acme', 'globex']);
  });

  test('have no more turns than before once that has waited', async () => {
    const steps = [() => reconciler.outOfTurn(acme, Promise.resolve(true)), () => false];
    const { reconciler, mostAtOnce } = setUp(
      { acme: () => steps.shift()?.() ?? false, globex: stepsThenRest(3), initech: stepsThenRest(3) },
      1,
    );
    for (const name of [acme, globex, initech]) reconciler.request(name);
    await reconciler.idle();
    expect(mostAtOnce()).toBe(1);
  });

  test('go on when the steps of one never end, which is logged', async () => {
    const { reconciler, history, entries } = setUp({ acme: () => true, globex: stepsThenRest(1) }, 1);
    reconciler.request(acme);
    reconciler.request(globex);
    await reconciler.idle();
    expect(history.filter((name) => name === acme)).toHaveLength(100);
    expect(history.slice(-2)).toEqual(['globex', 'globex']);
    expect(entries).toEqual([failureOf(acme, '100 steps in a row')]);
  });

  test('go on when a step of one throws, which is logged, and that one may try again', async () => {
    const fails: Step[] = [rejects('the disk is full'), throwsAtOnce('at once'), () => false];
    const { reconciler, history, entries } = setUp({ acme: () => fails.shift()?.() ?? false, globex: stepsThenRest(1) }, 1);
    for (const name of [acme, globex]) reconciler.request(name);
    await reconciler.idle();
    reconciler.request(acme);
    await reconciler.idle();
    reconciler.request(acme);
    await reconciler.idle();
    expect(history).toEqual(['acme', 'globex', 'globex', 'acme', 'acme']);
    expect(entries).toEqual([failureOf(acme, 'the disk is full'), failureOf(acme, 'at once')]);
  });
});

describe('idle', () => {
  test('resolves when nothing was ever asked', async () => {
    const { reconciler } = setUp({});
    await expect(reconciler.idle()).resolves.toBeUndefined();
  });

  test('resolves for all who wait, and not before the last step ended', async () => {
    const gate = createGate();
    const events: string[] = [];
    const { reconciler } = setUp({ acme: () => gate.pass(false), globex: stepsThenRest(1) });
    for (const name of [acme, globex]) reconciler.request(name);
    const waits = ['first', 'second'].map((name) => reconciler.idle().then(() => events.push(name)));
    await gate.reached(1);
    for (let turns = 0; turns < 20; turns++) await nextTurn();
    events.push('still running');
    gate.open();
    await Promise.all(waits);
    expect(events).toEqual(['still running', 'first', 'second']);
  });
});

describe('stop', () => {
  test('lets the running step end, takes no further one, and starts nobody who waits', async () => {
    const gate = createGate();
    const { reconciler, history } = setUp({ acme: () => gate.pass(true), globex: stepsThenRest(1) }, 1);
    for (const name of [acme, globex]) reconciler.request(name);
    await gate.reached(1);
    reconciler.stop();
    gate.open();
    await reconciler.idle();
    expect(history).toEqual(['acme']);
  });

  test('is followed by rest, whatever is asked for later', async () => {
    const { reconciler, history } = setUp({ acme: stepsThenRest(1) });
    reconciler.stop();
    reconciler.request(acme);
    await reconciler.idle();
    expect(history).toEqual([]);
  });
});

type Step = () => boolean | Promise<boolean>;

interface Setup {
  reconciler: Reconciler;
  /** Whose `advance` was called, in order. */
  history: string[];
  mostAtOnce: () => number;
  entries: LogEntry[];
}

function setUp(steps: Record<string, Step>, concurrency = 4): Setup {
  const { log, entries } = createRecordingLog();
  const history: string[] = [];
  const counts = { now: 0, most: 0 };
  const tenants = new Map(Object.entries(steps).map(([name, step]) => [name, { advance: () => advance(name, step) } satisfies Advancing]));

  async function advance(name: string, step: Step): Promise<boolean> {
    history.push(name);
    counts.most = Math.max(counts.most, ++counts.now);
    try {
      await nextTurn();
      return await step();
    } finally {
      counts.now -= 1;
    }
  }

  const reconciler = createReconciler({ find: (name) => tenants.get(name), concurrency, log });
  return { reconciler, history, mostAtOnce: () => counts.most, entries };
}

function stepsThenRest(steps: number): Step {
  const left = { steps };
  return () => left.steps-- > 0;
}

function rejects(message: string): Step {
  return () => Promise.reject(new Error(message));
}

function throwsAtOnce(message: string): Step {
  return () => {
    throw new Error(message);
  };
}

function failureOf(tenant: TenantName, error: string): LogEntry {
  return { level: 'error', fields: { tenant, error }, message: 'a tenant could not be moved on' };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Holds steps until it is opened. */
function createGate() {
  const opened = Promise.withResolvers<void>();
  const arrivals: (() => void)[] = [];
  const counts = { arrived: 0 };
  return {
    open: () => opened.resolve(),
    async pass<Result>(result: Result): Promise<Result> {
      counts.arrived += 1;
      for (const arrive of arrivals.splice(0)) arrive();
      await opened.promise;
      return result;
    },
    async reached(count: number): Promise<void> {
      while (counts.arrived < count) await new Promise<void>((resolve) => arrivals.push(resolve));
    },
  };
}
