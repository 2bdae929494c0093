import { statSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AppName } from '../../../src/base/ids.ts';
import { ask } from '../worker/launched-worker.ts';
import { appSpec, startTenant } from './test-daemon.ts';

const app = (name: string): AppName => name as AppName;

function residentKb(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

describe('what apps print', () => {
  test('is read back, for one app and for all', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers'), appSpec('exits-at-once'));
    await daemon.event('app-state', { app: 'exits-at-once', state: 'failed' });
    await daemon.event('app-state', { app: 'answers', state: 'running' });
    const { lines } = await daemon.ask('read-logs', { app: app('exits-at-once'), lines: 3 });
    expect(lines.map(({ line }) => line.replace(/after .+$/, 'after a while'))).toEqual([
      'reading the configuration',
      'DATABASE_URL is not set',
      '[tenantd] exited with code 1 after a while',
    ]);
    const all = await daemon.ask('read-logs', { lines: 100 });
    expect(new Set(all.lines.map((line) => line.app))).toEqual(new Set(['answers', 'exits-at-once']));
  });

  test('is followed until the reader has enough', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('answers', { desired: 'stopped' }), appSpec('throws-later'));
    await daemon.event('app-state', { app: 'throws-later', state: 'running' });
    await daemon.ask('follow-logs', { app: app('throws-later'), followId: 7, after: {} });
    await daemon.ask('follow-logs', { app: app('answers'), followId: 8, after: {} });
    await ask(daemon.path('sockets', '1.sock'), '/throw');
    const { lines } = await daemon.event('log-lines', { followId: 7 });
    expect(JSON.stringify(lines)).toContain('thrown later');
    await daemon.ask('unfollow-logs', { followId: 7 });
    const from = daemon.events.length;
    await daemon.configure(appSpec('answers'), appSpec('throws-later'));
    await daemon.event('log-lines', { followId: 8 }, from);
    expect(daemon.events.slice(from).some(({ params }) => params['followId'] === 7)).toBe(false);
  });

  test('may be a flood: it is cut to its size on disk, and the host stays small and answers', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('floods-stdout'), appSpec('answers'));
    await daemon.event('app-state', { app: 'floods-stdout', state: 'running' });
    await daemon.event('app-state', { app: 'answers', state: 'running' });
    const beforeKb = residentKb(daemon.host?.pid);
    await daemon.ask('follow-logs', { app: app('floods-stdout'), followId: 1, after: {} });
    for (let messages = 0, from = 0; messages < 20; messages += 1) {
      await daemon.event('log-lines', { followId: 1 }, from);
      from = daemon.events.length;
    }
    const { lines } = await daemon.ask('read-logs', { app: app('floods-stdout'), lines: 10_000 });
    expect(lines.length).toBeGreaterThan(500);
    const sizes = ['', '.1', '.2'].map((suffix) => statSync(daemon.path('logs', `floods-stdout.log${suffix}`)).size);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(1_100_000);
    expect(() => statSync(daemon.path('logs', 'floods-stdout.log.3'))).toThrow('ENOENT');
    expect(residentKb(daemon.host?.pid) - beforeKb).toBeLessThan(60_000);
    expect((await ask(daemon.path('sockets', '2.sock'), '/')).status).toBe(200);
  });
});
