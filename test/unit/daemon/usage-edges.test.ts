import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { EdgeUsage } from '../../../src/protocol/edge-usage.ts';
import { openStore } from '../../../src/daemon/store.ts';
import { UsageBook } from '../../../src/daemon/usage-book.ts';
import { createEdgeUsage } from '../../../src/daemon/usage-edges.ts';
import { createUsageOperations } from '../../../src/daemon/usage-operations.ts';
import { openUsageRows } from '../../../src/daemon/usage-rows.ts';
import type { UsageResult } from '../../../src/protocol/usage-calls.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const site = 'site' as AppName;

function openWorld(folder = temporaryFolder()) {
  const { log, entries } = createRecordingLog();
  const store = openStore(`${folder}/state.db`, { first: 200_000, count: 100, isTaken: () => false });
  store.uidOf(acme, '');
  store.setApp(acme, site, { manifest: {}, generationKey: '', generation: 1, release: 'local' });
  const rows = openUsageRows(`${folder}/usage.db`, log);
  const book = new UsageBook({ rows, log, nowMs: () => Date.UTC(2026, 2, 5, 13) });
  const edges = createEdgeUsage({ book, store, log });
  return { book, edges, rows, entries, restart: () => (store.close(), rows.close(), openWorld(folder)) };
}

const row = (tenant: string, app: string, requests = 1): EdgeUsage => ({
  ...{ tenant, app, requests: [0, 0, requests, 0, 0, 0], bytesIn: requests, bytesOut: requests },
});

describe('a batch of an edge master', () => {
  test('counts once, however often it comes, and is answered when it is written', async () => {
    const { book, edges } = openWorld();
    const answers = [1, 2, 1, 2].map((number) => edges.take('m1', { number, usage: [row('acme', 'site')] }));
    expect(book.totalOf('acme', 'site').requests).toBe(2);
    book.write();
    await Promise.all(answers);
    await edges.take('m1', { number: 2, usage: [row('acme', 'site')] });
    expect(book.totalOf('acme', 'site').requests).toBe(2);
    expect(edges.requestsOf('acme', 'site')).toEqual([0, 0, 2, 0, 0, 0]);
  });

  test('that was written counts no more for the next daemon, and one that was not counts', () => {
    const first = openWorld();
    void first.edges.take('m1', { number: 1, usage: [row('acme', 'site')] });
    first.book.write();
    void first.edges.take('m1', { number: 2, usage: [row('acme', 'site')] });
    const second = first.restart();
    for (const number of [1, 2]) void second.edges.take('m1', { number, usage: [row('acme', 'site')] });
    expect(second.book.totalOf('acme', 'site').requests).toBe(1);
  });

  test('has numbers of its own', () => {
    const { book, edges } = openWorld();
    for (const master of ['m1', 'm2']) void edges.take(master, { number: 1, usage: [row('acme', 'site')] });
    expect(book.totalOf('acme', 'site').requests).toBe(2);
  });

  test('counts for the tenant where the app is not known, and for nobody where the tenant is not', () => {
    const { book, edges, entries } = openWorld();
    const usage = [row('acme', 'gone'), row('acme', '../x'), row('nobody', 'site'), row('', '')];
    void edges.take('m1', { number: 1, usage });
    expect(book.totalOf('acme', '').requests).toBe(2);
    expect(entries.map(({ fields }) => fields)).toEqual([
      { tenant: 'nobody', app: 'site' },
      { tenant: '', app: '' },
    ]);
  });
});

describe('usage', () => {
  const operations = ({ rows }: ReturnType<typeof openWorld>) =>
    createUsageOperations({
      usage: { rows, bringUpToDate: async () => {} },
      isTenant: (name) => name === 'acme',
      nowMs: () => Date.UTC(2026, 2, 31, 23),
    });
  const ask = async (world: ReturnType<typeof openWorld>, params: object): Promise<UsageResult> =>
    (await operations(world).usage({ by: 'month', byApp: false, ...params }, {} as never)) as UsageResult;

  test('is of the present month in UTC, or of the one that is named', async () => {
    const world = openWorld();
    void world.edges.take('m1', { number: 1, usage: [row('acme', 'site', 5), row('acme', '', 2)] });
    world.book.write();
    const whole = { from: '2026-03-01T00:00:00Z', to: '2026-04-01T00:00:00Z' };
    expect((await ask(world, {})).rows).toMatchObject([{ tenant: 'acme', requests: 7, ...whole }]);
    const day = { from: '2026-03-05T00:00:00Z', to: '2026-03-06T00:00:00Z' };
    expect((await ask(world, { by: 'day', byApp: true })).rows).toMatchObject([
      { app: '', requests: 2, ...day },
      { app: 'site', requests: 5, ...day },
    ]);
    expect((await ask(world, { by: 'hour' })).rows).toMatchObject([{ from: '2026-03-05T13:00:00Z', to: '2026-03-05T14:00:00Z' }]);
    expect(await ask(world, { month: '2026-02' })).toEqual({ month: '2026-02', rows: [] });
  });

  test('comes in pages, each row once', async () => {
    const world = openWorld();
    const apps = Array.from({ length: 3_000 }, (_, index) => `a${index}`);
    world.book.begin();
    for (const tenant of ['acme', 'globex', 'initech']) for (const app of apps) world.book.add(tenant, app, { requests: 1 });
    world.book.write();
    const seen: string[] = [];
    let pages = 0;
    for (let after: UsageResult['next']; ;) {
      const page = await ask(world, { byApp: true, after });
      seen.push(...page.rows.map(({ tenant, app }) => `${tenant}/${app}`));
      pages += 1;
      after = page.next;
      if (!after) break;
    }
    expect(pages).toBe(2);
    expect(new Set(seen).size).toBe(9_000);
    expect(seen).toHaveLength(9_000);
  });

  test('of a tenant that never was is refused, and of one that used nothing is nothing', async () => {
    const world = openWorld();
    await expect(ask(world, { tenant: 'nobody' })).rejects.toMatchObject({ code: 'TENANTD_E_NO_SUCH_TENANT' });
    expect((await ask(world, { tenant: 'acme' })).rows).toEqual([]);
  });
});
