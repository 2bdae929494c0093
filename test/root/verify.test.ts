import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { childrenOf } from '../../src/privileged/processes.ts';
import { until } from '../support/until.ts';
import {
  type Breakable,
  idsOf,
  loopOf,
  memberProcsOf,
  nameOf,
  overwriteEnvironment,
  raiseSwapLimit,
  startBreakable,
  tenantGroupOf,
} from './broken-layers.ts';

const run = promisify(execFile);

describe('what was broken by hand is found and named:', () => {
  let alpha: Breakable;
  beforeAll(async () => {
    alpha = await startBreakable();
  });
  afterAll(() => alpha?.daemon[Symbol.asyncDispose]());
  afterEach(async () => {
    await alpha.endStarted();
    await alpha.untilMended();
  });

  test('nothing is broken before', async () => {
    const { ok, checks, configurations, version, host } = await alpha.verify();
    expect(ok).toBe(true);
    expect(new Set(checks.map(({ layer }) => layer))).toEqual(
      new Set(['user', 'root', 'processes', 'syscalls', 'network', 'resources', 'disk', 'secrets']),
    );
    expect(new Set(checks.map(({ tenant }) => tenant))).toEqual(new Set(['', 'alpha', 'beta']));
    expect(new Set(checks.filter(({ tenant }) => tenant === 'alpha').map(({ subject }) => subject.split('.')[0]))).toEqual(
      new Set(['', 'host', 'worker site', 'worker shop']),
    );
    for (const { source, actual, expected } of checks) {
      expect(source).toMatch(/^(?:statfs )?\/(?:proc|sys)\//);
      expect([actual, expected]).not.toContain('');
    }
    expect(Object.keys(configurations).sort()).toEqual(['', 'alpha', 'beta']);
    expect([version, host]).not.toContain('');
  });

  test.each([
    ['resources.memory', 'memory', 'memory.limit_in_bytes', 'memory.max', String(1 << 30)],
    ['resources.processes', 'pids', 'pids.max', 'pids.max', 'max'],
    ['resources.cpu', 'cpu', 'cpu.cfs_quota_us', 'cpu.max', '-1'],
  ])('%s, when a limit is raised; and it is written back', async (id, controller, v1, v2, value) => {
    const file = tenantGroupOf((await alpha.daemon.tenant('alpha')).hostPid, controller, v1, v2);
    const before = readFileSync(file, 'utf8');
    if (id === 'resources.memory') raiseSwapLimit(file, value);
    writeFileSync(file, file.endsWith('cpu.max') ? 'max 100000' : value);
    const failed = await alpha.failures();
    expect(failed).toEqual([expect.objectContaining({ id, subject: '', source: file })]);
    expect(failed[0]?.actual).not.toBe(failed[0]?.expected);
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect((await alpha.verify()).ok).toBe(true);
  });

  test('resources.group, when a process is moved out of its group; and it is put back', async () => {
    const pid = await alpha.worker();
    const [file = ''] = memberProcsOf(pid);
    writeFileSync(file.replace(/\/tenantd-.*/, '/cgroup.procs'), String(pid));
    const [failed, ...others] = await alpha.failures();
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ id: 'resources.group', source: `/proc/${pid}/cgroup` });
    expect(failed?.actual).toContain(`pid ${pid}`);
    expect(readFileSync(file, 'utf8').split('\n')).toContain(String(pid));
    expect(await alpha.worker()).toBe(pid);
  });

  test('processes.strangers, when a foreign process is in the group of a tenant, in its network, or in its mounts', async () => {
    const inGroup = await alpha.start('/usr/bin/sleep', '600');
    for (const file of memberProcsOf(await alpha.worker())) writeFileSync(file, String(inGroup));
    const inNetwork = await alpha.start('/usr/bin/nsenter', `--net=/proc/${await alpha.worker()}/ns/net`, '/usr/bin/sleep', '600');
    const inMounts = await alpha.start('/usr/bin/nsenter', `--mount=/proc/${await alpha.worker()}/ns/mnt`, '/usr/bin/sleep', '600');
    await until(() => [inNetwork, inMounts].every((pid) => nameOf(pid) === 'sleep'), 'they are in there');
    const [failed, ...others] = await alpha.failures();
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ id: 'processes.strangers', expected: 'none' });
    expect(failed?.actual).toContain(`pid ${inGroup}, sleep, is in its control group`);
    expect(failed?.actual).toContain(`pid ${inNetwork}, sleep, is in its network`);
    expect(failed?.actual).toContain(`pid ${inMounts}, sleep, is in its mounts`);
    // They are not the daemon's to end.
    expect([inGroup, inNetwork, inMounts].map(nameOf)).toEqual(['sleep', 'sleep', 'sleep']);
  });

  test('root.mounts, when something is mounted; and a new worker takes the place', async () => {
    const pid = await alpha.worker();
    await run('nsenter', [`--mount=/proc/${pid}/ns/mnt`, 'mount', '-t', 'tmpfs', 'none', '/tmp']);
    const failed = await alpha.failures();
    expect(idsOf(failed)).toContain('root.mounts');
    expect(failed.find(({ id }) => id === 'root.mounts')?.actual).toBe('/tmp was mounted');
    await alpha.untilReplaced(pid);
  });

  test('disk.image, when something else is mounted where its data is', async () => {
    const pid = await alpha.worker();
    await run('nsenter', [`--mount=/proc/${pid}/ns/mnt`, 'mount', '-t', 'tmpfs', '-o', 'nosuid,nodev', 'none', '/data']);
    expect(idsOf(await alpha.failures())).toEqual(['disk.image', 'disk.room', 'root.data', 'root.mounts']);
    await alpha.untilReplaced(pid);
  });

  test('root.options, when a mount is made writable', async () => {
    const pid = await alpha.worker();
    await run('nsenter', [`--mount=/proc/${pid}/ns/mnt`, 'mount', '-o', 'remount,bind,rw,nosuid,nodev', '/usr']);
    const [failed, ...others] = await alpha.failures();
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ id: 'root.options', actual: '/usr without ro' });
    await alpha.untilReplaced(pid);
  });

  test('user and syscalls, when a process of root is in there, with capabilities, with the limits of the machine and without the filter', async () => {
    const pid = await alpha.worker();
    const entered = await alpha.start('/usr/bin/nsenter', `--pid=/proc/${pid}/ns/pid`, '/usr/bin/sleep', '600');
    await until(() => childrenOf(entered).length > 0, 'it is in there');
    const failed = await alpha.failures();
    expect(idsOf(failed)).toEqual([
      'resources.group',
      'resources.process-limits',
      'secrets.core-dumps',
      'syscalls.filter',
      'user.capabilities',
      'user.gid',
      'user.no-new-privileges',
      'user.uid',
    ]);
    await alpha.untilReplaced(pid);
  });

  test('disk.room, when the limit of its disk is taken away; and it is set again', async () => {
    const pid = await alpha.worker();
    const file = `/sys/fs/ext4/${loopOf(pid)}/reserved_clusters`;
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, '0');
    const failed = await alpha.failures();
    expect(idsOf(failed)).toEqual(['disk.room']);
    expect(new Set(failed.map(({ subject }) => subject.split('.')[0]))).toEqual(new Set(['host', 'worker shop', 'worker site']));
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect(await alpha.worker()).toBe(pid);
  });

  test('network.interfaces, when its network gets one', async () => {
    const pid = await alpha.worker();
    const inNetwork = (...args: string[]): Promise<unknown> => run('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', ...args]);
    await inNetwork('link', 'add', 'foreign0', 'type', 'veth', 'peer', 'name', 'foreign1');
    try {
      const failed = await alpha.failures();
      expect(idsOf(failed)).toEqual(['network.interfaces']);
      expect(failed[0]?.actual).toContain('foreign0');
    } finally {
      await inNetwork('link', 'delete', 'foreign0');
    }
  });

  test('secrets.environment, when a process has a variable that nobody set', async () => {
    const pid = await alpha.worker('shop');
    overwriteEnvironment(pid, 'PLANTED=1\0');
    const [failed, ...others] = await alpha.failures();
    expect(others).toEqual([]);
    expect(failed).toMatchObject({
      id: 'secrets.environment',
      actual: expect.stringMatching(/^PLANTED, /),
      source: `/proc/${pid}/environ`,
    });
    expect((await alpha.daemon.ctl('app', 'restart', 'alpha/shop')).code).toBe(0);
  });
});
