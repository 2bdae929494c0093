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
  withEnding,
  withFailure,
  withHealthyTime,
  withIll,
  withLoad,
  withoutWorker,
  withReady,
  withRun,
  withSpec,
  withWorker,
} from '../../../src/tenant/pool.ts';
import { reportPool } from '../../../src/tenant/report-pool.ts';
import { placeOfRun } from '../../../src/tenant/run-place.ts';
import { workerPhases } from '../../../src/tenant/worker-phases.ts';

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

/** As if the daemon had refused to start it, so often. */
function failTimes(state: Pool, times: number): Pool {
  return Array.from({ length: times }).reduce((next: Pool) => withFailure(next, failure, nowMs), state);
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
    expect(stops(planPool(withEnding(stopped, id('a'), 'stop'), nowMs))).toEqual(['b']);
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
    const ill = withIll(pool({}, info('a', { ready: true })), id('a'), 'is-unhealthy', failure, nowMs);
    expect(planPool(ill, nowMs)).toEqual([{ step: 'start-worker' }]);
    const replaced = withReady(withWorker(ill, info('b'), nowMs), id('b'), nowMs);
    expect(stops(planPool(replaced, nowMs))).toEqual(['a']);
  });

  test('sends an unhealthy worker nothing more as soon as another is ready, of whichever generation', () => {
    const two = pool({ workers: 2 }, info('a', { ready: true }), info('b', { ready: true }));
    const ill = withIll(two, id('a'), 'is-unhealthy', failure, nowMs);
    expect(stops(planPool(ill, nowMs))).toEqual(['a']);
    expect(starts(planPool(ill, nowMs))).toBe(1);
    const older = pool({}, info('old', { generation: 1, ready: true }), info('new', { ready: true }));
    const newIsIll = withIll(older, id('new'), 'is-unhealthy', failure, nowMs);
    expect(stops(planPool(newIsIll, nowMs))).toEqual(['new']);
  });

  test('stops a hung or deaf worker at once, and starts another', () => {
    const one = pool({}, info('a', { ready: true }));
    expect(planPool(withIll(one, id('a'), 'is-hung', failure, nowMs), nowMs)).toEqual([
      { step: 'start-worker' },
      { step: 'stop-worker', workerId: 'a', reason: 'its event loop is blocked', hung: true },
    ]);
    const deaf = planPool(withIll(one, id('a'), 'is-deaf', failure, nowMs), nowMs);
    expect(deaf).toEqual([{ step: 'start-worker' }, { step: 'stop-worker', workerId: 'a', reason: 'it does not listen any more' }]);
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
    const failed = failTimes(pool({}), 2);
    const { nextTryAtMs } = failed.attempts;
    expect(planPool(failed, nowMs)).toEqual([{ step: 'wait', untilMs: nextTryAtMs }]);
    expect(planPool(failed, nextTryAtMs)).toEqual([{ step: 'start-worker' }]);
  });

  test('tries one worker after a quarantine, and the others when it is ready', () => {
    const quarantined = failTimes(pool({ workers: 3 }), 5);
    const { nextTryAtMs } = quarantined.attempts;
    expect(planPool(quarantined, nextTryAtMs - 1)).toEqual([{ step: 'wait', untilMs: nextTryAtMs }]);
    expect(planPool(quarantined, nextTryAtMs)).toEqual([{ step: 'start-worker' }]);
    expect(starts(planPool(withAsked(quarantined), nextTryAtMs))).toBe(0);
    const tried = withWorker(quarantined, info('a', { startedAtMs: nextTryAtMs }), nextTryAtMs);
    expect(starts(planPool(tried, nextTryAtMs))).toBe(0);
    expect(starts(planPool(withReady(tried, id('a'), nextTryAtMs), nextTryAtMs))).toBe(2);
  });

  test('holds in every state of up to three workers: room is kept, and no one that serves is stopped without another', () => {
    const phases = Object.keys(workerPhases) as PoolWorker['phase'][];
    const kinds = phases.flatMap((phase) => [1, 2].flatMap((generation) => [0, 1].map((runs) => ({ phase, generation, runs }))));
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
              check({ ...createPool({ ...spec, workers }), workers: all, asked });
              states += 1;
            }
    expect(states).toBe(29 ** 3 * 4);
  });

  /** Throws; `expect` would be asked a million times. */
  function check(state: Pool): void {
    const { workers, asked } = state;
    const steps = planPool(state, nowMs);
    const ended = new Set<string>(steps.flatMap((step) => ('workerId' in step ? [step.workerId] : [])));
    const isLeft = (phase: string): number => workers.filter((worker) => worker.phase === phase && !ended.has(worker.id)).length;
    const count = (phase: string): number => workers.filter((worker) => worker.phase === phase).length;
    const target = state.scale.target;
    const faults = [
      isLeft('ready') < Math.min(target, count('ready')) && 'one that is ready is stopped without another',
      isLeft('ready') + isLeft('unhealthy') < Math.min(1, count('ready') + count('unhealthy')) && 'nothing serves any more',
      starts(steps) > Math.max(0, 2 * target + 1 - workers.length - asked) && 'there is no room',
      isLeft('hung') + isLeft('deaf') > 0 && 'one that answers nothing is kept',
      steps.some((step) => step.step === 'stop-worker' && !step.hung && hasRun(state, step.workerId)) && 'a run is cut',
      steps.some((step) => step.step === 'retire-worker' && !hasRun(state, step.workerId)) && 'one without a run is held',
      ended.size < steps.filter((step) => 'workerId' in step && step.step !== 'give-up').length && 'one is stopped twice',
    ].filter((fault) => fault !== false);
    if (faults.length > 0) throw new Error(JSON.stringify({ faults, workers, asked, target, steps }));
  }

  const hasRun = ({ workers }: Pool, workerId: WorkerId): boolean => workers.some((worker) => worker.id === workerId && worker.runs > 0);
});

describe('a run of a schedule', () => {
  const socketOf = (name: string): string => `${name}.sock`;
  const old = withRun(pool({}, info('old', { generation: 1, ready: true })), id('old'), 1);

  test('keeps its worker, which gets no more requests once it is replaced, until it ends', () => {
    const both = withReady(withWorker(old, info('new'), nowMs), id('new'), nowMs);
    expect(planPool(both, nowMs)).toEqual([{ step: 'retire-worker', workerId: 'old' }]);
    const retired = withEnding(both, id('old'), 'retire');
    expect(planPool(retired, nowMs)).toEqual([]);
    expect(stops(planPool(withRun(retired, id('old'), -1), nowMs))).toEqual(['old']);
  });

  test('does not stand in the way of another generation', () => {
    const retired = withEnding(withWorker(old, info('new', { ready: true }), nowMs), id('old'), 'retire');
    expect(planPool(withSpec(retired, { ...spec, generation: 3 }), nowMs)).toEqual([{ step: 'start-worker' }]);
  });

  test('does not keep an app that is to stop, nor a hung worker', () => {
    expect(stops(planPool(withSpec(old, { ...spec, desired: 'stopped' }), nowMs))).toEqual(['old']);
    expect(stops(planPool(withIll(old, id('old'), 'is-hung', failure, nowMs), nowMs))).toEqual(['old']);
  });

  test('is worth more than another worker, when there are too many', () => {
    const two = withRun(pool({}, info('a', { ready: true, startedAtMs: 1 }), info('b', { ready: true, startedAtMs: 2 })), id('b'), 1);
    expect(stops(planPool(two, nowMs))).toEqual(['a']);
  });

  test('takes place where the fewest go on, or later, or nowhere', () => {
    const two = withRun(pool({ workers: 2 }, info('a', { ready: true }), info('b', { ready: true })), id('a'), 1);
    expect(placeOfRun(two, socketOf, nowMs)).toEqual({ at: 'worker', id: 'b', socket: 'b.sock' });
    expect(placeOfRun(pool({}, info('a')), socketOf, nowMs)).toEqual({ at: 'later' });
    expect(placeOfRun(two, () => undefined, nowMs)).toEqual({ at: 'later' });
    expect(placeOfRun(pool({ desired: 'stopped' }), socketOf, nowMs)).toEqual({ at: 'nowhere', reason: 'the app is not to run' });
    expect(placeOfRun(failTimes(pool({}), 5), socketOf, nowMs)).toEqual({
      at: 'nowhere',
      reason: 'the app is quarantined: it exited with code 1 after 80 ms',
    });
  });
});

describe('the number of workers', () => {
  const busy = { open: 20, waiting: 0, loop: { busy: 1, lateMs: 0 } };
  const one = pool({ maxWorkers: 4 }, info('a', { ready: true }));

  function grown(): Pool {
    const pressed = withLoad(withLoad(one, busy, nowMs), busy, nowMs + 1_000);
    return withReady(withWorker(pressed, info('b'), nowMs), id('b'), nowMs);
  }

  test('follows the load', () => {
    const pressed = withLoad(withLoad(one, busy, nowMs), busy, nowMs + 1_000);
    expect(starts(planPool(pressed, nowMs))).toBe(1);
    expect(grown().scale.target).toBe(2);
  });

  test('is that of another generation, too', () => {
    const next = withSpec(grown(), { ...spec, maxWorkers: 4, generation: 3 });
    expect(starts(planPool(next, nowMs))).toBe(2);
  });

  test('is within new bounds, and begins anew when the app is stopped and started', () => {
    expect(withSpec(grown(), { ...spec, workers: 3, maxWorkers: 4 }).scale.target).toBe(3);
    expect(withSpec(grown(), spec).scale.target).toBe(1);
    const stopped = withSpec(grown(), { ...spec, maxWorkers: 4, desired: 'stopped' });
    expect(withSpec(stopped, { ...spec, maxWorkers: 4 }).scale.target).toBe(1);
  });

  test('does not change while the app is failing', () => {
    const failing = withFailure(one, failure, nowMs);
    const pressed = withLoad(withLoad(failing, busy, nowMs), busy, nowMs + 1_000);
    expect(pressed.scale).toEqual({ target: 1 });
  });

  test('goes down one by one, with the youngest', () => {
    const two = grown();
    const calm = withLoad(withLoad(two, { open: 0, waiting: 0 }, nowMs), { open: 0, waiting: 0 }, nowMs + 60_000);
    expect(calm.scale.target).toBe(1);
    expect(stops(planPool(calm, nowMs + 60_000))).toEqual(['b']);
    const looks = planPool(withLoad(two, { open: 0, waiting: 0 }, nowMs), nowMs);
    expect(looks).toEqual([{ step: 'wait', untilMs: nowMs + 60_000 }]);
  });
});

describe('failures', () => {
  const ready = (startedAtMs: number, name = 'a'): WorkerInfo => info(name, { ready: true, startedAtMs });

  function withAttempts(state: Pool, failures: number): Pool {
    return { ...state, attempts: { ...state.attempts, failures, failedAtMs: nowMs - 1 } };
  }

  function failAt(state: Pool, name: string, atMs: number): Pool {
    return withoutWorker(state, id(name), failure, atMs);
  }

  test('that are refused starts count like others', () => {
    expect(failTimes(pool({}), 5).attempts).toMatchObject({ failures: 5, isQuarantined: true });
  });

  test('of the one that serves end in quarantine only when nothing serves', () => {
    const held = pool({}, info('old', { generation: 1, ready: true }));
    expect(failTimes(held, 9).attempts).toMatchObject({ failures: 9, isQuarantined: false });
    const ill = withIll(failTimes(held, 9), id('old'), 'is-hung', failure, nowMs);
    expect(failTimes(ill, 1).attempts).toMatchObject({ failures: 10, isQuarantined: true });
  });

  test('are forgotten after a minute of health', () => {
    const failed = withAttempts(pool({}, ready(nowMs)), 4);
    expect(failAt(failed, 'a', nowMs + 60_000).attempts).toMatchObject({ failures: 1, nextTryAtMs: nowMs + 60_000 });
    expect(failAt(failed, 'a', nowMs + 59_999).attempts.failures).toBe(5);
    expect(planPool(failed, nowMs)).toEqual([{ step: 'wait', untilMs: nowMs + 60_000 }]);
    expect(withHealthyTime(failed, nowMs + 59_999).attempts.failures).toBe(4);
    expect(withHealthyTime(failed, nowMs + 60_000).attempts.failures).toBe(0);
  });

  test('are not forgotten while a worker is missing', () => {
    const failed = withAttempts(pool({ workers: 2 }, ready(nowMs)), 4);
    expect(withHealthyTime(failed, nowMs + 600_000).attempts.failures).toBe(4);
  });

  test('of workers that end together count once, and all are restarted at once', () => {
    const both = failAt(failAt(pool({ workers: 2 }, ready(nowMs), ready(nowMs, 'b')), 'a', nowMs + 5), 'b', nowMs + 6);
    expect(both).toMatchObject({ attempts: { failures: 1 }, owedRestarts: 2 });
    expect(starts(planPool(both, nowMs + 6))).toBe(2);
    expect(withAsked(withAsked(both)).restarts).toBe(2);
  });

  test('are none when the worker was to end, or is of another generation', () => {
    const none = { failures: 0 };
    expect(failAt(withEnding(pool({}, ready(nowMs)), id('a'), 'stop'), 'a', nowMs).attempts).toMatchObject(none);
    expect(failAt(withEnding(pool({}, ready(nowMs)), id('a'), 'retire'), 'a', nowMs).attempts).toMatchObject(none);
    expect(failAt(pool({}, info('a', { generation: 1, ready: true })), 'a', nowMs).attempts).toMatchObject(none);
    expect(failAt(pool({}), 'unknown', nowMs).attempts).toMatchObject(none);
  });

  test('of one that fell ill are counted once, not again when it ends', () => {
    const ill = withIll(pool({}, ready(nowMs)), id('a'), 'is-deaf', failure, nowMs);
    expect(ill.attempts.failures).toBe(1);
    expect(withIll(ill, id('a'), 'is-hung', failure, nowMs).attempts.failures).toBe(1);
    expect(failAt(ill, 'a', nowMs).attempts.failures).toBe(1);
  });

  test('do not delay another generation, or an app that is started again', () => {
    const failed = failTimes(pool({}), 7);
    expect(planPool(withSpec(failed, { ...spec, generation: 3 }), nowMs)).toEqual([{ step: 'start-worker' }]);
    const stopped = withSpec(failed, { ...spec, desired: 'stopped' });
    expect(planPool(withSpec(stopped, spec), nowMs)).toEqual([{ step: 'start-worker' }]);
    expect(withSpec(failed, { ...spec, workers: 3 }).attempts.failures).toBe(7);
  });
});

describe('the report of a pool', () => {
  const told = { generation: 2, restarts: 0 };

  test('is starting, running, failed, quarantined or stopped', () => {
    expect(reportPool(pool({}), nowMs)).toEqual({ state: 'starting', ...told });
    expect(reportPool(pool({}, info('a', { ready: true })), nowMs)).toEqual({ state: 'running', ...told });
    expect(reportPool(pool({ desired: 'stopped' }, info('a', { ready: true })), nowMs)).toEqual({ state: 'stopped', ...told });
    const failed = failTimes(pool({}), 2);
    const { nextTryAtMs } = failed.attempts;
    expect(reportPool(failed, nowMs)).toEqual({ state: 'failed', ...told, ...failure, failures: 2, nextTryAtMs });
    expect(reportPool(withAsked(failed), nextTryAtMs)).toEqual({ state: 'starting', ...told, ...failure, failures: 2, restarts: 1 });
  });

  test('is quarantined after five failures in a row, but for the tries, and says when the next one is', () => {
    const failed = failTimes(pool({}), 5);
    const { nextTryAtMs } = failed.attempts;
    expect(reportPool(failed, nowMs)).toEqual({ state: 'quarantined', ...told, ...failure, failures: 5, nextTryAtMs });
    expect(reportPool(withAsked(failed), nextTryAtMs).state).toBe('starting');
    const again = withFailure(failed, failure, nextTryAtMs);
    expect(reportPool(again, nextTryAtMs)).toMatchObject({ state: 'quarantined', failures: 6 });
    expect(again.attempts.nextTryAtMs - nextTryAtMs).toBeGreaterThan(nextTryAtMs - nowMs);
  });

  test('is running while an unhealthy worker serves on, and starting when a hung one is replaced', () => {
    const one = pool({}, info('a', { ready: true }));
    expect(reportPool(withIll(one, id('a'), 'is-unhealthy', failure, nowMs), nowMs)).toMatchObject({
      state: 'running',
      reason: 'a worker exited with code 1 after 80 ms',
    });
    expect(reportPool(withAsked(withIll(one, id('a'), 'is-hung', failure, nowMs)), nowMs).state).toBe('starting');
  });

  test('keeps the last failure until all workers are ready again', () => {
    const failed = withFailure(pool({ workers: 2 }), failure, nowMs);
    const one = withReady(withWorker(withWorker(withAnswered(failed), info('a'), nowMs), info('b'), nowMs), id('a'), nowMs);
    expect(reportPool(one, nowMs)).toMatchObject({ state: 'running', reason: 'a worker exited with code 1 after 80 ms' });
    expect(reportPool(withReady(one, id('b'), nowMs), nowMs)).toEqual({ state: 'running', ...told });
  });

  test('says that an older generation goes on serving', () => {
    const held = withFailure(pool({}, info('a', { generation: 1, ready: true })), failure, nowMs);
    expect(reportPool(held, nowMs).reason).toBe('the new version exited with code 1 after 80 ms; the one before it goes on serving');
  });
});
