import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { WorkerId } from '../../../src/base/ids.ts';
import { ask } from '../worker/launched-worker.ts';
import { appSpec, startTenant } from './test-daemon.ts';

const body = async (daemon: Awaited<ReturnType<typeof startTenant>>, socket: string): Promise<string> =>
  (await ask(daemon.path('sockets', socket), '/')).body;

describe('an app that runs', () => {
  test('is reported ready once it listens', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers', { workers: 2 }));
    await daemon.event('hello', {});
    await daemon.event('app-state', { state: 'starting' });
    await daemon.event('worker-ready', { workerId: 'answers.w1' });
    await daemon.event('worker-ready', { workerId: 'answers.w2' });
    await daemon.event('app-state', { app: 'answers', state: 'running', restarts: 0 });
    expect(await body(daemon, '1.sock')).toContain('127.0.0.1');
  });

  test('must answer its health path first', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('throws-later', { health: { path: '/healthz', intervalMs: 60_000 } }));
    await daemon.event('worker-ready', { workerId: 'throws-later.w1' });
    await daemon.configure(appSpec('fetch-handler', { health: { path: '/throw', intervalMs: 60_000 }, startTimeoutMs: 3_000 }));
    const state = await daemon.event('app-state', { app: 'fetch-handler', code: 'TENANTD_E_APP_NOT_LISTENING' });
    expect(state['reason']).toBe('did not answer /throw with 2xx or 3xx within 3 s');
    expect(String(state['lastLines'])).toContain('thrown by the handler');
  });

  test('comes back at once when its worker is killed', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('app-state', { state: 'running' });
    const from = daemon.events.length;
    const killedAtMs = performance.now();
    process.kill(daemon.pid('answers.w1' as WorkerId) ?? 0, 'SIGKILL');
    const state = await daemon.event('app-state', { state: 'starting' }, from);
    expect(state['reason']).toMatch(/^was killed by SIGKILL after /);
    await daemon.event('worker-ready', { workerId: 'answers.w2' });
    expect(performance.now() - killedAtMs).toBeLessThan(1_000);
    await daemon.event('app-state', { state: 'running', restarts: 1 }, from);
  });

  test('throws later: back again, and the stack is in the reason', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('throws-later'));
    await daemon.event('worker-ready', { workerId: 'throws-later.w1' });
    await ask(daemon.path('sockets', '1.sock'), '/throw');
    const state = await daemon.event('app-state', { reason: /^exited with code 1 after/ });
    expect(String(state['lastLines'])).toContain('Error: thrown later');
    await daemon.event('worker-ready', { workerId: 'throws-later.w2' });
  });
});

describe('an app that does not start', () => {
  test('exits at once: failed, with its last lines and the time of the next try, later and later', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('exits-at-once'));
    const first = await daemon.event('app-state', { state: 'failed' });
    expect(first).toMatchObject({ code: 'TENANTD_E_APP_FAILED', lastLines: ['reading the configuration', 'DATABASE_URL is not set'] });
    expect(first['reason']).toMatch(/^exited with code 1 after \d+ ms$/);
    const second = await daemon.event('app-state', { state: 'failed', failures: 3 });
    const [firstTry, secondTry] = [Number(first['nextTryAtMs']), Number(second['nextTryAtMs'])];
    expect(secondTry - firstTry).toBeGreaterThan(700);
    expect(second['restarts']).toBe(2);
  });

  test('has ended before the host knew that it was started: tried again all the same', async () => {
    await using daemon = await startTenant();
    daemon.answersLate = true;
    await daemon.configure(appSpec('exits-at-once'));
    const state = await daemon.event('app-state', { state: 'failed', failures: 2 });
    expect(state).toMatchObject({ restarts: 1, reason: expect.stringMatching(/^exited with code 1 after/) as string });
    expect(daemon.events.filter(({ params }) => params['code'] === 'TENANTD_E_APP_NOT_LISTENING')).toEqual([]);
  });

  test('ends by itself with 0: a failure too', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('ends-by-itself'));
    const state = await daemon.event('app-state', { state: 'failed' });
    expect(state).toMatchObject({
      reason: expect.stringMatching(/^ended by itself without listening after/) as string,
      lastLines: ['nothing to do'],
    });
  });

  test('never listens: stopped after its time, with what it printed', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('never-listens', { startTimeoutMs: 3_000 }));
    const state = await daemon.event('app-state', { code: 'TENANTD_E_APP_NOT_LISTENING' });
    expect(state).toMatchObject({ reason: 'did not listen within 3 s', lastLines: ['waiting for something that never comes'] });
  });

  test('does no harm to another app', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('exits-at-once'), appSpec('answers'));
    await daemon.event('app-state', { app: 'answers', state: 'running' });
    await daemon.event('app-state', { app: 'exits-at-once', state: 'failed' });
    expect(
      daemon.workers
        .values()
        .filter(({ info }) => info.app === 'answers')
        .toArray(),
    ).toHaveLength(1);
  });
});

describe('another generation', () => {
  test('is started beside the old one, which is stopped when the new one is ready', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('app-state', { state: 'running' });
    await daemon.configure(appSpec('answers', { generation: 2 }));
    await daemon.event('worker-ready', { workerId: 'answers.w2' });
    await daemon.until('end of the old one', () => daemon.pid('answers.w1' as WorkerId) === undefined);
    const told = daemon.events.filter(({ name }) => name === 'app-state').map(({ params }) => [params['state'], params['generation']]);
    expect(told).toEqual([
      ['starting', 1],
      ['running', 1],
      ['running', 2],
    ]);
  });

  test('that fails leaves the old one serving, and says so', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('app-state', { state: 'running' });
    writeFileSync(daemon.path('apps', 'answers', 'server.js'), 'throw new Error("broken release")');
    await daemon.configure(appSpec('answers', { generation: 2 }));
    const state = await daemon.event('app-state', { state: 'running', reason: /^the new version exited with code 1/ });
    expect(state['reason']).toContain('the one before it goes on serving');
    expect(String(state['lastLines'])).toContain('broken release');
    expect(await body(daemon, '1.sock')).toContain('127.0.0.1');
  });
});

describe('an app that is to stop', () => {
  test('is stopped, and so is one that is no longer there', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'), appSpec('listens-twice'));
    await daemon.event('worker-ready', { workerId: 'answers.w1' });
    await daemon.event('worker-ready', { workerId: 'listens-twice.w2' });
    await daemon.configure(appSpec('answers', { desired: 'stopped' }));
    await daemon.event('app-state', { app: 'answers', state: 'stopped' });
    await daemon.until('end of all workers', () => daemon.workers.size === 0);
    await daemon.configure(appSpec('answers'));
    await daemon.event('worker-ready', { workerId: 'answers.w3' });
    expect([...daemon.workers.keys()]).toEqual(['answers.w3']);
  });
});

describe('a health path', () => {
  test('that stops to answer gets the worker replaced', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('sickens', { health: { path: '/healthz', intervalMs: 50 } }));
    await daemon.event('worker-ready', { workerId: 'sickens.w1' });
    await ask(daemon.path('sockets', '1.sock'), '/sicken');
    await daemon.event('app-state', { state: 'running', reason: 'a worker did not answer its health check /healthz 3 times in a row' });
    await daemon.event('worker-ready', { workerId: 'sickens.w2' });
    await daemon.until('end of the ill one', () => daemon.pid('sickens.w1' as WorkerId) === undefined);
    await daemon.event('app-state', { state: 'running', reason: undefined, restarts: 1 });
    expect([...daemon.workers.keys()]).toEqual(['sickens.w2']);
  });
});

describe('a host that ends', () => {
  test('harms no worker, and the next one takes them over', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('app-state', { state: 'running' });
    await daemon.killHost('SIGKILL');
    expect(await body(daemon, '1.sock')).toContain('127.0.0.1');
    const from = daemon.events.length;
    daemon.startHost();
    await daemon.event('app-state', { state: 'running' }, from);
    expect([...daemon.workers.keys()]).toEqual(['answers.w1']);
    process.kill(daemon.pid('answers.w1' as WorkerId) ?? 0, 'SIGKILL');
    await daemon.event('worker-ready', { workerId: 'answers.w2' });
  });

  test('before its worker was ready, does not make the next one miss it', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('worker-ready', { workerId: 'answers.w1' });
    await daemon.killHost('SIGKILL');
    const worker = daemon.workers.get('answers.w1' as WorkerId);
    if (worker) worker.info.ready = false;
    const from = daemon.events.length;
    daemon.startHost();
    await daemon.event('worker-ready', { workerId: 'answers.w1' }, from);
    expect(worker?.info.ready).toBe(true);
  });

  test('by SIGTERM or shutdown, has written its logs', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('exits-at-once'));
    await daemon.event('app-state', { reason: /^exited with code 1/ });
    expect(await daemon.killHost('SIGTERM')).toEqual([0, null]);
    expect(readFileSync(daemon.path('logs', 'exits-at-once.log'), 'utf8')).toContain('DATABASE_URL is not set');
    const from = daemon.events.length;
    daemon.startHost();
    // The next host has been told what runs, and says so.
    await daemon.event('app-state', {}, from);
    await daemon.ask('shutdown', {});
    expect(await daemon.killHost('SIGCONT')).toEqual([0, null]);
  });
});

describe('a daemon that is away', () => {
  test('is found again, told all again, and hears of those who ended meanwhile', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'), appSpec('throws-later'));
    await daemon.event('app-state', { app: 'answers', state: 'running' });
    await daemon.event('app-state', { app: 'throws-later', state: 'running' });
    await daemon.goAway();
    const lost = daemon.workers.values().find(({ info }) => info.app === 'throws-later');
    lost?.child.kill('SIGKILL');
    await daemon.until('its end', () => daemon.workers.size === 1);
    const from = daemon.events.length;
    rmSync(daemon.path('control.sock'), { force: true });
    await daemon.listen();
    await daemon.event('app-state', { app: 'answers', state: 'running' }, from);
    await daemon.event('app-state', { app: 'throws-later', reason: /it ended while the daemon was away/ }, from);
    await daemon.event('app-state', { app: 'throws-later', state: 'running', restarts: 1 }, from);
    expect([...daemon.workers.keys()]).toEqual(['answers.w1', 'throws-later.w3']);
  });
});

describe('a change of what decides how an app runs', () => {
  test('is told to the daemon, and other files are not', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'));
    await daemon.event('app-state', { state: 'running' });
    writeFileSync(daemon.path('apps', 'answers', 'notes.txt'), 'x');
    writeFileSync(daemon.path('apps', 'answers', 'app.yaml'), 'kind: node\n');
    await daemon.event('manifest-changed', { app: 'answers' });
    expect(daemon.events.filter(({ name }) => name === 'manifest-changed')).toHaveLength(1);
  });
});
