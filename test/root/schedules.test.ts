import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScheduleHistoryResult, ScheduleInfo, ScheduleListResult, ScheduleRun } from '../../src/protocol/schedule-calls.ts';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

/** A time that is far away, whenever this runs. */
const rarely = '"0 0 29 2 *"';

function scheduled(host: string, schedules: readonly string[], lines = ''): TenantFiles {
  return {
    'apps/site': { copy: repositoryPath('test/fixtures/apps/keeps-runs') },
    'apps/site/app.yaml': `kind: node\nentry: server.js\n${lines}schedule:\n${schedules.map((schedule) => `  - ${schedule}\n`).join('')}`,
    'tenant.yaml': `domains: [${host}]\n`,
  };
}

function entry(name: string, path: string, more = ''): string {
  return `{ name: ${name}, cron: ${rarely}, path: ${path}${more} }`;
}

async function historyOf(daemon: TestDaemon, tenant: string, name: string): Promise<ScheduleRun[]> {
  const { stdout } = await daemon.ctl('schedule', 'history', `${tenant}/site`, name, '--json');
  return (JSON.parse(stdout) as ScheduleHistoryResult).runs;
}

const outcomesOf = async (daemon: TestDaemon, tenant: string, name: string): Promise<string[]> =>
  (await historyOf(daemon, tenant, name)).map(({ outcome }) => outcome);

async function schedulesOf(daemon: TestDaemon, tenant: string): Promise<ScheduleInfo[]> {
  const { stdout } = await daemon.ctl('schedule', 'list', tenant, '--json');
  return (JSON.parse(stdout) as ScheduleListResult).schedules;
}

async function run(daemon: TestDaemon, tenant: string, name: string, ...options: string[]): Promise<{ code: number; outcome: string }> {
  const { code, stdout, stderr } = await daemon.ctl('schedule', 'run', `${tenant}/site`, name, '--json', ...options);
  if (!stdout.includes('"outcome"')) throw new Error(stdout + stderr);
  return { code, outcome: (JSON.parse(stdout) as ScheduleRun).outcome };
}

async function get(daemon: TestDaemon, host: string, path: string): Promise<string> {
  const { status, text } = await request(daemon.port, { host, path });
  if (status !== 200) throw new Error(`${host}${path}: ${status} ${text}`);
  return text;
}

/** As the app itself saw them. */
const seenRuns = async (daemon: TestDaemon, host: string): Promise<string[]> =>
  (await get(daemon, host, '/runs')).split('\n').filter((line) => line !== '');

const problemsOf = async (daemon: TestDaemon, tenant: string): Promise<string[]> =>
  (await daemon.tenant(tenant)).problems.flatMap(({ code, message }) => (code === 'TENANTD_E_SCHEDULE_FAILED' ? [message] : []));

describe('a schedule', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      tenants: {
        acme: scheduled('acme.test', [entry('quick', '/quick'), entry('slow', '/slow'), entry('flaky', '/flaky')]),
        globex: scheduled('globex.test', [entry('hang', '/hang', ', timeout: 1s'), entry('quick', '/quick')]),
        hooli: scheduled('hooli.test', [entry('quick', '/quick')], 'idle: 1s\n'),
      },
    });
    await daemon.untilApps(['acme/site', 'globex/site', 'hooli/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('is asked for by GET, under its name, which no client can give itself', async () => {
    expect(await run(daemon, 'acme', 'quick')).toEqual({ code: 0, outcome: 'done' });
    expect(await seenRuns(daemon, 'acme.test')).toEqual(['quick GET /quick']);
    const { text } = await request(daemon.port, {
      host: 'acme.test',
      path: '/headers',
      headers: { 'x-tenantd-schedule': 'x', X_TENANTD_SCHEDULE: 'x' },
    });
    expect(Object.keys(JSON.parse(text) as object).filter((name) => name.includes('schedule'))).toEqual([]);
    expect(await historyOf(daemon, 'acme', 'quick')).toMatchObject([{ outcome: 'done', cause: 'manual', status: 200 }]);
    expect((await daemon.app('acme', 'site')).schedules).toMatchObject([
      { name: 'quick', next: expect.stringContaining('-02-29T00:00:00.000Z'), last: { outcome: 'done' } },
      { name: 'slow' },
      { name: 'flaky' },
    ]);
  });

  test('wakes an app that sleeps', async () => {
    await daemon.untilApps(['hooli/site'], 'sleeping');
    await until(async () => (await daemon.tenant('hooli')).hostPid === 0, 'nothing of the tenant is left');
    expect(await run(daemon, 'hooli', 'quick')).toEqual({ code: 0, outcome: 'done' });
    expect(await seenRuns(daemon, 'hooli.test')).toEqual(['quick GET /quick']);
    await daemon.untilApps(['hooli/site'], 'sleeping');
  });

  test('that fails is a problem until it goes well', async () => {
    expect(await run(daemon, 'acme', 'flaky')).toEqual({ code: 1, outcome: 'failed' });
    expect(await problemsOf(daemon, 'acme')).toEqual([expect.stringMatching(/^site: the run of flaky at .* failed: answered 500$/)]);
    await get(daemon, 'acme.test', '/order/mended');
    expect(await run(daemon, 'acme', 'flaky')).toEqual({ code: 0, outcome: 'done' });
    expect(await problemsOf(daemon, 'acme')).toEqual([]);
  });

  test('that takes too long is ended, and a problem', async () => {
    expect(await run(daemon, 'globex', 'hang')).toEqual({ code: 1, outcome: 'timeout' });
    expect(await problemsOf(daemon, 'globex')).toEqual([expect.stringContaining('took too long')]);
    expect(await run(daemon, 'globex', 'quick')).toEqual({ code: 0, outcome: 'done' });
  });

  test('does not run beside itself, and once only: over a restart of its app, a change of its files, and a daemon that is killed', async () => {
    expect(await run(daemon, 'acme', 'slow', '--no-wait')).toMatchObject({ code: 0 });
    await until(async () => (await seenRuns(daemon, 'acme.test')).includes('slow GET /slow'), 'the app was asked');
    expect(await run(daemon, 'acme', 'slow')).toEqual({ code: 1, outcome: 'skipped' });
    // The old worker ends when its run does: nobody waits for that.
    expect((await daemon.ctl('app', 'restart', 'acme/site')).code).toBe(0);
    expect((await daemon.app('acme', 'site')).workers).toHaveLength(2);
    daemon.writeTenant('acme', scheduled('acme.test', [entry('quick', '/quick'), entry('slow', '/other')]));
    expect((await daemon.ctl('reload')).code).toBe(0);
    await daemon.kill();
    await daemon.start();
    expect((await schedulesOf(daemon, 'acme')).find(({ name }) => name === 'slow')?.open).toMatchObject([{ outcome: 'running' }]);
    await get(daemon, 'acme.test', '/order/finish');
    await until(async () => (await outcomesOf(daemon, 'acme', 'slow'))[1] === 'done', 'the run has ended');
    expect(await outcomesOf(daemon, 'acme', 'slow')).toEqual(['skipped', 'done']);
    expect((await seenRuns(daemon, 'acme.test')).filter((line) => line.startsWith('slow'))).toEqual(['slow GET /slow']);
  });

  test('of an app that is stopped does not run', async () => {
    expect((await daemon.ctl('app', 'stop', 'globex/site')).code).toBe(0);
    const { code, stderr } = await daemon.ctl('schedule', 'run', 'globex/site', 'quick');
    expect([code, stderr]).toEqual([1, expect.stringContaining('globex/site is stopped')]);
    expect((await schedulesOf(daemon, 'globex')).every(({ next }) => next === undefined)).toBe(true);
    expect((await daemon.ctl('app', 'start', 'globex/site')).code).toBe(0);
    expect(await run(daemon, 'globex', 'quick')).toEqual({ code: 0, outcome: 'done' });
  });

  test('is run by hand on record', () => {
    const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
    const rows = database.prepare("SELECT tenant, actor, after, outcome FROM audit WHERE action = 'schedule-run' ORDER BY sequence").all();
    database.close();
    expect(rows[0]).toMatchObject({
      tenant: 'acme',
      actor: 'operator',
      outcome: 'done',
      after: expect.stringContaining('"schedule":"quick"'),
    });
    expect(rows.some(({ tenant, outcome }) => tenant === 'globex' && String(outcome).startsWith('TENANTD_E_NO_SUCH_SCHEDULE'))).toBe(true);
  });

  test('there must be, for it to be run or shown', async () => {
    const { code, stderr } = await daemon.ctl('schedule', 'run', 'acme/site', 'gone');
    expect([code, stderr]).toEqual([1, expect.stringContaining('acme/site has no schedule gone')]);
    expect((await daemon.ctl('schedule', 'history', 'acme/site', 'gone')).stdout).toBe('acme/site gone: nothing has run yet\n');
    expect((await daemon.ctl('schedule', 'list', 'nobody')).code).toBe(1);
  });
});

test('what was missed while tenantd was not there runs once, by choice', async () => {
  const schedules = [entry('digest', '/quick', ', missed: run'), entry('sweep', '/quick')];
  await using daemon = await startTestDaemon({ tenants: { acme: scheduled('acme.test', schedules, 'idle: 1s\n') } });
  await daemon.untilApps(['acme/site'], 'sleeping');
  for (let count = 0; count < 2; count++) {
    await daemon.stop();
    if (count === 0) forget(`${daemon.directory}/state/state.db`);
    await daemon.start();
    await until(async () => (await outcomesOf(daemon, 'acme', 'digest'))[0] === 'done', 'the run has ended');
  }
  expect(await historyOf(daemon, 'acme', 'digest')).toMatchObject([
    { outcome: 'done', cause: 'missed', dueAt: expect.stringContaining('-02-29T00:00:00.000Z') },
  ]);
  expect(await outcomesOf(daemon, 'acme', 'sweep')).toEqual(['missed']);
  expect(await seenRuns(daemon, 'acme.test')).toEqual(['digest GET /quick']);
});

/** As if the daemon had looked at its schedules five years ago for the last time. */
function forget(file: string): void {
  const database = new DatabaseSync(file);
  database.exec('UPDATE schedules SET handled_ms = handled_ms - 5 * 366 * 86400000');
  database.close();
}
