import { describe, expect, test } from 'vitest';
import type { WorkerId } from '../../../src/base/ids.ts';
import { ask } from '../worker/launched-worker.ts';
import { appSpec, startTenant } from './test-daemon.ts';

const hungAfterMs = 1_500;

describe('a worker without a health path', () => {
  test('whose event loop is blocked is found, ended for good and replaced', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('blocks', { hungAfterMs }));
    await daemon.event('worker-ready', { workerId: 'blocks.w1' });
    ask(daemon.path('sockets', '1.sock'), '/block').catch(() => undefined);
    await daemon.event('stop-worker', { workerId: 'blocks.w1', hung: true, reason: 'its event loop is blocked' });
    await daemon.event('app-state', { reason: 'did not answer for 1.5 s: its event loop is blocked', code: 'TENANTD_E_APP_FAILED' });
    await daemon.event('worker-ready', { workerId: 'blocks.w2' });
    await daemon.until('its end', () => daemon.pid('blocks.w1' as WorkerId) === undefined);
    await daemon.event('app-state', { state: 'running', reason: undefined, restarts: 1 });
    expect([...daemon.workers.keys()]).toEqual(['blocks.w2']);
  });

  test('whose beats do not come, though its event loop turns, is left alone', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('blocks', { hungAfterMs }), appSpec('answers', { hungAfterMs }));
    await daemon.event('worker-ready', { workerId: 'blocks.w1' });
    await daemon.event('worker-ready', { workerId: 'answers.w2' });
    await ask(daemon.path('sockets', '1.sock'), '/forget');
    // Looked at again and again meanwhile; beats come every 15 s.
    for (let asked = 0; asked < 100; asked += 1) await ask(daemon.path('sockets', '2.sock'), asked % 10 === 0 ? '/slow' : '/');
    expect(daemon.events.filter(({ name }) => name === 'stop-worker')).toEqual([]);
    expect([...daemon.workers.keys()]).toEqual(['blocks.w1', 'answers.w2']);
  });

  test('that closed its server and runs on is replaced', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('blocks'));
    await daemon.event('worker-ready', { workerId: 'blocks.w1' });
    await ask(daemon.path('sockets', '1.sock'), '/close').catch(() => undefined);
    await daemon.event('app-state', { reason: 'closed the server that it listened with, and runs on' });
    await daemon.event('worker-ready', { workerId: 'blocks.w2' });
    await daemon.until('its end', () => daemon.pid('blocks.w1' as WorkerId) === undefined);
    expect(daemon.events.filter(({ name, params }) => name === 'stop-worker' && params['hung'] === true)).toEqual([]);
  });
});

describe('a health path', () => {
  test('has the time limit and the number of failures that were asked for', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('sickens', { health: { path: '/healthz', intervalMs: 50, failures: 1 } }));
    await daemon.event('worker-ready', { workerId: 'sickens.w1' });
    await ask(daemon.path('sockets', '1.sock'), '/sicken');
    await daemon.event('app-state', { state: 'running', reason: 'a worker did not answer its health check /healthz' });
    await daemon.event('worker-ready', { workerId: 'sickens.w2' });
    await daemon.configure(appSpec('runs-jobs', { health: { path: '/never', intervalMs: 50, timeoutMs: 100 }, startTimeoutMs: 3_000 }));
    const state = await daemon.event('app-state', { app: 'runs-jobs', code: 'TENANTD_E_APP_NOT_LISTENING' });
    expect(state['reason']).toBe('did not answer /never with 2xx or 3xx within 3 s');
  });
});
