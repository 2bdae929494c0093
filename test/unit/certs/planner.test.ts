import { describe, expect, test } from 'vitest';
import { type Candidate, chooseNext, type PlanInput } from '../../../src/certs/planner.ts';

const nowMs = 1_000_000;
const candidate = (name: string, changes: Partial<Candidate> = {}): Candidate => ({
  ...{ name, tenant: 'acme', dueMs: 0, isHinted: false, notAfterMs: undefined, failures: 0 },
  ...changes,
});
const plan = (candidates: Candidate[], changes: Partial<PlanInput> = {}) =>
  chooseNext({
    ...{ nowMs, candidates, concurrentNames: 8, running: new Map(), lastStart: new Map() },
    roomFor: () => ({ atMs: nowMs, scope: undefined }),
    ...changes,
  });

/** Starts as the engine does, until nothing starts any more; each start ends after all others that run. */
function startOrder(candidates: Candidate[], rounds: number, concurrentNames: number): Candidate[] {
  const waiting = [...candidates];
  const running: Candidate[] = [];
  const lastStart = new Map<string, number>();
  const started: Candidate[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const counts = new Map([...Map.groupBy(running, ({ tenant }) => tenant)].map(([tenant, list]) => [tenant, list.length]));
    const { start } = plan(waiting, { concurrentNames, running: counts, lastStart });
    if (!start) {
      running.shift();
      continue;
    }
    waiting.splice(waiting.indexOf(start), 1);
    running.push(start);
    started.push(start);
    lastStart.set(start.tenant, started.length);
  }
  return started;
}

describe('chooseNext', () => {
  test('starts nothing before its time, and looks again then', () => {
    expect(plan([candidate('a', { dueMs: nowMs + 500 }), candidate('b', { dueMs: nowMs + 200 })])).toEqual({
      start: undefined,
      nextMs: nowMs + 200,
    });
    expect(plan([])).toEqual({ start: undefined, nextMs: Infinity });
  });

  test('within a tenant: what was asked for, then what expires first, then what failed least, then what is due longest', () => {
    const inOrder = [
      candidate('hinted', { isHinted: true, failures: 3 }),
      candidate('expires', { notAfterMs: nowMs + 10, failures: 5 }),
      candidate('expires-later', { notAfterMs: nowMs + 20 }),
      candidate('longest', { dueMs: 1 }),
      candidate('new', { dueMs: 2 }),
      candidate('failed', { failures: 1, dueMs: 0 }),
    ];
    const names: string[] = [];
    for (const rest = inOrder.toReversed(); rest.length > 0;) {
      const { start } = plan(rest);
      names.push(start?.name ?? '');
      rest.splice(
        rest.findIndex(({ name }) => name === start?.name),
        1,
      );
    }
    expect(names).toEqual(inOrder.map(({ name }) => name));
  });

  test('one tenant with 500 dead names delays another by one start, not by 500', () => {
    const dead = Array.from({ length: 500 }, (_, index) => candidate(`dead-${index}`, { tenant: 'acme' }));
    const alive = [candidate('shop', { tenant: 'globex' }), candidate('blog', { tenant: 'initech' })];
    const started = startOrder([...dead, ...alive], 20, 4).map(({ name }) => name);
    expect(started.indexOf('shop')).toBeLessThan(3);
    expect(started.indexOf('blog')).toBeLessThan(3);
  });

  test('a tenant gets at most half of what may run, also when it is alone', () => {
    const running = new Map([['acme', 4]]);
    expect(plan([candidate('a')], { running }).start).toBeUndefined();
    expect(plan([candidate('a'), candidate('b', { tenant: 'globex' })], { running }).start?.name).toBe('b');
    expect(plan([candidate('a')], { concurrentNames: 1 }).start?.name).toBe('a');
  });

  test('no more run than may', () => {
    const running = new Map([
      ['globex', 4],
      ['initech', 4],
    ]);
    expect(plan([candidate('a')], { running }).start).toBeUndefined();
  });

  test('what has no room in a budget waits, and lets others pass', () => {
    const roomFor = ({ name }: Candidate) => ({ atMs: name === 'a' ? nowMs + 700 : nowMs, scope: undefined });
    expect(plan([candidate('a'), candidate('b')], { roomFor })).toEqual({ start: candidate('b'), nextMs: nowMs + 700 });
    expect(plan([candidate('a')], { roomFor })).toEqual({ start: undefined, nextMs: nowMs + 700 });
  });

  test('1,000 names of 100 tenants are all started once, the tenants in turns', () => {
    const names = Array.from({ length: 1_000 }, (_, index) => candidate(`name-${index}`, { tenant: `tenant-${index % 100}` }));
    const started = startOrder(names, 2_000, 16);
    expect(new Set(started).size).toBe(1_000);
    for (let turn = 0; turn < 10; turn += 1)
      expect(new Set(started.slice(turn * 100, turn * 100 + 100).map(({ tenant }) => tenant)).size).toBe(100);
  });
});
