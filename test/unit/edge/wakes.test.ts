import { beforeEach, describe, expect, test } from 'vitest';
import type { AppTarget } from '../../../src/edge/app-target.ts';
import { Wakes } from '../../../src/edge/wakes.ts';
import { appTarget, setState } from './app-fixture.ts';

const waiting = { onAppChanged: () => {} };

let nowMs: number;
let told: string[];
let wakes: Wakes;

beforeEach(() => {
  nowMs = 0;
  told = [];
  wakes = new Wakes({ tell: ({ tenant, app }) => told.push(`${tenant}/${app}`), repeatMs: 1_000, perSecond: 100, nowMs: () => nowMs });
});

function sleeping(app: string): AppTarget {
  const target = appTarget(app);
  setState(target, 'sleeping');
  target.hold(waiting);
  return target;
}

/** As the deadlines do it, when the time has come. */
function tick(ms: number): void {
  nowMs += ms;
  if (wakes.deadlineAtMs > nowMs) return;
  wakes.deadlineAtMs = Infinity;
  wakes.onDeadline();
}

describe('a sleeping app that somebody waits for', () => {
  test('is told of at once, and again after each second', () => {
    wakes.ask(sleeping('site'));
    expect(told).toEqual(['acme/site']);
    tick(500);
    expect(told).toHaveLength(1);
    tick(500);
    tick(500);
    expect(told).toHaveLength(2);
    tick(500);
    expect(told).toHaveLength(3);
  });

  test('is not told of any more once it starts, or nobody waits', () => {
    const [starts, left] = [sleeping('starts'), sleeping('left')];
    wakes.ask(starts);
    wakes.ask(left);
    setState(starts, 'starting');
    left.letGo(waiting);
    tick(5_000);
    expect(told).toEqual(['acme/starts', 'acme/left']);
    expect(wakes.deadlineAtMs).toBe(Infinity);
  });

  test('is told of once a second, however often it is asked for', () => {
    const target = sleeping('site');
    for (let time = 0; time < 10; time++) {
      wakes.ask(target);
      target.letGo(waiting);
      tick(90);
      target.hold(waiting);
    }
    expect(told).toHaveLength(1);
    wakes.ask(target);
    tick(100);
    expect(told).toHaveLength(2);
  });
});

describe('many of them', () => {
  const apps = Array.from({ length: 1_000 }, (_, index) => `app${index}`);

  test('are told of a few at a time, each in its turn', () => {
    for (const app of apps) wakes.ask(sleeping(app));
    expect(told).toHaveLength(200);
    for (let second = 1; second <= 8; second++) {
      tick(1_000);
      expect(told).toHaveLength(200 + 100 * second);
    }
    expect(new Set(told).size).toBe(1_000);
  });
});
