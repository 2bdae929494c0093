import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { withoutFilters } from '../support/without-filters.ts';
import { ask, otherThan, pidOf, probeTenant, processFacts } from './probe.ts';

/**
 * System calls that no app has the right to make: below no filter of system calls, which would refuse most of them first and hide
 * whether the rights are gone. What only the filter refuses is in system-calls.test.ts.
 */
type Call = [label: string, name: string, ...args: (number | string | { bytes: number })[]];

const CLONE_NEWNS = 0x20000;
const CLONE_NEWNET = 0x40000000;
const AT_FDCWD = -100;
const S_IFCHR = 0o20000;
const S_IFBLK = 0o60000;

describe('an app that asks the kernel for more than it may', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      tenants: { alpha: probeTenant('alpha'), beta: probeTenant('beta') },
      config: 'isolation: { without: [syscalls] }',
      ...withoutFilters(),
    });
    await daemon.untilApps(['alpha/site', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const call = (calls: Call[]): Promise<Record<string, string>> => ask(daemon, 'alpha/site', 'systemCalls', { input: calls });

  /** The calls that ended otherwise, or not at all. */
  async function notRefused(calls: Call[], errors: string[] = ['EPERM']): Promise<[string, string][]> {
    const found = await call(calls);
    return otherThan(errors, Object.fromEntries(calls.map(([label]) => [label, found[label] ?? 'no answer'])));
  }

  test('mounts nothing and leaves its root by no way', async () => {
    expect(
      await notRefused([
        ['tmpfs', 'mount', 'none', '/tmp', 'tmpfs', 0, ''],
        ['cgroup', 'mount', 'none', '/tmp', 'cgroup2', 0, ''],
        ['proc', 'mount', 'none', '/tmp', 'proc', 0, ''],
        ['remount /usr for writing', 'mount', 'none', '/usr', '', 32, ''],
        ['bind', 'mount', '/', '/tmp', '', 4096, ''],
        ['umount', 'umount2', '/apps/site', 2],
        ['umount a mask', 'umount2', '/proc/cmdline', 2],
        ['chroot', 'chroot', '/tmp'],
        ['pivot_root', 'pivot_root', '/tmp', '/tmp'],
        ['fsopen', 'fsopen', 'tmpfs', 0],
        ['open_tree', 'open_tree', AT_FDCWD, '/', 1],
        ['move_mount', 'move_mount', AT_FDCWD, '/tmp', AT_FDCWD, '/data', 0],
        ['open_by_handle_at', 'open_by_handle_at', AT_FDCWD, '\u0008\0\0\0\u0001\0\0\0handle..', 0],
      ]),
    ).toEqual([]);
  });

  test('makes no device', async () => {
    expect(
      await notRefused([
        ['the disk', 'mknodat', AT_FDCWD, '/data/disk', S_IFBLK | 0o666, (254 << 8) | 0],
        ['memory', 'mknodat', AT_FDCWD, '/data/mem', S_IFCHR | 0o666, (1 << 8) | 1],
        ['in shared memory', 'mknodat', AT_FDCWD, '/dev/shm/mem', S_IFCHR | 0o666, (1 << 8) | 1],
      ]),
    ).toEqual([]);
  });

  test('becomes no other user, and takes no right back', async () => {
    const [otherUid = 0] = processFacts(await pidOf(daemon, 'beta/site')).uids;
    expect(otherUid).toBeGreaterThan(0);
    expect(
      await notRefused([
        ['setuid 0', 'setuid', 0],
        ['setgid 0', 'setgid', 0],
        ['setgroups', 'setgroups', 1, { bytes: 4 }],
        ['setresuid 0', 'setresuid', 0, 0, 0],
        ['setresuid of another tenant', 'setresuid', otherUid, otherUid, otherUid],
        ['setresgid of another tenant', 'setresgid', otherUid, otherUid, otherUid],
      ]),
    ).toEqual([]);
  });

  test('gains nothing by a setuid program', async () => {
    const { uid, output } = await ask<{ uid: number; output: string }>(daemon, 'alpha/site', 'runSetuid');
    expect(uid).toBeGreaterThan(0);
    expect(output).not.toMatch(/\b0\b/);
  });

  test('enters and makes no namespace of its own', async () => {
    const found = await ask<Record<string, string>>(daemon, 'alpha/site', 'enterNamespaces', { input: 1 });
    expect(new Set(Object.values(found))).toEqual(new Set(['EACCES']));
    expect(
      await notRefused([
        ['mounts', 'unshare', CLONE_NEWNS],
        ['network', 'unshare', CLONE_NEWNET],
      ]),
    ).toEqual([]);
    expect(await ask(daemon, 'alpha/site', 'enterOwnNamespaces')).toEqual({
      mnt: 'EPERM',
      net: 'EPERM',
      pid: 'EPERM',
      uts: 'EPERM',
      ipc: 'EPERM',
    });
  });

  test('traces and reads neither pid 1 nor a process of another tenant', async () => {
    const other = await pidOf(daemon, 'beta/site');
    const attach = 16;
    expect(
      await notRefused(
        [
          ['ptrace pid 1', 'ptrace', attach, 1, 0, 0],
          ['kill pid 1', 'kill', 1, 9],
          ['a descriptor of pid 1', 'pidfd_getfd', 3, 0, 0],
        ],
        ['EPERM', 'EBADF'],
      ),
    ).toEqual([]);
    expect(
      await notRefused(
        [
          ['ptrace a pid of the machine', 'ptrace', attach, other, 0, 0],
          ['kill a pid of the machine', 'kill', other, 9],
          ['open a pid of the machine', 'pidfd_open', other, 0],
          ['kill another pid', 'kill', daemon.pid(), 9],
        ],
        ['ESRCH'],
      ),
    ).toEqual([]);
    expect(await ask(daemon, 'alpha/site', 'stealDescriptors', { input: 1 })).toBe('EPERM');
    expect(await ask(daemon, 'alpha/site', 'readMemory', { input: 1 })).toBe('EPERM');
  });

  test('changes nothing of the machine: its name, modules, kernel, swap, log', async () => {
    // If one were allowed, it would still fail, with another error: what it asks for does not exist.
    const machineCalls: Call[] = [
      ['sethostname', 'sethostname', 'x', -1],
      ['reboot', 'reboot', 1, 2, 3, 0],
      ['init_module', 'init_module', { bytes: 1 }, 0, ''],
      ['kexec_load', 'kexec_load', 0, 99_999, 0, -1],
      ['swapon', 'swapon', '/nothing', 0],
      ['acct', 'acct', '/nothing'],
      ['the log of the kernel', 'syslog', 3, { bytes: 64 }, 64],
    ];
    // A kernel without modules has no such call.
    expect(await notRefused(machineCalls, ['EPERM', 'ENOSYS'])).toEqual([]);
  });

  test('takes no more of the processor than others, and is not spared when memory is short', async () => {
    const fifo = 1;
    expect(
      await notRefused(
        [
          ['real time', 'sched_setscheduler', 0, fifo, '\u0001\0\0\0'],
          ['priority', 'setpriority', 0, 0, -5],
          ['disk in real time', 'ioprio_set', 1, 0, 1 << 13],
        ],
        ['EPERM', 'EACCES'],
      ),
    ).toEqual([]);
    expect(await ask(daemon, 'alpha/site', 'changeOwnScore')).toBe('EACCES');
  });

  test('opens no raw socket and no port below 1024', async () => {
    const [AF_INET, AF_PACKET, SOCK_RAW] = [2, 17, 3];
    expect(
      await notRefused([
        ['raw', 'socket', AF_INET, SOCK_RAW, 1],
        ['packet', 'socket', AF_PACKET, SOCK_RAW, 0],
      ]),
    ).toEqual([]);
    expect(await ask(daemon, 'alpha/site', 'listen', { input: { host: '127.0.0.1', port: 80 } })).toBe('EACCES');
  });

  test('links no file of the system to where it can write', async () => {
    const input = ['/usr/bin/perl', '/etc/passwd', '/apps/site/server.js', '/opt/tenantd/bin/node'].map((path) => [path, '/data/linked']);
    const found = await ask<string[]>(daemon, 'alpha/site', 'link', { input });
    for (const error of found) expect(['EXDEV', 'EPERM']).toContain(error);
    expect(found).toHaveLength(4);
  });
});
