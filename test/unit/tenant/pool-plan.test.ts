import { describe, expect, test } from 'vitest';
import type { AppName, WorkerId } from '../../../src/base/ids.ts';
import type { AppSpec, WorkerInfo } from '../../../src/protocol/host.ts';
import { planPool, type PoolStep } from '../../../src/tenant/plan-pool.ts';
import {
  createPool,
  type Failure,
  type Pool,
  type PoolWorker,
  withAnswered,
  withAsked,
  withFailure,
  withoutWorker,
  withReady,
  withSpec,
  withStopping,
  withUnhealthy,
  withWorker,
} from '../../../src/tenant/pool.ts';
import { reportPool } from '../../../src/tenant/report-pool.ts';

const spec: AppSpec = { app: 'site' as AppName, kind: 'node', desired: 'running', generation: 2, workers: 1, startTimeoutMs: 30_000 };
const id = (name: string): WorkerId => name as WorkerId;
const failure: Failure = { code: 'TENANTD_E_APP_FAILED', reason: 'exited with code 1 after 80 ms', lastLines: ['boom'] };
const nowMs = 1_000_000;

function info(name: string, changes: Partial<WorkerInfo> = {}): WorkerInfo {
  return { workerId: id(name), app: spec.app, generation: 2, socket: `${name}.sock`, startedAtMs: nowMs, ready: false, ...changes };
}

function pool(specChanges: Partial<AppSpec>, ...workers: WorkerInfo[]): Pool {
  return workers.reduce((all, worker) => withWorker(all, worker, nowMs), createPool({ ...spec, ...specChanges }));
}

const starts = (steps: PoolStep[]): number => steps.filter(({ step }) => step === 'start-worker').length;
const stops = (steps: PoolStep[]): string[] => steps.flatMap((step) => (step.step === 'stop-worker' ? [step.workerId] : []));

describe('the plan of a pool', () => {
  test('starts what is missing, and nothing twice', () => {
    expect(planPool(pool({ workers: 2 }), nowMs)).toEqual([{ step: 'start-worker' }, { step: 'start-worker' }]);
    expect(starts(planPool(withAsked(pool({ workers: 2 })), nowMs))).toBe(1);
    expect(starts(planPool(pool({ workers: 2 }, info('a')), nowMs))).toBe(1);
    expect(planPool(pool({}, info('a', { ready: true })), nowMs)).toEqual([]);
  });

  test('starts nothing for an app that is stopped, static, or asks for no workers', () => {
    for (const changes of [{ desired: 'stopped' }, { kind: 'static' }, { workers: 0 }] as const) {
      expect(planPool(pool(changes), nowMs)).toEqual([]);
    }
  });

  test('stops all workers of an app that is to stop, each once', () => {
    const stopped = pool({ desired: 'stopped' }, info('a'), info('b', { ready: true }));
    expect(stops(planPool(stopped, nowMs))).toEqual(['a', 'b']);
    expect(stops(planPool(withStopping(stopped, id('a')), nowMs))).toEqual(['b']);
  });

  test('waits for a worker to listen, and gives up in time', () => {
    const starting = pool({}, info('a'));
    expect(planPool(starting, nowMs)).toEqual([{ step: 'wait', untilMs: nowMs + 30_000 }]);
    expect(planPool(starting, nowMs + 30_000)).toEqual([{ step: 'give-up', workerId: 'a' }]);
  });

  test('starts a new generation beside the old, and stops the old only when all of the new is ready', () => {
    const old = [info('a', { generation: 1, ready: true }), info('b', { generation: 1, ready: true })];
    const begun = pool({ workers: 2 }, ...old);
    expect(planPool(begun, nowMs)).toEqual([{ step: 'start-worker' }, { step: 'start-worker' }]);
    const half = pool({ workers: 2 }, ...old, info('c', { ready: true }), info('d'));
    expect(stops(planPool(half, nowMs))).toEqual([]);
    expect(stops(planPool(withReady(half, id('d'), nowMs), nowMs))).toEqual(['a', 'b']);
  });

  test('stops an old worker that was not ready yet at once', () => {
    expect(stops(planPool(pool({}, info('a', { generation: 1 })), nowMs))).toEqual(['a']);
  });

  test('makes room first where a new generation also has fewer workers', () => {
    const old = ['a', 'b', 'c', 'd'].map((name) => info(name, { generation: 1, ready: true }));
    const begun = pool({ workers: 1 }, ...old);
    const steps = planPool(begun, nowMs);
    expect(starts(steps)).toBe(0);
    expect(stops(steps)).toEqual(['b', 'c', 'd']);
    const roomy = ['b', 'c', 'd'].reduce((all, name) => withoutWorker(all, id(name), failure, nowMs), begun);
    expect(planPool(roomy, nowMs)).toEqual([{ step: 'start-worker' }]);
  });

  test('replaces an unhealthy worker before it stops it', () => {
    const ill = withUnhealthy(pool({}, info('a', { ready: true })), id('a'), failure, nowMs);
    expect(planPool(ill, nowMs)).toEqual([{ step: 'start-worker' }]);
    const replaced = withReady(withWorker(ill, info('b'), nowMs), id('b'), nowMs);
    expect(stops(planPool(replaced, nowMs))).toEqual(['a']);
  });

  test('with too many workers, keeps those that are ready and the oldest', () => {
    const many = pool(
      { workers: 1 },
      info('young', { ready: true, startedAtMs: 2 }),
      info('starting', { startedAtMs: 0 }),
      info('old', { ready: true, startedAtMs: 1 }),
    );
    expect(stops(planPool(many, nowMs))).toEqual(['young', 'starting']);
  });

  test('starts nothing before its time', () => {
    const failed = withFailure(withFailure(pool({}), failure, nowMs), failure, nowMs);
    expect(planPool(failed, nowMs)).toEqual([{ step: 'wait', untilMs: failed.nextTryAtMs }]);
    expect(planPool(failed, failed.nextTryAtMs)).toEqual([{ step: 'start-worker' }]);
  });

  test('holds in every state of up to three workers: room is kept, and no one that serves is stopped without another', () => {
    const phases = ['starting', 'ready', 'stopping'] as const;
    const kinds = phases.flatMap((phase) =>
      [1, 2].flatMap((generation) => [true, false].map((unhealthy) => ({ phase, generation, unhealthy }))),
    );
    const options = [undefined, ...kinds];
    let states = 0;
    for (const one of options)
      for (const two of options)
        for (const three of options)
          for (const workers of [1, 2])
            for (const asked of [0, 1]) {
              const all: PoolWorker[] = [one, two, three].flatMap((kind, at) =>
                kind ? [{ ...kind, id: id(`w${at}`), startedAtMs: nowMs }] : [],
              );
              const state: Pool = { ...createPool({ ...spec, workers }), workers: all, asked };
              const steps = planPool(state, nowMs);
              const stopped = new Set<string>(stops(steps));
              const ready = all.filter(({ phase }) => phase === 'ready');
              const serving = ready.filter((worker) => !stopped.has(worker.id)).length;
              expect(serving).toBeGreaterThanOrEqual(Math.min(workers, ready.length));
              expect(starts(steps)).toBeLessThanOrEqual(Math.max(0, 2 * workers - all.length - asked));
              states += 1;
            }
    expect(states).toBe(13 ** 3 * 4);
  });
});

describe('failures', () => {
  const ready = (startedAtMs: number, name = 'a'): WorkerInfo => info(name, { ready: true, startedAtMs });

  function failAt(state: Pool, name: string, atMs: number): Pool {
    return withoutWorker(state, id(name), failure, atMs);
  }

  test('are tried again at once, then later and later, up to a minute', () => {
    let state = pool({});
    const delays: number[] = [];
    for (let count = 0, atMs = nowMs; count < 12; count += 1) {
      state = failAt(withWorker(state, info(`w${count}`, { startedAtMs: atMs }), atMs), `w${count}`, atMs + 1);
      delays.push(state.nextTryAtMs - atMs - 1);
      atMs = state.nextTryAtMs + 1;
    }
    expect(delays[0]).toBe(0);
    expect(delays[1]).toBeGreaterThanOrEqual(375);
    expect(delays[1]).toBeLessThanOrEqual(500);
    expect(delays[11]).toBeGreaterThanOrEqual(45_000);
    expect(delays[11]).toBeLessThanOrEqual(60_000);
  });

  test('are forgotten after a minute of health', () => {
    const failed = { ...pool({}, ready(nowMs)), failures: 5, failedAtMs: nowMs - 1 };
    expect(failAt(failed, 'a', nowMs + 60_000)).toMatchObject({ failures: 1, nextTryAtMs: nowMs + 60_000 });
    expect(failAt(failed, 'a', nowMs + 59_999).failures).toBe(6);
  });

  test('of workers that end together count once, and all are restarted at once', () => {
    const both = failAt(failAt(pool({ workers: 2 }, ready(nowMs), ready(nowMs, 'b')), 'a', nowMs + 5), 'b', nowMs + 6);
    expect(both).toMatchObject({ failures: 1, owedRestarts: 2 });
    expect(starts(planPool(both, nowMs + 6))).toBe(2);
    expect(withAsked(withAsked(both)).restarts).toBe(2);
  });

  test('are none when the worker was to end, or is of another generation', () => {
    expect(failAt(withStopping(pool({}, ready(nowMs)), id('a')), 'a', nowMs).failures).toBe(0);
    expect(failAt(pool({}, info('a', { generation: 1, ready: true })), 'a', nowMs).failures).toBe(0);
    expect(failAt(pool({}), 'unknown', nowMs).failures).toBe(0);
  });

  test('do not delay another generation, or an app that is started again', () => {
    const failed = withFailure(withFailure(pool({}), failure, nowMs), failure, nowMs);
    expect(planPool(withSpec(failed, { ...spec, generation: 3 }), nowMs)).toEqual([{ step: 'start-worker' }]);
    const stopped = withSpec(failed, { ...spec, desired: 'stopped' });
    expect(planPool(withSpec(stopped, spec), nowMs)).toEqual([{ step: 'start-worker' }]);
    expect(withSpec(failed, { ...spec, workers: 3 }).failures).toBe(2);
  });
});

describe('the report of a pool', () => {
  test('is starting, running, failed or stopped', () => {
    expect(reportPool(pool({}), nowMs)).toEqual({ state: 'starting', restarts: 0 });
    expect(reportPool(pool({}, info('a', { ready: true })), nowMs)).toEqual({ state: 'running', restarts: 0 });
    expect(reportPool(pool({ desired: 'stopped' }, info('a', { ready: true })), nowMs)).toEqual({ state: 'stopped', restarts: 0 });
    const failed = withFailure(withFailure(pool({}), failure, nowMs), failure, nowMs);
    expect(reportPool(failed, nowMs)).toEqual({ state: 'failed', ...failure, restarts: 0, nextTryAtMs: failed.nextTryAtMs });
    expect(reportPool(withAsked(failed), failed.nextTryAtMs)).toEqual({ state: 'starting', ...failure, restarts: 1 });
  });

  test('keeps the last failure until all workers are ready again', () => {
    const failed = withFailure(pool({ workers: 2 }), failure, nowMs);
    const one = withReady(withWorker(withWorker(withAnswered(failed), info('a'), nowMs), info('b'), nowMs), id('a'), nowMs);
    expect(reportPool(one, nowMs)).toMatchObject({ state: 'running', reason: 'a worker exited with code 1 after 80 ms' });
    expect(reportPool(withReady(one, id('b'), nowMs), nowMs)).toEqual({ state: 'running', restarts: 0 });
  });

  test('says that an older generation goes on serving', () => {
    const held = withFailure(pool({}, info('a', { generation: 1, ready: true })), failure, nowMs);
    expect(reportPool(held, nowMs).reason).toBe('the new version exited with code 1 after 80 ms; the one before it goes on serving');
  });
});
