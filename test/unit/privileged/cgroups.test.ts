import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type ControlGroups, openControlGroups } from '../../../src/privileged/cgroups.ts';
import { temporaryFolder } from './temporary-folder.ts';

// A folder with the files of a control group file system. The kernel's part (limits that hold, EBUSY) is for the root tests.

let root: string;

beforeEach(() => {
  root = temporaryFolder();
});

const limits = { memoryBytes: 256 << 20, cpu: 0.5, processes: 128 };

function imitateV2(controllers = 'cpuset cpu io memory hugetlb pids'): void {
  writeFileSync(join(root, 'cgroup.controllers'), `${controllers}\n`);
}

function imitateV1(controllers = ['memory', 'pids', 'cpu', 'cpuacct']): void {
  for (const controller of controllers) {
    mkdirSync(join(root, controller));
    writeFileSync(join(root, controller, 'cgroup.procs'), '');
  }
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const write = (path: string, text: string): void => writeFileSync(join(root, path), text);

describe('a machine without control groups', () => {
  test('is told of both versions, with what each lacks, and how to get one', () => {
    expect(() => openControlGroups('tenantd', { root })).toThrow(
      expect.objectContaining({
        code: 'TENANTD_E_LAYER_MISSING',
        message: expect.stringMatching(/^no control groups: .*cgroup\.controllers.*; cgroup v1 at .* lacks memory, pids, cpu, cpuacct$/),
        fix: expect.stringContaining('systemd.unified_cgroup_hierarchy=1'),
      }),
    );
    expect(readdirSync(root)).toEqual([]);
  });

  test.each([
    ['cpu io memory', 'pids'],
    ['cpuset io', 'memory, pids, cpu'],
    ['', 'memory, pids, cpu'],
    ['memory.extra cpus pids', 'memory, cpu'],
  ])('that offers "%s" of version 2 is told that it lacks %s', (offered, missing) => {
    imitateV2(offered);
    expect(() => openControlGroups('tenantd', { root })).toThrow(`cgroup v2 at ${root} lacks ${missing};`);
    expect(readdirSync(root)).toEqual(['cgroup.controllers']);
  });

  test('that offers a part of version 1 is told what it lacks, and nothing is made there', () => {
    imitateV1(['memory', 'cpu']);
    expect(() => openControlGroups('tenantd', { root })).toThrow('lacks pids, cpuacct');
    expect([readdirSync(join(root, 'memory')), readdirSync(join(root, 'cpu'))]).toEqual([['cgroup.procs'], ['cgroup.procs']]);
  });
});

describe('control groups of version 2', () => {
  let groups: ControlGroups;

  beforeEach(() => {
    imitateV2();
    groups = openControlGroups('tenantd', { root });
  });

  test('are opened where they are offered, with the controllers for the groups below', () => {
    expect(groups.version).toBe(2);
    expect([read('cgroup.subtree_control'), read('tenantd/cgroup.subtree_control')]).toEqual(['+memory +pids +cpu', '+memory +pids +cpu']);
  });

  test('have together more of the processor than another group of the machine, and the edge its share of that', () => {
    groups.setShare('edge', 4);
    expect([read('tenantd/cpu.weight'), read('tenantd/edge/cpu.weight')]).toEqual(['1000', '400']);
  });

  test('are preferred where version 1 is there, too', () => {
    imitateV1();
    expect(openControlGroups('tenantd', { root }).version).toBe(2);
  });

  test('are made in the group that was delegated', () => {
    const delegated = join(root, 'system.slice');
    mkdirSync(delegated);
    writeFileSync(join(delegated, 'cgroup.controllers'), 'cpu memory pids');
    openControlGroups('other', { root, v2Base: delegated }).setTenant('t-acme', limits);
    expect(existsSync(join(delegated, 'other/t-acme'))).toBe(true);
    expect(existsSync(join(root, 'other'))).toBe(false);
  });

  test('have the limits of their tenant, and new ones when those change', () => {
    groups.setTenant('t-acme', limits);
    const files = (): string[] => ['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max'].map((file) => read(`tenantd/t-acme/${file}`));
    expect(files()).toEqual(['268435456', '0', '128', '50000 100000']);
    groups.setTenant('t-acme', { memoryBytes: 1 << 30, cpu: 2.25, processes: 16 });
    expect(files()).toEqual(['1073741824', '0', '16', '225000 100000']);
  });

  test('keep a limit below which their tenant holds memory, and take one that the kernel can make room for', () => {
    groups.setTenant('t-acme', limits);
    write('tenantd/t-acme/memory.current', String(200 << 20));
    write(
      'tenantd/t-acme/memory.stat',
      `anon ${90 << 20}\nfile ${110 << 20}\ninactive_file ${60 << 20}\nactive_file ${40 << 20}\nslab_reclaimable 0\n`,
    );
    expect(groups.setTenant('t-acme', { ...limits, memoryBytes: 99 << 20, processes: 64 })).toBe(false);
    expect([read('tenantd/t-acme/memory.max'), read('tenantd/t-acme/pids.max')]).toEqual(['268435456', '64']);
    expect(groups.setTenant('t-acme', { ...limits, memoryBytes: 100 << 20 })).toBe(true);
    expect(read('tenantd/t-acme/memory.max')).toBe(String(100 << 20));
  });

  test('tell what was counted of a tenant and of a sandbox, and which group that is', () => {
    groups.setTenant('t-acme', limits);
    groups.makeMember('t-acme', 'host');
    for (const group of ['t-acme', 't-acme/host']) {
      write(`tenantd/${group}/memory.events`, 'oom 2\noom_kill 3\n');
      write(`tenantd/${group}/pids.events`, 'max 4\n');
      write(`tenantd/${group}/cpu.stat`, 'usage_usec 9\nnr_periods 5\nnr_throttled 1\nthrottled_usec 7\n');
    }
    write('tenantd/t-acme/host/cgroup.procs', '12\n13\n');
    write('tenantd/t-acme/pids.current', '30\n');
    const counted = { outOfMemoryKills: 3, refusedForks: 4 };
    expect(groups.countersOf('t-acme')).toMatchObject({ ...counted, periods: 5, throttledPeriods: 1 });
    expect(groups.countersOf('t-acme', 'host')).toMatchObject({ ...counted, periods: 0 });
    expect(groups.countersOf('t-acme', 'host')?.id).not.toBe(groups.countersOf('t-acme')?.id);
    expect(groups.countersOf('t-globex')).toBeUndefined();
    expect([groups.pidsOf('t-acme', 'host'), groups.pidsOf('t-acme', 'gone'), groups.processesOf('t-acme')]).toEqual([[12, 13], [], 30]);
    expect(groups.pathEndOf('t-acme', 'host')).toBe('/tenantd/t-acme/host');
  });

  test('of a sandbox end as a whole, and are joined by their file', () => {
    groups.setTenant('t-acme', limits);
    expect(groups.makeMember('t-acme', 'w.site.0a1b2c')).toEqual([join(root, 'tenantd/t-acme/w.site.0a1b2c/cgroup.procs')]);
    expect(read('tenantd/t-acme/w.site.0a1b2c/memory.oom.group')).toBe('1');
    expect([groups.tenants(), groups.membersOf('t-acme'), groups.membersOf('t-globex')]).toEqual([['t-acme'], ['w.site.0a1b2c'], []]);
  });

  test('of a sandbox may have less than their tenant, and then give way to all others', () => {
    groups.setTenant('t-acme', limits);
    groups.makeMember('t-acme', 'b.1', { memoryBytes: 1_000_000, cpu: 0.25, processes: 8 });
    const files = ['memory.max', 'pids.max', 'cpu.max', 'cpu.weight', 'memory.oom.group'];
    expect(files.map((name) => read(`tenantd/t-acme/b.1/${name}`))).toEqual(['1000000', '8', '25000 100000', '1', '1']);
  });

  test('tell what a tenant and a sandbox use, and nothing of a group that is not there', () => {
    groups.setTenant('t-acme', limits);
    groups.makeMember('t-acme', 'host');
    expect(groups.useOf('t-acme')).toBeUndefined();
    for (const [group, bytes] of [
      ['t-acme', 2_000_000],
      ['t-acme/host', 1_000_000],
    ]) {
      write(`tenantd/${group}/cgroup.procs`, '');
      write(`tenantd/${group}/memory.current`, `${bytes}\n`);
      write(`tenantd/${group}/cpu.stat`, 'nr_periods 7\nusage_usec 1500000\nuser_usec 9\n');
      write(`tenantd/${group}/memory.events`, 'oom 5\noom_kill 3\noom_group_kill 1\n');
    }
    expect(groups.useOf('t-acme')).toEqual({ memoryBytes: 2_000_000, cpuSeconds: 1.5 });
    expect(groups.useOf('t-acme', 'host')).toEqual({ memoryBytes: 1_000_000, cpuSeconds: 1.5 });
    expect([groups.outOfMemoryKills('t-acme', 'host'), groups.outOfMemoryKills('t-acme', 'gone')]).toEqual([3, 0]);
    expect(groups.useOf('t-globex')).toBeUndefined();
  });

  test('are removed, also when they are gone already', async () => {
    groups.setTenant('t-acme', limits);
    mkdirSync(join(root, 'tenantd/t-acme/host'));
    await groups.removeMember('t-acme', 'host');
    await groups.removeMember('t-acme', 'host');
    expect(groups.membersOf('t-acme')).toEqual([]);
    await expect(groups.removeTenant('t-globex')).resolves.toBeUndefined();
  });

  test('are found by the next who opens them', () => {
    groups.setTenant('t-acme', limits);
    expect(openControlGroups('tenantd', { root }).tenants()).toEqual(['t-acme']);
  });

  const badNames = ['', '.', '..', '../other', 'a/b', '/a', 'A', '-a', '1a', 'a..b', 'a b', 'a\0', 'a\n', 'a'.repeat(65)];

  test.each(badNames)('are never named %j', async (name) => {
    const before = readdirSync(root, { recursive: true });
    const refused = expect.objectContaining({ code: 'TENANTD_E_INTERNAL', message: `not a group name: ${name}` });
    groups.setTenant('t-acme', limits);
    const after = readdirSync(root, { recursive: true });
    expect(() => groups.setTenant(name, limits)).toThrow(refused);
    expect(() => groups.makeMember(name, 'host')).toThrow(refused);
    expect(() => groups.makeMember('t-acme', name)).toThrow(refused);
    expect(() => groups.useOf(name)).toThrow(refused);
    expect(() => groups.membersOf(name)).toThrow(refused);
    expect(() => groups.outOfMemoryKills('t-acme', name)).toThrow(refused);
    await expect(async () => groups.removeMember('t-acme', name)).rejects.toThrow(refused);
    await expect(async () => groups.removeTenant(name)).rejects.toThrow(refused);
    expect(readdirSync(root, { recursive: true })).toEqual(after);
    expect(after.length).toBeGreaterThan(before.length);
  });
});

describe('control groups of version 1', () => {
  let groups: ControlGroups;

  beforeEach(() => {
    imitateV1();
    groups = openControlGroups('tenantd', { root });
  });

  test('have the limits of their tenant in every hierarchy', () => {
    groups.setTenant('t-acme', limits);
    groups.setTenant('t-acme', { ...limits, processes: 64 });
    expect(groups.version).toBe(1);
    const made = ['memory', 'pids', 'cpu', 'cpuacct'].filter((controller) => existsSync(join(root, controller, 'tenantd/t-acme')));
    expect(made).toEqual(['memory', 'pids', 'cpu', 'cpuacct']);
    expect(read('memory/tenantd/t-acme/memory.limit_in_bytes')).toBe('268435456');
    expect(read('pids/tenantd/t-acme/pids.max')).toBe('64');
    expect([read('cpu/tenantd/t-acme/cpu.cfs_period_us'), read('cpu/tenantd/t-acme/cpu.cfs_quota_us')]).toEqual(['100000', '50000']);
  });

  test('have together more of the processor than another group of the machine, and the edge its share of that', () => {
    groups.setShare('edge', 4);
    expect([read('cpu/tenantd/cpu.shares'), read('cpu/tenantd/edge/cpu.shares')]).toEqual(['10240', '4096']);
    expect(existsSync(join(root, 'memory/tenantd/edge/memory.limit_in_bytes'))).toBe(false);
  });

  test('of a sandbox may have less than their tenant, and then give way to all others', () => {
    groups.setTenant('t-acme', limits);
    groups.makeMember('t-acme', 'b.1', { memoryBytes: 1_000_000, cpu: 0.25, processes: 8 });
    const files = [
      'memory/tenantd/t-acme/b.1/memory.limit_in_bytes',
      'pids/tenantd/t-acme/b.1/pids.max',
      'cpu/tenantd/t-acme/b.1/cpu.cfs_quota_us',
    ];
    expect([...files, 'cpu/tenantd/t-acme/b.1/cpu.shares'].map(read)).toEqual(['1000000', '8', '25000', '2']);
  });

  test('are joined in every hierarchy, and tell what is used', () => {
    groups.setTenant('t-acme', limits);
    expect(groups.makeMember('t-acme', 'host')).toEqual(
      ['memory', 'pids', 'cpu', 'cpuacct'].map((controller) => join(root, controller, 'tenantd/t-acme/host/tasks')),
    );
    write('memory/tenantd/t-acme/host/cgroup.procs', '');
    write('memory/tenantd/t-acme/host/memory.usage_in_bytes', '4096\n');
    write('memory/tenantd/t-acme/host/memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
    write('cpuacct/tenantd/t-acme/host/cpuacct.usage', '2500000000\n');
    expect(groups.useOf('t-acme', 'host')).toEqual({ memoryBytes: 4_096, cpuSeconds: 2.5 });
    expect(groups.outOfMemoryKills('t-acme', 'host')).toBe(2);
  });

  test('are removed from every hierarchy, also where one is gone already', async () => {
    const member = (controller: string): string => join(root, controller, 'tenantd/t-acme/host');
    groups.setTenant('t-acme', limits);
    groups.makeMember('t-acme', 'host');
    rmdirSync(member('pids'));
    await groups.removeMember('t-acme', 'host');
    expect(['memory', 'pids', 'cpu', 'cpuacct'].filter((controller) => existsSync(member(controller)))).toEqual([]);
  });
});

describe('what is read back', () => {
  const lines = (group: string): string[] =>
    ['5:memory:', '4:pids:', '3:cpu,cpuacct:', '1:name=systemd:/'].map((line) => `${line}${group}`);

  test('version 2: limits as they are, and none as none', () => {
    imitateV2();
    const groups = openControlGroups('tenantd', { root });
    groups.setTenant('t-acme', limits);
    write('tenantd/t-acme/cgroup.procs', '');
    expect(groups.limitsOf('t-acme')).toMatchObject(limits);
    write('tenantd/t-acme/memory.max', 'max\n');
    write('tenantd/t-acme/cpu.max', 'max 100000\n');
    expect(groups.limitsOf('t-acme')).toMatchObject({ memoryBytes: Infinity, cpu: Infinity, processes: 128 });
    expect(groups.limitsOf('t-other')).toBeUndefined();
  });

  test('version 1: limits as they are, and none as none', () => {
    imitateV1();
    const groups = openControlGroups('tenantd', { root });
    groups.setTenant('t-acme', limits);
    write('memory/tenantd/t-acme/cgroup.procs', '');
    expect(groups.limitsOf('t-acme')).toMatchObject(limits);
    write('cpu/tenantd/t-acme/cpu.cfs_quota_us', '-1\n');
    expect(groups.limitsOf('t-acme')).toMatchObject({ cpu: Infinity });
  });

  test('version 1: in which hierarchies a process is not where it belongs', () => {
    imitateV1();
    const groups = openControlGroups('tenantd', { root });
    expect(groups.astrayIn('t-acme', 'host', lines('/tenantd/t-acme/host'))).toEqual([]);
    expect(groups.astrayIn('t-acme', 'host', ['5:memory:/', ...lines('/tenantd/t-acme/host').slice(1)])).toEqual(['memory']);
    expect(groups.astrayIn('t-acme', 'host', lines('/tenantd/t-acme/w.site'))).toEqual(['memory', 'pids', 'cpu', 'cpuacct']);
    expect(groups.astrayIn('t-acme', 'host', [])).toEqual(['memory', 'pids', 'cpu', 'cpuacct']);
  });

  test('version 2: likewise, below whatever group the daemon was given', () => {
    imitateV2();
    const groups = openControlGroups('tenantd', { root });
    expect(groups.astrayIn('t-acme', 'host', ['0::/system.slice/holder/tenantd/t-acme/host'])).toEqual([]);
    expect(groups.astrayIn('t-acme', 'host', ['0::/user.slice'])).toEqual(['']);
  });

  test('whose group a process is in', () => {
    imitateV1();
    const groups = openControlGroups('tenantd', { root });
    expect(groups.tenantOf(lines('/tenantd/t-acme/host'))).toBe('t-acme');
    expect(groups.tenantOf(['5:memory:/', '4:pids:/tenantd/t-acme'])).toBe('t-acme');
    expect(groups.tenantOf(lines('/tenantd-2/t-acme/host'))).toBeUndefined();
    expect(groups.tenantOf([])).toBeUndefined();
  });
});
