import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { AppName } from '../../../src/base/ids.ts';
import type { Daemon } from '../../../src/tenant/daemon.ts';
import { createRunEnds, type RunEnd } from '../../../src/tenant/run-ends.ts';

const endOf = (runId: string): RunEnd => ({ app: 'site' as AppName, runId, outcome: 'done', status: 200, durationMs: 1 });

/** A daemon that is heard only. */
function begin() {
  const told: string[] = [];
  const logged: string[] = [];
  const state = { mayAct: true, answer: (): Promise<unknown> => Promise.resolve(null) };
  const daemon = {
    request: (_: string, params: RunEnd) => {
      told.push(params.runId);
      return state.answer();
    },
    tell: (_: string, { message }: { message: string }) => logged.push(message),
  } as unknown as Daemon;
  return { told, logged, state, ends: createRunEnds(daemon, () => state.mayAct) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the end of a run', () => {
  test('is told once when it is answered, and again when that is asked for', async () => {
    const { told, ends } = begin();
    ends.add(endOf('a'));
    await turn();
    ends.tellAll();
    await turn();
    expect(told).toEqual(['a']);
    ends.tellOnceMore('a');
    await turn();
    expect(told).toEqual(['a', 'a']);
    expect([ends.has('a'), ends.has('b')]).toEqual([true, false]);
  });

  test('waits until the daemon is back', async () => {
    const { told, state, ends } = begin();
    state.mayAct = false;
    ends.add(endOf('a'));
    ends.add(endOf('b'));
    await turn();
    expect(told).toEqual([]);
    state.mayAct = true;
    ends.tellAll();
    await turn();
    expect(told).toEqual(['a', 'b']);
  });

  test('is not dropped when it is asked for once more while it is told', async () => {
    const { told, state, ends } = begin();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    state.answer = () => promise;
    ends.add(endOf('a'));
    ends.tellOnceMore('a');
    state.answer = () => Promise.resolve(null);
    resolve(null);
    await turn();
    expect(told).toEqual(['a', 'a']);
  });

  test('that the daemon refuses was answered, and is in its log', async () => {
    const { told, logged, state, ends } = begin();
    state.answer = () => Promise.reject(new TenantdError('TENANTD_E_INVALID_REQUEST', 'no such run', ''));
    ends.add(endOf('a'));
    await turn();
    ends.tellAll();
    await turn();
    expect(told).toEqual(['a']);
    expect(logged).toEqual(['schedule-ended: no such run']);
  });

  test('is remembered for a thousand runs, and longer while it is untold', async () => {
    const { state, ends } = begin();
    state.mayAct = false;
    ends.add(endOf('untold'));
    state.mayAct = true;
    for (let count = 0; count < 1_500; count += 1) {
      ends.add(endOf(`run ${count}`));
      await turn();
    }
    expect([ends.has('untold'), ends.has('run 0'), ends.has('run 499'), ends.has('run 600')]).toEqual([true, false, false, true]);
  });
});
