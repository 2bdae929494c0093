import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, otherThan, pidOf, probeTenant, processFacts } from './probe.ts';

const apps = ['alpha/site', 'alpha/shop', 'beta/site'];

interface Identity {
  uids: number[];
  gids: number[];
  hostname: string;
  pid: number;
  cwd: string;
  user: string;
  home: string;
  cgroup: string[];
  oomScoreAdjust: number;
  limits: string;
}

interface Mount {
  target: string;
  fileSystem: string;
  options: string[];
  superOptions: string[];
}

describe('what runs for a tenant', () => {
  let daemon: TestDaemon;
  let workerPids: number[];
  let hostPids: number[];
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(apps);
    workerPids = await Promise.all(apps.map((app) => pidOf(daemon, app)));
    hostPids = (await daemon.status()).tenants.map(({ hostPid }) => hostPid);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('has a uid of its own for each tenant host and each app, and nothing more', () => {
    const facts = [...workerPids, ...hostPids].map(processFacts);
    expect(facts).toHaveLength(5);
    expect(new Set(facts.flatMap(({ uids }) => uids)).size).toBe(5);
    for (const { uids, ...rights } of facts) {
      expect(Math.min(...uids)).toBeGreaterThanOrEqual(1_000_000);
      expect(rights).toMatchObject({ capabilities: ['0', '0', '0', '0', '0'], noNewPrivileges: '1', groups: '' });
    }
  });

  test('has processes, mounts, names and control groups of its own for each sandbox', () => {
    for (const kind of ['pid', 'mnt', 'ipc', 'uts', 'cgroup']) {
      const inodes = [...workerPids, ...hostPids, 'self' as const].map((pid) => namespaceOf(pid, kind));
      expect({ kind, different: new Set(inodes).size }).toEqual({ kind, different: 6 });
    }
  });

  test('shares its network with the other apps of its tenant and with their host, and with nobody else', async () => {
    const [site, shop, beta] = workerPids.map((pid) => namespaceOf(pid, 'net'));
    const hostOf = async (tenant: string): Promise<string> => namespaceOf((await daemon.tenant(tenant)).hostPid, 'net');
    expect(shop).toBe(site);
    expect(await hostOf('alpha')).toBe(site);
    expect(await hostOf('beta')).toBe(beta);
    expect(new Set([site, beta, namespaceOf('self', 'net')]).size).toBe(3);
  });

  test('sees itself as an ordinary user of a small machine', async () => {
    const identity = await ask<Identity>(daemon, 'alpha/site', 'identity');
    const [uid = 0] = identity.uids;
    expect(identity).toMatchObject({
      ...{ uids: [uid, uid, uid, uid], gids: [uid, uid, uid, uid], hostname: 'site', user: 'app', home: '/data/home', cwd: '/apps/site' },
      ...{ CapInh: '0000000000000000', CapPrm: '0000000000000000', CapEff: '0000000000000000' },
      ...{ CapBnd: '0000000000000000', CapAmb: '0000000000000000', NoNewPrivs: '1', Groups: '' },
    });
    expect(identity.hostname).not.toBe(hostname());
    expect(identity.cgroup.every((line) => line.endsWith(':/') || !line.includes('tenantd'))).toBe(true);
    expect(identity.oomScoreAdjust).toBe(500);
    expect(identity.limits).toMatch(/^Max core file size +0 +0 /m);
    expect(identity.limits).toMatch(/^Max msgqueue size +0 +0 /m);
  });

  test('is not pid 1, sees no process but its own, and can not reach pid 1', async () => {
    const { pid } = await ask<Identity>(daemon, 'alpha/site', 'identity');
    expect(pid).not.toBe(1);
    const processes = await ask<{ pid: number }[]>(daemon, 'alpha/site', 'processes');
    expect(processes.map((one) => one.pid).sort((a, b) => a - b)).toEqual([1, pid]);
    const hostPid = workerPids[2] ?? 0;
    expect(await ask(daemon, 'alpha/site', 'signal', { input: [1, hostPid] })).toEqual({ '1': 'EPERM', [hostPid]: 'ESRCH' });
    const secretsOfPid1 = ['environ', 'mem', 'maps', 'fd/0', 'fd/2', 'cwd/etc/hosts', 'root/etc/hosts', 'exe'].map(
      (name) => `/proc/1/${name}`,
    );
    const read = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input: secretsOfPid1 });
    expect(new Set(Object.values(read))).toEqual(new Set(['EACCES']));
  });

  test('shows nothing of the machine in the command line of pid 1', async () => {
    const read = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input: ['/proc/1/cmdline'] });
    expect(read['/proc/1/cmdline']).not.toContain('tenants');
    expect(read['/proc/1/cmdline']).not.toContain('/etc');
  });

  test('has exactly the environment that is promised', async () => {
    const environment = await ask<Record<string, string>>(daemon, 'alpha/site', 'environment');
    expect(environment).toEqual({
      ...{ PATH: '/opt/tenantd/bin:/usr/local/bin:/usr/bin:/bin', HOME: '/data/home', LANG: 'C.UTF-8', TZ: 'UTC', NODE_ENV: 'production' },
      ...{ PORT: '3000', TENANTD_TENANT: 'alpha', TENANTD_APP: 'site', TENANTD_APP_DIR: '/apps/site', TENANTD_RELEASE: 'local' },
      ...{ TENANTD_DATA_DIR: '/data', PROBE: 'yes' },
    });
  });

  test('has the descriptors meant for it and those that Node itself opens', async () => {
    const descriptors = await ask<Record<string, string>>(daemon, 'alpha/site', 'descriptors');
    const { 0: input, 1: output, 2: errors, 3: requests, 4: reports, ...others } = descriptors;
    const pipes = `${daemon.directory}/run/pipes/alpha/site`;
    expect(input).toBe('/dev/null');
    expect(output).toMatch(new RegExp(`^${pipes}\\.[a-z0-9]{6}\\.out$`));
    expect(errors).toBe(output);
    expect(requests).toMatch(/^socket:/);
    expect(reports).toMatch(new RegExp(`^${pipes}\\.[a-z0-9]{6}\\.report$`));
    for (const target of Object.values(others)) expect(target).toMatch(/^(?:anon_inode:|pipe:|socket:|\/dev\/null$)/);
    expect(Object.keys(await ask<object>(daemon, 'alpha/site', 'descriptorsOfChild'))).toEqual(['0', '1', '2']);
  });

  test('can write nowhere but in its data, what its tenant shares, and memory of its own', async () => {
    const { found, seen } = await ask<{ found: string[]; seen: number }>(daemon, 'alpha/site', 'writable', { timeoutMs: 40_000 });
    expect(seen).toBeGreaterThan(1_000);
    // What Node keeps of its compiled code is the app's own data.
    const isOwn = (path: string): boolean => path.startsWith('/data/home/.cache');
    expect(found.filter((path) => !isHarmless(path) && !isOwn(path)).sort()).toEqual([
      '/data',
      '/data/home',
      '/data/shared',
      '/dev/pts/ptmx',
      '/dev/shm',
      '/run/secrets',
      '/tmp',
    ]);
    // Open to all by its mode; the kernel asks for a right at the write.
    expect(await ask(daemon, 'alpha/site', 'write', { input: { '/proc/sys/kernel/ns_last_pid': '1' } })).toMatchObject({
      '/proc/sys/kernel/ns_last_pid': 'EPERM',
    });
    const readOnly = [
      '/',
      '/usr',
      '/usr/local',
      '/etc',
      '/etc/ssl',
      '/apps',
      '/apps/site',
      '/opt',
      '/opt/tenantd',
      '/opt/tenantd/lib',
      '/dev',
      '/proc',
    ];
    const created = await ask<Record<string, string>>(daemon, 'alpha/site', 'create', { input: readOnly });
    expect(Object.keys(created)).toHaveLength(readOnly.length);
    expect(otherThan(['EROFS', 'EACCES', 'ENOENT'], created)).toEqual([]);
  });

  test('has no mount that allows setuid programs or devices, and a size for all memory that it can write', async () => {
    const mounts = await ask<Mount[]>(daemon, 'alpha/site', 'mounts');
    expect(mounts.length).toBeGreaterThan(10);
    // Node's own devices are binds of the machine's, one file each.
    const withDevices = mounts.filter(({ options }) => !options.includes('nodev')).map(({ target }) => target);
    expect(withDevices.filter((target) => !target.startsWith('/dev/'))).toEqual([]);
    expect(mounts.filter(({ options }) => !options.includes('nosuid')).map(({ target }) => target)).toEqual([]);
    const sizeOf = (path: string): string | undefined =>
      mounts.find(({ target }) => target === path)?.superOptions.find((option) => option.startsWith('size='));
    expect([sizeOf('/tmp'), sizeOf('/dev/shm')]).toEqual(['size=32768k', 'size=32768k']);
    const unsized = mounts.filter(
      ({ fileSystem, options, superOptions }) =>
        fileSystem === 'tmpfs' && !options.includes('ro') && !superOptions.some((option) => option.startsWith('size=')),
    );
    expect(unsized.map(({ target }) => target)).toEqual([]);
  });

  test('has a network of loopback alone', async () => {
    expect(await ask(daemon, 'alpha/site', 'network')).toMatchObject({ interfaces: ['lo'], routes: [] });
  });

  test('runs the edge and its master the same way: their own user, no rights, a network of their own', async () => {
    await until(async () => (await daemon.status()).edge.processes.length > 0, 'an edge runs');
    const { edge } = await daemon.status();
    const masters = edge.processes.map(({ pid }) => processFacts(pid).parent);
    const pids = [...new Set([...masters, ...edge.processes.map(({ pid }) => pid)])];
    const facts = pids.map(processFacts);
    expect(new Set(facts.flatMap(({ uids }) => uids)).size).toBe(1);
    for (const { uids, ...rights } of facts) {
      expect(uids[0]).toBeGreaterThan(0);
      expect(rights).toMatchObject({ capabilities: ['0', '0', '0', '0', '0'], noNewPrivileges: '1', groups: '' });
    }
    for (const kind of ['pid', 'mnt', 'ipc', 'uts', 'net', 'cgroup']) {
      const others = ['self' as const, ...workerPids, ...hostPids].map((pid) => namespaceOf(pid, kind));
      for (const pid of pids) expect(others).not.toContain(namespaceOf(pid, kind));
    }
  });
});

/** Devices without state; what is masked by one of them; and a file that anybody may open. */
function isHarmless(path: string): boolean {
  const devices = ['full', 'null', 'ptmx', 'random', 'tty', 'urandom', 'zero'].map((name) => `/dev/${name}`);
  const masked = [
    'cmdline',
    'config.gz',
    'kallsyms',
    'key-users',
    'keys',
    'kmsg',
    'modules',
    'sched_debug',
    'timer_list',
    'kcore',
    'sysrq-trigger',
  ];
  return devices.includes(path) || masked.includes(path.replace('/proc/', '')) || path === '/proc/sys/kernel/ns_last_pid';
}

function namespaceOf(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}
