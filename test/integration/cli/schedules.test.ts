import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { ScheduleInfo, ScheduleRun } from '../../../src/protocol/schedule-calls.ts';
import { startControlPeer } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

const run: ScheduleRun = {
  ...{ schedule: 'digest', dueAt: '2026-11-21T07:00:00.000Z', cause: 'manual', outcome: 'done', status: 200, durationMs: 12 },
};
const schedule: ScheduleInfo = {
  ...{ tenant: 'acme', app: 'site', name: 'digest', cron: '0 7 * * *', timezone: 'UTC', path: '/jobs', timeoutMs: 300_000 },
  ...{ overlap: 'skip', missed: 'skip', open: [] },
};

async function ctl(answer: (params: unknown) => unknown, ...args: string[]) {
  const peer = await startControlPeer({ 'schedule-list': answer, 'schedule-run': answer, 'schedule-history': answer });
  return { ...(await runTenantctl(['--config', peer.configFile, 'schedule', ...args])), calls: peer.calls };
}

describe('tenantctl schedule', () => {
  test.each([
    [['list'], {}],
    [['list', 'acme'], { tenant: 'acme' }],
    [['list', 'acme/site'], { tenant: 'acme', app: 'site' }],
  ])('%j shows those of whom it is asked about', async (args, params) => {
    const { exitCode, stdout, calls } = await ctl(() => ({ schedules: [schedule] }), ...args);
    expect([exitCode, calls]).toEqual([0, [{ method: 'schedule-list', params }]]);
    expect(stdout).toBe('  SCHEDULE  NEXT     WHEN\nacme/site\n  digest    stopped  0 7 * * *\n');
  });

  test('run waits, and its exit code says whether it went well', async () => {
    const good = await ctl(() => ({ run }), 'run', 'acme/site', 'digest');
    expect([good.exitCode, good.stdout]).toEqual([0, 'acme/site digest: done in 12 ms, answered 200\n']);
    expect(good.calls).toEqual([{ method: 'schedule-run', params: { tenant: 'acme', app: 'site', name: 'digest', wait: true } }]);
    const bad = await ctl(() => ({ run: { ...run, outcome: 'failed' } }), 'run', 'acme/site', 'digest', '--json');
    expect([bad.exitCode, JSON.parse(bad.stdout)]).toEqual([1, { tenant: 'acme', app: 'site', ...run, outcome: 'failed' }]);
  });

  test.each([
    ['waiting', 0],
    ['running', 0],
    ['skipped', 1],
  ])('run --no-wait of one that is %s ends with %d', async (outcome, code) => {
    const { exitCode, calls } = await ctl(() => ({ run: { ...run, outcome } }), 'run', 'acme/site', 'digest', '--no-wait');
    expect([exitCode, calls]).toMatchObject([code, [{ params: { wait: false } }]]);
  });

  test('history shows the last twenty, or as many as it is asked for', async () => {
    const { exitCode, stdout, calls } = await ctl(() => ({ runs: [run] }), 'history', 'acme/site', 'digest');
    expect([exitCode, calls]).toEqual([
      0,
      [{ method: 'schedule-history', params: { tenant: 'acme', app: 'site', name: 'digest', runs: 20 } }],
    ]);
    expect(stdout).toContain('digest    2026-11-21 07:00:00  by hand  done     12 ms  200');
    const all = await ctl(() => ({ runs: [] }), 'history', 'acme/site', '-n', '1600', '--json');
    expect([all.calls, JSON.parse(all.stdout)]).toEqual([
      [{ method: 'schedule-history', params: { tenant: 'acme', app: 'site', runs: 1_600 } }],
      { runs: [] },
    ]);
  });

  test.each([
    [['history', 'acme/site', '-n', '0'], 2, 'give a number from 1 to 1600'],
    [['run', 'acme/site'], 2, "missing required argument 'name'"],
    [['run', 'acme', 'digest'], 2, 'TENANT/APP'],
    [['run', 'acme/site', 'Digest'], 1, 'acme/site has no schedule "Digest"'],
  ])('%j is refused without a word to the daemon', async (args, code, message) => {
    const { exitCode, stderr, calls } = await ctl(() => ({}), ...args);
    expect([exitCode, calls]).toEqual([code, []]);
    expect(stderr).toContain(message);
  });

  test('says what the daemon says', async () => {
    const refuse = (): never => {
      throw new TenantdError('TENANTD_E_NO_SUCH_SCHEDULE', 'acme/site has no schedule digest', 'see tenantctl schedule list acme/site');
    };
    const { exitCode, stderr } = await ctl(refuse, 'run', 'acme/site', 'digest');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('TENANTD_E_NO_SUCH_SCHEDULE')]);
  });
});
