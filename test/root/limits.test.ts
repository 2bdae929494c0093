import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

const mebibyte = 1 << 20;
const plans = `plans:
  starter: { memory: 128M, cpu: 0.5, processes: 64, requestsPerSecond: 0 }
  larger: { memory: 256M, cpu: 1, processes: 96, requestsPerSecond: 0 }
`;

describe('a tenant that takes all it can get', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ plans, tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  /** Runs `attack` while the other tenant is asked all the time: each answer must come, soon. */
  async function withoutHarmToBeta(attack: () => Promise<void>): Promise<void> {
    const before = await pidOf(daemon, 'beta/site');
    const over = new AbortController();
    let answers = 0;
    const asking = (async () => {
      while (!over.signal.aborted) {
        expect(await ask(daemon, 'beta/site', 'alive', { timeoutMs: 5_000 })).toMatchObject({ tenant: 'beta' });
        answers += 1;
      }
    })();
    await Promise.all([attack().finally(() => over.abort()), asking]);
    expect(answers).toBeGreaterThan(5);
    expect(await pidOf(daemon, 'beta/site')).toBe(before);
  }

  async function untilRestarted(pid: number): Promise<void> {
    await until(async () => ![0, pid].includes(await pidOf(daemon, 'alpha/site')), 'another worker is there', 20_000);
    await daemon.untilApps(['alpha/site']);
  }

  const logOf = async (at: string): Promise<string> => (await daemon.ctl('logs', at)).stdout;

  test('has the limits of its plan in the control groups of its living processes', async () => {
    const pids = [await pidOf(daemon, 'alpha/site'), (await daemon.tenant('alpha')).hostPid];
    for (const pid of pids) expect(limitsOf(pid)).toEqual({ memoryBytes: 128 * mebibyte, processes: 64, cores: 0.5 });
  });

  test('is ended at its memory, and the log says so; its host and its other apps go on', async () => {
    const [pid, host, shop] = [
      await pidOf(daemon, 'alpha/site'),
      (await daemon.tenant('alpha')).hostPid,
      await pidOf(daemon, 'alpha/shop'),
    ];
    await withoutHarmToBeta(async () => {
      await ask(daemon, 'alpha/site', 'hogMemory');
      await untilRestarted(pid);
    });
    expect(await logOf('alpha/site')).toMatch(/\[tenantd\] was ended at its memory limit/);
    expect((await daemon.tenant('alpha')).hostPid).toBe(host);
    expect(await ask(daemon, 'alpha/shop', 'alive')).toMatchObject({ app: 'shop' });
    expect(await pidOf(daemon, 'alpha/shop')).toBe(shop);
  });

  test('has its children ended at its memory too', async () => {
    await withoutHarmToBeta(async () => {
      const pid = await pidOf(daemon, 'alpha/site');
      // Where the kernel ends a whole group at once, the worker is gone with the child.
      const found = await ask<{ signal: string }>(daemon, 'alpha/site', 'hogMemoryInChild').catch(() => 'no answer' as const);
      expect([{ status: null, signal: 'SIGKILL' }, 'no answer']).toContainEqual(found);
      if (found === 'no answer') await untilRestarted(pid);
    });
    expect(await ask(daemon, 'alpha/site', 'alive')).toMatchObject({ app: 'site' });
  });

  test('is told when it was the heap of JavaScript that ended', async () => {
    const pid = await pidOf(daemon, 'alpha/shop');
    await ask(daemon, 'alpha/shop', 'hogHeap');
    await until(async () => ![0, pid].includes(await pidOf(daemon, 'alpha/shop')), 'another worker is there', 30_000);
    expect(await logOf('alpha/shop')).toMatch(/\[tenantd\] (?:ran out of JavaScript heap memory|was ended at its memory limit)/);
    await daemon.untilApps(['alpha/shop']);
  });

  test('makes no more processes than its plan has, and can be stopped and started while it holds them all', async () => {
    await withoutHarmToBeta(async () => {
      const { count, error } = await ask<{ count: number; error: string }>(daemon, 'alpha/site', 'forkMany', { input: { keep: true } });
      expect(error).toBe('EAGAIN');
      expect(count).toBeLessThan(64);
      expect((await daemon.ctl('app', 'stop', 'alpha/site')).code).toBe(0);
      expect((await daemon.ctl('app', 'start', 'alpha/site')).code).toBe(0);
    });
    await daemon.untilApps(['alpha/site', 'alpha/shop']);
  });

  test('is held back at its share of the processor', async () => {
    const pid = await pidOf(daemon, 'alpha/site');
    const before = throttledOf(pid);
    const startedMs = performance.now();
    await withoutHarmToBeta(() => ask(daemon, 'alpha/site', 'useProcessor', { input: 0.4 }));
    expect(throttledOf(pid)).toBeGreaterThan(before);
    // 0.4 s of work at half a core; the first period is free.
    expect(performance.now() - startedMs).toBeGreaterThan(500);
  });

  test('finds its memory folders full, and its table of descriptors', async () => {
    for (const folder of ['/tmp', '/dev/shm']) {
      const { bytes, error } = await ask<{ bytes: number; error: string }>(daemon, 'alpha/site', 'fill', { input: folder });
      expect({ folder, error }).toEqual({ folder, error: 'ENOSPC' });
      expect(bytes).toBeLessThanOrEqual(32 * mebibyte);
      expect(bytes).toBeGreaterThan(16 * mebibyte);
    }
    const { count, error } = await ask<{ count: number; error: string }>(daemon, 'alpha/site', 'openMany');
    expect(error).toBe('EMFILE');
    // Node raises its soft limit to the hard one.
    expect(count).toBeLessThanOrEqual(65_536);
  });

  test('gets other limits where it runs when its plan is changed, and keeps its workers in a larger one', async () => {
    const worker = await pidOf(daemon, 'beta/site');
    const host = (await daemon.tenant('beta')).hostPid;
    daemon.writeTenant('beta', { 'tenant.yaml': 'domains: [beta.test]\nlimits: { cpu: 0.75, processes: 80 }\n' });
    await until(() => limitsOf(host).processes === 80, 'the running tenant has its new limits');
    expect(limitsOf(worker)).toEqual({ memoryBytes: 128 * mebibyte, processes: 80, cores: 0.75 });
    await daemon.ctl('reload');
    expect(await pidOf(daemon, 'beta/site')).toBe(worker);

    daemon.writeTenant('beta', { 'tenant.yaml': 'domains: [beta.test]\nplan: larger\n' });
    await until(() => limitsOf(host).memoryBytes === 256 * mebibyte, 'the running tenant has its new plan');
    await daemon.ctl('reload');
    expect(limitsOf(worker)).toEqual({ memoryBytes: 256 * mebibyte, processes: 96, cores: 1 });
    expect(await pidOf(daemon, 'beta/site')).toBe(worker);
    // The heap of a worker and the size of its /tmp are set from the plan when it is started.
    expect((await daemon.tenant('beta')).problems).toMatchObject([
      { code: 'TENANTD_E_RESTART_NEEDED', app: 'site', fix: expect.stringContaining('tenantctl app restart beta/site') },
    ]);
    expect((await daemon.ctl('app', 'restart', 'beta/site')).code).toBe(0);
    expect((await daemon.tenant('beta')).problems).toEqual([]);
    expect((await daemon.tenant('beta')).hostPid).toBe(host);
    expect(await pidOf(daemon, 'beta/site')).not.toBe(worker);
  });

  test('gets a smaller plan also while it uses more than that has', async () => {
    await ask(daemon, 'beta/site', 'holdMemory', { input: 120 });
    const before = await pidOf(daemon, 'beta/site');
    expect(limitsOf(before).memoryBytes).toBe(256 * mebibyte);
    daemon.writeTenant('beta', { 'tenant.yaml': 'domains: [beta.test]\nlimits: { memory: 96M }\n' });
    const host = (await daemon.tenant('beta')).hostPid;
    await until(() => limitsOf(host).memoryBytes === 96 * mebibyte, 'the running tenant has its new plan', 20_000);
    await until(async () => ![0, before].includes(await pidOf(daemon, 'beta/site')), 'another worker is there');
    await daemon.untilApps(['beta/site']);
    await until(async () => (await daemon.tenant('beta')).problems.length === 0, 'nothing is wrong any more');
  });
});

/** As the kernel has them for a living process: from the groups that /proc/PID/cgroup names, or the tenant's above. */
function limitsOf(pid: number) {
  const { version, memory, pids, cpu } = tenantGroupsOf(pid);
  const read = (path: string): string => readFileSync(path, 'utf8').trim();
  if (version === 2) {
    const [quota = '', period = ''] = read(`${cpu}/cpu.max`).split(' ');
    return {
      memoryBytes: Number(read(`${memory}/memory.max`)),
      processes: Number(read(`${pids}/pids.max`)),
      cores: Number(quota) / Number(period),
    };
  }
  const cores = Number(read(`${cpu}/cpu.cfs_quota_us`)) / Number(read(`${cpu}/cpu.cfs_period_us`));
  return { memoryBytes: Number(read(`${memory}/memory.limit_in_bytes`)), processes: Number(read(`${pids}/pids.max`)), cores };
}

function throttledOf(pid: number): number {
  return Number(/^nr_throttled (\d+)$/m.exec(readFileSync(`${tenantGroupsOf(pid).cpu}/cpu.stat`, 'utf8'))?.[1]);
}

/** The tenant's group is the one above the sandbox' own. */
function tenantGroupsOf(pid: number): { version: 1 | 2; memory: string; pids: string; cpu: string } {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(':'));
  const pathOf = (controller: string): string | undefined =>
    lines.find(([, controllers]) => controllers?.split(',').includes(controller))?.[2];
  const above = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  const [memory, pids, cpu] = ['memory', 'pids', 'cpu'].map(pathOf);
  if (memory?.includes('/tenantd-') && pids && cpu) {
    return {
      version: 1,
      memory: `/sys/fs/cgroup/memory${above(memory)}`,
      pids: `/sys/fs/cgroup/pids${above(pids)}`,
      cpu: `/sys/fs/cgroup/cpu${above(cpu)}`,
    };
  }
  const unified = `/sys/fs/cgroup${above(pathOf('') ?? '')}`;
  return { version: 2, memory: unified, pids: unified, cpu: unified };
}
