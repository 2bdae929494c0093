import { describe, expect, test } from 'vitest';
import { starterPlan, limitsByKey } from '../../../src/config/plans.ts';
import type { PlanListResult, PlanShowResult } from '../../../src/protocol/plan-calls.ts';
import { startControlPeer } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

const limits = limitsByKey(starterPlan);
const list: PlanListResult = {
  plans: [
    { name: 'starter', isDefault: true, limits, tenants: ['acme', 'globex'] },
    { name: 'business', isDefault: false, limits: { ...limits, cpu: 2 }, tenants: [] },
  ],
};
const shown: PlanShowResult = {
  ...{ tenant: 'acme', plan: 'starter' },
  limits: Object.entries(limits).map(([key, plan]) => {
    if (key === 'memory') return { key, plan, own: 512 << 20, now: 256 << 20, used: 40 << 20, source: '/sys/fs/cgroup/memory.max' };
    return { key, plan };
  }),
  workers: [{ app: 'site', pid: 7, heapMegabytes: 192, tmpBytes: 64 << 20, wanted: { heapMegabytes: 384, tmpBytes: 128 << 20 } }],
};

async function ctl(...args: string[]) {
  const peer = await startControlPeer({ 'plan-list': () => list, 'plan-show': () => shown });
  return { ...(await runTenantctl(['--config', peer.configFile, 'plan', ...args])), calls: peer.calls };
}

describe('tenantctl plan', () => {
  test('list shows each plan with its limits and how many tenants have it', async () => {
    const { exitCode, stdout } = await ctl('list');
    expect(exitCode).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['PLAN', 'MEMORY', 'CPU', 'PROCESSES', 'DISK', 'REQUESTS/S', 'TENANTS'],
      ['starter', '256 MiB', '0.5', '128', '1.0 GiB', '50', '2', 'default'],
      ['business', '256 MiB', '2', '128', '1.0 GiB', '50', '0'],
      [''],
    ]);
  });

  test('show shows all limits of a plan, and who has it', async () => {
    const { stdout, calls } = await ctl('show', 'starter');
    expect(calls).toEqual([{ method: 'plan-list', params: {} }]);
    expect(stdout).toContain('starter, the default plan\n2 tenants: acme, globex\n');
    for (const key of Object.keys(limits)) expect(stdout).toMatch(new RegExp(`^  ${key} +\\S`, 'm'));
    expect(stdout).toMatch(/^ {2}requestTimeout +none$/m);
    expect((await ctl('show', 'business')).stdout).toContain('no tenant has it');
  });

  test('show --tenant shows its plan, its own limits, what the kernel has, and workers of another size', async () => {
    const { stdout, calls } = await ctl('show', '--tenant', 'acme');
    expect(calls).toEqual([{ method: 'plan-show', params: { tenant: 'acme' } }]);
    expect(stdout).toMatch(/^ {2}LIMIT +PLAN +OWN +NOW +USED$/m);
    expect(stdout).toMatch(/^ {2}memory +256 MiB +512 MiB +256 MiB +40 MiB$/m);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('worker 7 of site: heap 192 MiB, /tmp 64 MiB; a new one: heap 384 MiB, /tmp 128 MiB');
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test.each([
    [['list'], list],
    [['show', 'starter'], list.plans[0]],
    [['show', '--tenant', 'acme'], shown],
  ])('%j --json prints what the daemon said', async (args, expected) => {
    expect(JSON.parse((await ctl(...args, '--json')).stdout)).toEqual(expected);
  });

  test.each([
    [['show'], 2, 'name a plan, or a tenant by --tenant'],
    [['show', 'starter', '--tenant', 'acme'], 2, 'name a plan, or a tenant by --tenant'],
    [['show', 'bussiness'], 1, 'did you mean business?'],
    [['show', '--tenant', 'ACME'], 1, 'there is no tenant'],
  ])('%j ends with %d', async (args, code, message) => {
    const { exitCode, stderr } = await ctl(...args);
    expect(exitCode).toBe(code);
    expect(stderr).toContain(message);
  });
});
