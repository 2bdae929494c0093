import { describe, expect, test } from 'vitest';
import { parseMountinfo } from '../../../src/privileged/facts-mounts.ts';
import { namespaceKinds, type Namespaces, parseStatusFile } from '../../../src/privileged/facts-process.ts';
import { promiseOf, type SandboxPromise } from '../../../src/daemon/sandbox-promise.ts';
import type { Finding } from '../../../src/daemon/verify-finding.ts';
import { checkNetwork, checkPlaces, type NetworkPlace, type Places } from '../../../src/daemon/verify-places.ts';
import { checkEgress } from '../../../src/daemon/verify-egress.ts';
import { checkLimits } from '../../../src/daemon/verify-resources.ts';
import { checkRights } from '../../../src/daemon/verify-rights.ts';
import { checkDescriptors, checkMounts } from '../../../src/daemon/verify-root.ts';

const failed = (findings: readonly Finding[]): string[] => findings.filter(({ ok }) => !ok).map(({ id }) => id);

function statusFile(changes: Record<string, string> = {}): string {
  const zero = '0000000000000000';
  const lines = {
    ...{ Name: 'node', State: 'S (sleeping)', Uid: '2001\t2001\t2001\t2001', Gid: '2001\t2001\t2001\t2001', Groups: ' ', NSpid: '900\t2' },
    ...{ CapInh: zero, CapPrm: zero, CapEff: zero, CapBnd: zero, CapAmb: zero, NoNewPrivs: '1', Seccomp: '2', Seccomp_filters: '1' },
    ...changes,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}:\t${value}`)
    .join('\n');
}

describe('the rights of processes', () => {
  const expected = { uid: 2001, gid: 2001, withFilter: true };
  // Nobody has these pids: what else is read of them is not there.
  const reaper = parseStatusFile(0, statusFile({ Uid: '0\t0\t0\t0', Gid: '0\t0\t0\t0', NSpid: '899\t1', CapBnd: '000001ffffffffff' }));
  const check = (changes: Record<string, string>, on: 'reaper' | 'process' = 'process'): string[] => {
    const changed = parseStatusFile(0, statusFile({ ...(on === 'reaper' && { NSpid: '899\t1' }), ...changes }));
    const fine = parseStatusFile(0, statusFile());
    return failed(on === 'reaper' ? checkRights(expected, changed, [fine]) : checkRights(expected, reaper, [fine, changed]));
  };

  test('are fine as they should be', () => expect(check({})).toEqual([]));

  test.each([
    [{ Uid: '2001\t0\t2001\t2001' }, 'user.uid'],
    [{ Uid: '2001\t2001\t0\t2001' }, 'user.uid'],
    [{ Gid: '2001\t2001\t2001\t0' }, 'user.gid'],
    [{ Groups: '27 ' }, 'user.groups'],
    [{ CapEff: '0000000000200000' }, 'user.capabilities'],
    [{ CapBnd: '0000000000000001' }, 'user.capabilities'],
    [{ CapAmb: '' }, 'user.capabilities'],
    [{ NoNewPrivs: '0' }, 'user.no-new-privileges'],
    [{ Seccomp: '0', Seccomp_filters: '0' }, 'syscalls.filter'],
    [{ Seccomp: '2', Seccomp_filters: '0' }, 'syscalls.filter'],
  ])('fail in any one process: %o', (changes, id) => expect(check(changes)).toEqual([id]));

  test.each([[{ CapEff: '0000000000000080' }], [{ NoNewPrivs: '0' }], [{ Seccomp: '0' }], [{ NSpid: '899\t7' }]])(
    'fail in pid 1 too: %o',
    (changes) => expect(check(changes, 'reaper')).toEqual(['processes.reaper']),
  );

  test('a name with a line end forges no line', () => {
    expect(parseStatusFile(1, statusFile({ Name: 'x\\nUid:\\t0' })).uids).toEqual([2001, 2001, 2001, 2001]);
  });
});

describe('the root of a sandbox', () => {
  const promise: SandboxPromise = promiseOf(
    {
      ...{ id: 'w.a.b', uid: 2001, gid: 2001, hostname: 'b', env: { A: '1' }, tmpBytes: 1 << 20, tmpInodes: 100, withSecrets: true },
      binds: [
        { source: '/srv/tenants/a/apps/b', target: '/apps/b', access: 'read' },
        { source: '/state/a/data/b', target: '/data', access: 'write' },
      ],
      ...{ workingDirectory: '/', command: ['/bin/true'] },
    },
    { network: 'empty' },
  );
  const around = parseMountinfo('20 1 254:0 / / rw - ext4 /dev/vda rw\n21 20 7:3 / /state/a/data rw - ext4 /dev/loop3 rw');
  const promised = promise.mounts.map(({ target }) => target);
  const lineOf = (target: string, options = '', root = '/x', device = '254:0'): string => {
    const isWritable = ['/data', '/tmp', '/dev/shm', '/run/secrets', '/proc'].includes(target);
    const isDevice = target.startsWith('/dev/') && target !== '/dev/shm';
    const usual = [isWritable ? 'rw' : 'ro', 'nosuid', ...(isDevice ? [] : ['nodev'])].join(',');
    return `1 2 ${device} ${root} ${target} ${options || usual} - ext4 /dev/x rw`;
  };
  const linesOf = (targets: readonly string[]): string[] =>
    targets.map((target) => (target === '/data' ? lineOf(target, '', '/b', '7:3') : lineOf(target)));
  const whole = linesOf(['/', ...promised, '/dev/null']);
  const check = (lines: readonly string[]): Finding[] => checkMounts(7, promise, parseMountinfo(lines.join('\n')), around);

  test('is fine as it was asked for', () => {
    expect(promised).toEqual(
      expect.arrayContaining(['/usr', '/etc', '/proc', '/dev', '/tmp', '/dev/shm', '/apps/b', '/data', '/run/secrets']),
    );
    expect(failed(check(whole))).toEqual([]);
  });

  test.each([
    ['something more', [...whole, lineOf('/apps/other')], 'root.mounts', '/apps/other was mounted'],
    ['something over what is there', [...whole, lineOf('/tmp', 'rw,nosuid,nodev')], 'root.mounts', '/tmp was mounted'],
    ['less', whole.filter((line) => !line.includes(' /proc/keys ') && !line.includes(' /etc ')), 'root.mounts', '/etc is gone'],
  ])('with %s is not', (_what, lines, id, actual) => {
    const finding = check(lines).find((one) => one.id === id);
    expect(finding).toMatchObject({ ok: false, source: '/proc/7/mountinfo' });
    expect(finding?.actual).toContain(actual);
  });

  test.each([
    ['/usr', 'rw,nosuid,nodev', '/usr without ro'],
    ['/data', 'rw,nodev', '/data without nosuid'],
    ['/tmp', 'rw,nosuid', '/tmp without nodev'],
    ['/apps/b', 'rw', '/apps/b without nosuid, nodev, ro'],
  ])('with other options of %s is not', (target, options, actual) => {
    const lines = whole.map((line) => (line.includes(` ${target} `) ? lineOf(target, options, '/b', '7:3') : line));
    expect(check(lines).find(({ id }) => id === 'root.options')).toMatchObject({ ok: false, actual });
  });

  test('with the data of another is not', () => {
    const other = whole.map((line) => (line.includes(' /data ') ? lineOf('/data', '', '/other', '7:3') : line));
    expect(failed(check(other))).toEqual(['root.data']);
    const onAnotherDisk = whole.map((line) => (line.includes(' /data ') ? lineOf('/data', '', '/b', '7:4') : line));
    expect(failed(check(onAnotherDisk))).toEqual(['root.data']);
  });

  test('names with spaces are read as they are', () => {
    expect(parseMountinfo('1 2 0:1 /a\\040b /c\\134d ro - tmpfs none rw')[0]).toMatchObject({ root: '/a b', target: '/c\\d' });
  });
});

describe('descriptors', () => {
  const around = { mountIds: new Set(['50']), isGiven: (path: string) => path === '/run/pipes/a/b.out' };
  test.each([
    ['/etc/shadow', '20', false],
    ['/data/file', '50', true],
    ['/dev/null', '20', true],
    ['/run/pipes/a/b.out', '20', true],
    ['/run/pipes/other/b.out', '20', false],
    ['socket:[12]', '9', true],
    ['/memfd:jit (deleted)', '9', true],
  ])('%s through mount %s', (target, mountId, ok) => {
    const finding = checkDescriptors(7, [{ fd: 9, target, mountId }], around);
    expect(finding).toMatchObject({ id: 'root.descriptors', ok });
    expect(finding.actual).toContain(ok ? 'none of 1' : `9 is ${target}`);
  });
});

describe('places', () => {
  const namespaces = (number: number, changes: Partial<Namespaces> = {}): Namespaces =>
    ({ ...Object.fromEntries(namespaceKinds.map((kind) => [kind, `${kind}:[${number}]`])), user: 'user:[1]', ...changes }) as Namespaces;
  const machine = namespaces(1);
  const fine: Places = { reaperPid: 7, found: namespaces(2), machine, pidNamespace: 2, root: '9:2', machineRoot: '8:2' };

  test('of its own are fine', () => expect(failed(checkPlaces(fine))).toEqual([]));

  test.each([
    [{ found: namespaces(2, { ipc: 'ipc:[1]' }) }, 'processes.namespaces'],
    [{ found: namespaces(2, { uts: 'uts:[1]' }) }, 'processes.namespaces'],
    [{ found: namespaces(2, { user: 'user:[5]' }) }, 'processes.namespaces'],
    [{ pidNamespace: 3 }, 'processes.pid-namespace'],
    [{ root: '8:2' }, 'root.own'],
    [{ root: undefined }, 'root.own'],
  ])('of others are not: %o', (changes, id) => expect(failed(checkPlaces({ ...fine, ...changes }))).toEqual([id]));

  const inNetwork: NetworkPlace = {
    ...{ reaperPid: 7, promised: 'given', found: 'net:[5]', machine: 'net:[1]', tenant: 'net:[5]' },
    ...{ sharedWith: [], interfaces: ['lo', 'eth0'], allowedInterfaces: ['eth0'] },
  };

  test.each<[Partial<NetworkPlace>, string[]]>([
    [{}, []],
    [{ promised: 'empty', interfaces: ['lo'] }, []],
    [{ promised: 'empty' }, ['network.interfaces']],
    [{ found: 'net:[1]' }, ['network.namespace']],
    [{ found: 'net:[6]' }, ['network.namespace']],
    [{ tenant: undefined }, ['network.namespace']],
    [{ sharedWith: ['beta host'] }, ['network.apart']],
    [{ interfaces: ['lo', 'eth0', 'eth1'] }, ['network.interfaces']],
    [{ promised: 'machine' }, ['network.namespace']],
    [{ promised: 'machine', found: 'net:[1]' }, []],
  ])('a network: %o', (changes, ids) => expect(failed(checkNetwork({ ...inNetwork, ...changes }))).toEqual(ids));

  test.each([
    [[], undefined, []],
    ['any' as const, [], [true]],
    ['any' as const, undefined, [false]],
    ['any' as const, ['rules of a: missing'], [false]],
    [[], [], [false]],
  ])('a way out: listed %o, found %o', (targets, drift, oks) => {
    expect(checkEgress(targets, drift).map(({ ok }) => ok)).toEqual(oks);
  });
});

describe('limits of a tenant', () => {
  const files = { memoryBytes: '/m', processes: '/p', cpu: '/c' };
  const plan = { memoryBytes: 100_000_000, processes: 64, cpu: 0.5 };

  test('are compared in whole pages', () => {
    expect(failed(checkLimits({ ...plan, memoryBytes: 99_999_744, files }, plan))).toEqual([]);
  });

  test.each([
    [{ memoryBytes: 2 ** 63 }, 'resources.memory', 'unlimited bytes'],
    [{ memoryBytes: Number.NaN }, 'resources.memory', 'unreadable bytes'],
    [{ processes: Infinity }, 'resources.processes', 'unlimited'],
    [{ cpu: 0.6 }, 'resources.cpu', '0.6 cores'],
  ])('%o', (changes, id, actual) => {
    const findings = checkLimits({ ...plan, files, ...changes }, plan);
    expect(findings.filter(({ ok }) => !ok)).toEqual([expect.objectContaining({ id, actual })]);
  });

  test('of a group that is gone fail', () => expect(failed(checkLimits(undefined, plan))).toEqual(['resources.limits']));
});
