import { describe, expect, test } from 'vitest';
import { appSpec, startTenant } from './test-daemon.ts';

describe('an app that crashes again and again', () => {
  test('is quarantined, says why and until when, and another generation ends that at once', async () => {
    await using daemon = await startTenant();
    await daemon.configure(appSpec('exits-at-once'), appSpec('answers'));
    const state = await daemon.event('app-state', { app: 'exits-at-once', state: 'quarantined' });
    expect(state).toMatchObject({ generation: 1, failures: 5, restarts: 4, code: 'TENANTD_E_APP_FAILED' });
    expect(state['reason']).toMatch(/^exited with code 1 after/);
    expect(state['lastLines']).toEqual(['reading the configuration', 'DATABASE_URL is not set']);
    const toNextMs = Number(state['nextTryAtMs']) - Date.now();
    expect(toNextMs).toBeGreaterThan(20_000);
    expect(toNextMs).toBeLessThanOrEqual(60_000);
    expect(
      daemon.workers
        .values()
        .map(({ info }) => info.app)
        .toArray(),
    ).toEqual(['answers']);

    const from = daemon.events.length;
    await daemon.configure(appSpec('exits-at-once', { generation: 2 }), appSpec('answers'));
    await daemon.event('app-state', { app: 'exits-at-once', generation: 2, failures: 1 }, from);
  }, 60_000);
});
