import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AppName, WorkerId } from '../../../src/base/ids.ts';
import { ask } from '../worker/launched-worker.ts';
import { appSpec, startTenant, type TestDaemon } from './test-daemon.ts';

const app = 'runs-jobs' as AppName;

function run(daemon: TestDaemon, runId: string, path: string, timeoutMs = 10_000): Promise<null> {
  return daemon.ask('run-schedule', { app, runId, schedule: 'digest', path, timeoutMs });
}

const endOf = (daemon: TestDaemon, runId: string, from = 0): Promise<Record<string, unknown>> =>
  daemon.event('schedule-ended', { runId }, from);

async function beginLongRun(daemon: TestDaemon): Promise<void> {
  await daemon.ask('follow-logs', { app, followId: 1, after: {} });
  await run(daemon, 'r1', '/long', 60_000);
  await daemon.until('its begin', () =>
    daemon.events.some(({ name, params }) => name === 'log-lines' && JSON.stringify(params).includes('the long run has begun')),
  );
}

async function linesOf(daemon: TestDaemon): Promise<string[]> {
  return (await daemon.ask('read-logs', { app, lines: 100 })).lines.map(({ line }) => line);
}

describe('a run of a schedule', () => {
  test('waits for a worker, is one request, and its end is told and in the log', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app));
    expect(await run(daemon, 'r1', '/ok')).toBe(null);
    expect(await endOf(daemon, 'r1')).toEqual({ app, runId: 'r1', outcome: 'done', status: 200, durationMs: expect.any(Number) as number });
    const lines = await linesOf(daemon);
    expect(lines.find((line) => line.startsWith('[tenantd]'))).toMatch(/^\[tenantd\] schedule digest: 200 in /);
    const asked = lines.find((line) => line.startsWith('asked /ok ')) ?? '';
    expect(JSON.parse(asked.slice('asked /ok '.length))).toEqual({
      ...{ host: 'localhost', 'user-agent': 'tenantd-schedule', accept: '*/*', connection: 'close' },
      ...{ 'x-tenantd-tenant': 'acme', 'x-tenantd-app': app, 'x-tenantd-schedule': 'digest', 'x-request-id': 'r1' },
    });
  });

  test.each([
    ['/early-hints', { outcome: 'done', status: 204 }],
    ['/moved', { outcome: 'done', status: 302 }],
    ['/fails', { outcome: 'failed', status: 500, detail: 'answered 500' }],
    ['/dies', { outcome: 'failed', detail: 'the worker ended' }],
    ['/cuts', { outcome: 'failed', detail: 'the app closed the connection before its answer was whole' }],
    ['/half', { outcome: 'failed', detail: 'the app closed the connection before its answer was whole' }],
  ])('of %s ends so: %j', async (path, end) => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app));
    await run(daemon, 'r1', path);
    expect(await endOf(daemon, 'r1')).toEqual({ app, runId: 'r1', durationMs: expect.any(Number) as number, ...end });
  });

  test('has a time limit, with and without a worker', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app), appSpec('never-listens'));
    await daemon.event('worker-ready', {});
    await run(daemon, 'r1', '/never', 300);
    expect(await endOf(daemon, 'r1')).toMatchObject({ outcome: 'timeout', detail: 'no answer within 300 ms' });
    await daemon.ask('run-schedule', { app: 'never-listens' as AppName, runId: 'r2', schedule: 'x', path: '/', timeoutMs: 300 });
    expect(await endOf(daemon, 'r2')).toMatchObject({ outcome: 'timeout', detail: 'no worker was ready within 300 ms' });
  });

  test('of an app that is not to run, or not there, fails at once', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app, { desired: 'stopped' }));
    await run(daemon, 'r1', '/ok');
    expect(await endOf(daemon, 'r1')).toMatchObject({ outcome: 'failed', detail: 'the app is not to run' });
    await daemon.ask('run-schedule', { app: 'other' as AppName, runId: 'r2', schedule: 'x', path: '/', timeoutMs: 300 });
    expect(await endOf(daemon, 'r2')).toMatchObject({ outcome: 'failed', detail: 'there is no such app' });
  });

  test('is carried out once, however often it is asked for, and its end is told each time', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app));
    await Promise.all([run(daemon, 'r1', '/ok'), run(daemon, 'r1', '/ok')]);
    await endOf(daemon, 'r1');
    const from = daemon.events.length;
    await run(daemon, 'r1', '/ok');
    await endOf(daemon, 'r1', from);
    expect((await linesOf(daemon)).filter((line) => line.startsWith('asked'))).toHaveLength(1);
  });

  test('goes on to its end in a worker that is replaced meanwhile, and that gets nothing else', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app));
    await daemon.event('worker-ready', { workerId: 'runs-jobs.w1' });
    await beginLongRun(daemon);
    await daemon.configure(appSpec(app, { generation: 2 }));
    await daemon.event('worker-ready', { workerId: 'runs-jobs.w2' });
    await daemon.event('unlist-worker', { workerId: 'runs-jobs.w1' });
    expect(daemon.events.filter(({ name }) => name === 'stop-worker' || name === 'schedule-ended')).toEqual([]);
    await ask(daemon.path('sockets', '1.sock'), '/release');
    expect(await endOf(daemon, 'r1')).toMatchObject({ outcome: 'done', status: 200 });
    await daemon.event('stop-worker', { workerId: 'runs-jobs.w1', reason: 'its last run has ended' });
    await daemon.until('its end', () => daemon.pid('runs-jobs.w1' as WorkerId) === undefined);
  });

  test('that ends while the daemon is away is told when it is back', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec(app));
    await daemon.event('worker-ready', {});
    await beginLongRun(daemon);
    await daemon.goAway();
    await ask(daemon.path('sockets', '1.sock'), '/release');
    rmSync(daemon.path('control.sock'), { force: true });
    await daemon.listen();
    expect(await endOf(daemon, 'r1')).toMatchObject({ outcome: 'done', status: 200 });
  });
});
