import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultsResult } from '../../src/protocol/fault-calls.ts';
import type { PlanListResult, PlanShowResult } from '../../src/protocol/plan-calls.ts';
import { request } from '../support/client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

const mebibyte = 1 << 20;
const planOf = (limits: string): string => `plans: { starter: { ${limits} }, other: { memory: 64M } }`;
const before = 'memory: 128M, cpu: 0.5, processes: 64, disk: 32M, files: 500, requestsPerSecond: 0, bodySize: 1M';
const after = 'memory: 192M, cpu: 0.75, processes: 80, disk: 48M, files: 500, requestsPerSecond: 0, bodySize: 1K';

describe('a plan', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    const tenants = { alpha: probeTenant('alpha'), beta: probeTenant('beta', ['site'], 'limits: { processes: 70 }\n') };
    daemon = await startTestDaemon({ plans: planOf(before), tenants });
    await daemon.untilApps(['alpha/site', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  /** tenantd.yaml, as an operator saves it. */
  function change(limits: string): void {
    writeFileSync(daemon.configFile, readFileSync(daemon.configFile, 'utf8').replace(/^plans: .*$/m, planOf(limits)));
  }

  async function json<Result>(...args: string[]): Promise<Result> {
    const { stdout, code } = await daemon.ctl(...args, '--json');
    expect(code).toBe(0);
    return JSON.parse(stdout) as Result;
  }

  const shown = (tenant: string): Promise<PlanShowResult> => json('plan', 'show', '--tenant', tenant);
  const nowOf = async (tenant: string): Promise<Record<string, number | undefined>> =>
    Object.fromEntries((await shown(tenant)).limits.map(({ key, now }) => [key, now]));
  const post = async (bytes: number): Promise<number> =>
    (await request(daemon.port, { host: 'alpha.test', path: '/site', method: 'POST', body: `{"probe":"alive"}${' '.repeat(bytes)}` }))
      .status;

  /** As the kernel itself says, at the files that `plan show` names. */
  async function kernelOf(tenant: string): Promise<Record<string, string>> {
    const { limits } = await shown(tenant);
    return Object.fromEntries(
      limits.flatMap(({ key, source }) => (source === undefined ? [] : [[key, readFileSync(source, 'utf8').trim()]])),
    );
  }

  test('is listed with who has it, and shown as the kernel has it for a tenant', async () => {
    const { plans } = await json<PlanListResult>('plan', 'list');
    expect(plans).toMatchObject([
      { name: 'starter', isDefault: true, tenants: ['alpha', 'beta'], limits: { memory: 128 * mebibyte, cpu: 0.5, files: 500 } },
      { name: 'other', isDefault: false, tenants: [] },
    ]);
    expect(await nowOf('alpha')).toMatchObject({ memory: 128 * mebibyte, cpu: 0.5, processes: 64, disk: 32 * mebibyte });
    expect((await shown('beta')).limits).toContainEqual(
      expect.objectContaining({ key: 'processes', plan: 64, own: 70, now: 70, used: expect.any(Number) }),
    );
    for (const args of [['list'], ['show', 'starter'], ['show', '--tenant', 'beta']]) {
      const { stdout } = await daemon.ctl('plan', ...args);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
      expect(stdout).toContain('starter');
    }
    expect((await daemon.ctl('plan', 'show', 'startr')).stderr).toContain('did you mean starter?');
  });

  test('that grows counts at once where its tenants run, with the same processes', async () => {
    const pids = await Promise.all([pidOf(daemon, 'alpha/site'), daemon.tenant('alpha').then(({ hostPid }) => hostPid)]);
    const kernel = await kernelOf('alpha');
    expect(await post(2_000)).toBe(200);
    change(after);
    await until(async () => (await nowOf('alpha'))['memory'] === 192 * mebibyte, 'the running tenant has its new limits');
    await daemon.ctl('reload');
    expect(await nowOf('alpha')).toMatchObject({ memory: 192 * mebibyte, cpu: 0.75, processes: 80, disk: 48 * mebibyte });
    const changed = await kernelOf('alpha');
    expect(Object.keys(kernel).filter((key) => kernel[key] !== changed[key])).toEqual(['memory', 'cpu', 'processes']);
    expect((await ask<{ freeBytes: number }>(daemon, 'alpha/site', 'room', { input: '/data' })).freeBytes).toBeGreaterThan(40 * mebibyte);
    expect(await post(2_000)).toBe(413);
    // Its own limit goes before the plan's.
    expect(await nowOf('beta')).toMatchObject({ memory: 192 * mebibyte, processes: 70 });
    expect([await pidOf(daemon, 'alpha/site'), (await daemon.tenant('alpha')).hostPid]).toEqual(pids);
  });

  test('that grew leaves heap and /tmp of what runs as they are, and says so until there are new workers', async () => {
    const { workers } = await shown('alpha');
    expect(workers).toMatchObject([{ app: 'site', heapMegabytes: 96, wanted: { heapMegabytes: 144 } }]);
    expect((await daemon.tenant('alpha')).problems).toMatchObject([{ code: 'TENANTD_E_RESTART_NEEDED', app: 'site' }]);
    expect((await daemon.ctl('plan', 'show', '--tenant', 'alpha')).stdout).toContain('heap 96 MiB');
    await daemon.kill();
    await daemon.start();
    await daemon.untilApps(['alpha/site']);
    expect((await daemon.tenant('alpha')).problems).toMatchObject([{ code: 'TENANTD_E_RESTART_NEEDED', app: 'site' }]);
    expect((await daemon.ctl('app', 'restart', 'alpha/site')).code).toBe(0);
    expect((await daemon.tenant('alpha')).problems).toEqual([]);
    expect((await shown('alpha')).workers).toMatchObject([{ heapMegabytes: 144, wanted: { heapMegabytes: 144 } }]);
  });

  test('that shrinks below what a tenant holds waits for it, says so, and ends nothing', async () => {
    const [neighbour, host] = [await pidOf(daemon, 'beta/site'), (await daemon.tenant('alpha')).hostPid];
    // Of a shell, which no new worker takes the place of.
    const holding = daemon.ctl('exec', 'alpha', '--', 'perl', '-e', 'push @held, "x" x (1 << 20) for 1 .. 90; sleep 20');
    await until(async () => (await daemon.tenant('alpha')).memoryBytes > 120 * mebibyte, 'it holds much');
    change('memory: 96M, cpu: 0.5, processes: 64, disk: 48M, files: 500, requestsPerSecond: 0');
    const codes = async (): Promise<string[]> => (await daemon.tenant('alpha')).problems.map(({ code }) => code);
    await until(async () => (await codes()).includes('TENANTD_E_LIMIT_WAITS'), 'status says that it waits');
    expect((await daemon.tenant('alpha')).state).toBe('running');
    expect((await nowOf('alpha'))['memory']).toBe(192 * mebibyte);
    expect(await nowOf('beta')).toMatchObject({ memory: 96 * mebibyte });
    expect(await holding).toMatchObject({ code: 0 });
    await until(async () => (await nowOf('alpha'))['memory'] === 96 * mebibyte, 'it fits, and has its new limit');
    const problems = async (): Promise<string> => JSON.stringify((await daemon.tenant('alpha')).problems);
    await until(async () => (await problems()) === '[]', 'nothing is wrong any more', 30_000, problems);
    expect((await daemon.tenant('alpha')).hostPid).toBe(host);
    const { faults } = await json<FaultsResult>('faults');
    // That of the smaller body before, and nobody was ended.
    expect(faults.map(({ kind }) => kind)).toEqual(['bodySize']);
    // A smaller heap is for new workers, beside which the old ones finish.
    await until(async () => ![0, neighbour].includes(await pidOf(daemon, 'beta/site')), 'workers with a smaller heap are there');
  });
});
