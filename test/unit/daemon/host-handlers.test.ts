import { describe, expect, test } from 'vitest';
import { ZodError } from 'zod';
import { createHostHandlers } from '../../../src/daemon/host-handlers.ts';
import type { Worker } from '../../../src/daemon/workers.ts';

const worker = { id: 'site.0a1b2c', app: 'site', generation: 3, socket: 'site.0a1b2c.sock', startedAtMs: 1, ready: false } as Worker;

function setUp() {
  const heard: unknown[][] = [];
  const keep =
    (what: string) =>
    (...args: unknown[]): void =>
      void heard.push([what, ...args]);
  const handlers = createHostHandlers({
    appState: keep('app-state'),
    startWorker: (app) => {
      heard.push(['start-worker', app]);
      return Promise.resolve(worker);
    },
    stopWorker: keep('stop-worker'),
    unlistWorker: keep('unlist-worker'),
    workerReady: keep('worker-ready'),
    manifestChanged: keep('manifest-changed'),
    scheduleEnded: keep('schedule-ended'),
    logLines: keep('log-lines'),
  });
  const say = (method: string, params: unknown): Promise<unknown> => Promise.try(() => handlers[method]?.(params));
  return { heard, say, methods: Object.keys(handlers) };
}

const state = { app: 'site', state: 'failed', restarts: 2, reason: 'exited with code 1', code: 'TENANTD_E_APP_FAILED', lastLines: ['bye'] };
const line = { time: '2026-01-02T03:04:05.678Z', position: 7, app: 'site', worker: 'site.0a1b2c', line: 'hello' };
const logLines = { followId: 1, lines: [line], dropped: 0, positions: { site: 7 } };
const ended = { app: 'site', runId: 'digest.1763708400000', outcome: 'failed', status: 500, durationMs: 12.5, detail: 'answered 500' };
const said: [string, object, unknown[]][] = [
  ['start-worker', { app: 'site' }, ['site']],
  ['stop-worker', { workerId: 'site.0a1b2c', reason: 'hangs', hung: true }, ['site.0a1b2c', 'hangs', true]],
  ['unlist-worker', { workerId: 'site.0a1b2c' }, ['site.0a1b2c']],
  ['worker-ready', { workerId: 'site.0a1b2c' }, ['site.0a1b2c']],
  ['manifest-changed', { app: 'site' }, ['site']],
  ['app-state', state, [state]],
  ['schedule-ended', ended, [ended]],
  ['log-lines', logLines, [logLines]],
];

describe('what a tenant host says', () => {
  test.each(said)('as %s reaches its tenant', async (method, params, args) => {
    const { heard, say } = setUp();
    await say(method, params);
    expect(heard).toEqual([[method, ...args]]);
  });

  test('is all of it tested here', () => {
    expect(setUp().methods.sort()).toEqual(said.map(([method]) => method).sort());
  });

  test.each(said)('as %s goes no further with a key too many or too few, or of another type', async (method, params) => {
    const { heard, say } = setUp();
    const [first = ''] = Object.keys(params);
    const wrong = [
      undefined,
      null,
      'text',
      [],
      {},
      { ...params, extra: 1 },
      { ...params, [first]: undefined },
      { ...params, [first]: [{}] },
    ];
    const answers = await Promise.allSettled(wrong.map((wrongParams) => say(method, wrongParams)));
    expect(answers.map(({ status }) => status)).toEqual(wrong.map(() => 'rejected'));
    expect(heard).toEqual([]);
  });

  test.each<[string, string, object]>([
    ['an app that is a path', 'start-worker', { app: '../other' }],
    ['a worker that is a path', 'worker-ready', { workerId: 'site.0a1b2c/../x' }],
    ['a reason without end', 'stop-worker', { workerId: 'site.0a1b2c', reason: 'x'.repeat(501) }],
    ['a reason of an app without end', 'app-state', { ...state, reason: 'x'.repeat(1_001) }],
    ['many last lines', 'app-state', { ...state, lastLines: Array.from({ length: 21 }, () => '') }],
    ['a last line without end', 'app-state', { ...state, lastLines: ['x'.repeat(2_001)] }],
    ['a code that is not for apps', 'app-state', { ...state, code: 'TENANTD_E_LAYER_MISSING' }],
    ['a state that there is not', 'app-state', { ...state, state: 'sleeping' }],
    ['many lines at once', 'log-lines', { followId: 1, lines: Array.from({ length: 1_001 }, () => line), dropped: 0, positions: {} }],
    [
      'positions of more logs than there can be',
      'log-lines',
      { ...logLines, positions: Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [`a${at}`, 1])) },
    ],
  ])('goes no further with %s', async (_, method, params) => {
    const { heard, say } = setUp();
    await expect(say(method, params)).rejects.toThrow(ZodError);
    expect(heard).toEqual([]);
  });

  test('is answered, when it asks for a worker, with what it has to know of that', async () => {
    const { say } = setUp();
    await expect(say('start-worker', { app: 'site' })).resolves.toEqual({
      ...{ workerId: 'site.0a1b2c', app: 'site', generation: 3, socket: 'site.0a1b2c.sock', startedAtMs: 1, ready: false },
    });
  });
});
