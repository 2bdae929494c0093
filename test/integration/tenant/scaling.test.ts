import { describe, expect, test } from 'vitest';
import type { AppName } from '../../../src/base/ids.ts';
import { ask } from '../worker/launched-worker.ts';
import { appSpec, startTenant, type TestDaemon } from './test-daemon.ts';

/** As the real daemon does, once a second. */
function tellLoad(daemon: TestDaemon, app: string, load: { open: number; waiting: number }): Disposable {
  const tell = (): void => daemon.tell('app-load', { apps: [{ app: app as AppName, ...load }] });
  const timer = setInterval(tell, 1_000);
  tell();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe('an app with a range of workers', () => {
  test('gets more under load, up to its ceiling, and another generation begins with as many', async () => {
    await using daemon = await startTenant();
    const spec = appSpec('answers', { workers: 1, maxWorkers: 3 });
    await daemon.configure(spec);
    await daemon.event('worker-ready', { workerId: 'answers.w1' });
    {
      using _ = tellLoad(daemon, 'answers', { open: 9, waiting: 4 });
      await daemon.event('worker-ready', { workerId: 'answers.w3' });
    }
    await daemon.configure({ ...spec, generation: 2 });
    await daemon.event('worker-ready', { workerId: 'answers.w6' });
    await daemon.until('the end of the old ones', () => daemon.workers.size === 3);
    expect([...daemon.workers.keys()]).toEqual(['answers.w4', 'answers.w5', 'answers.w6']);
  }, 60_000);

  test('hears from its workers how busy they are', async () => {
    await using daemon = await startTenant();
    daemon.settings['blocks'] = { kind: 'node', entry: 'server.js', reportLoad: true };
    await daemon.configure(appSpec('blocks', { workers: 1, maxWorkers: 2, health: { path: '/', intervalMs: 60_000 } }));
    await daemon.event('worker-ready', { workerId: 'blocks.w1' });
    ask(daemon.path('sockets', '1.sock'), '/block-soon').catch(() => undefined);
    // Nothing waits at the edge; but the loop is silent.
    using _ = tellLoad(daemon, 'blocks', { open: 2, waiting: 0 });
    await daemon.event('worker-ready', { workerId: 'blocks.w2' });
    expect([...daemon.workers.keys()]).toEqual(['blocks.w1', 'blocks.w2']);
  }, 60_000);
});
