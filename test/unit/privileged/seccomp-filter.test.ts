import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { systemCallFilter, writeSystemCallFilters } from '../../../src/privileged/seccomp-filter.ts';
import { resettingRules, systemCallRules } from '../../../src/privileged/seccomp-policy.ts';
import { firstUnknownNumber, type SystemCall, systemCallNumbers } from '../../../src/privileged/system-call-numbers.ts';
import { runProgram, type Verdict } from './bpf-machine.ts';
import { temporaryFolder } from './temporary-folder.ts';

const machines = [
  { name: 'x64', audit: 0xc000_003e, column: 0, resolver: 'x86_64' },
  { name: 'arm64', audit: 0xc000_00b7, column: 1, resolver: 'aarch64' },
] as const;
type Machine = (typeof machines)[number];
const [x64] = machines;

const allowed = 0x7fff_0000;
const ignored = 0x0005_0000;
const killed = 0x8000_0000;
const errno = (number: number): number => 0x0005_0000 | number;
const [EPERM, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT] = [1, 38, 93, 95, 97].map(errno) as [
  number,
  number,
  number,
  number,
  number,
];

const programs = new Map(machines.map((machine) => [machine.name, systemCallFilter(machine.name)]));

function judge(machine: Machine, number: number, args: readonly (number | bigint)[] = [], audit: number = machine.audit): Verdict {
  return runProgram(programs.get(machine.name) ?? Buffer.alloc(0), { auditArchitecture: audit, number, args });
}

/** On every machine that has the call: what it answers there. */
function answersOf(name: SystemCall, args: readonly (number | bigint)[]): number[] {
  return machines.flatMap((machine) => {
    const number = systemCallNumbers[name][machine.column];
    return number === null ? [] : [judge(machine, number, args).answer];
  });
}

const all = [0, 0xffff_ffff, 0xffff_ffff_ffff_ffffn];

describe('the policy', () => {
  test('has a reason for each rule, with a manual page or an advisory', () => {
    const withoutReason = systemCallRules.filter(({ reason }) => !/[a-z_\d]\(\d\)|CVE-\d{4}-\d{4,}/.test(reason));
    expect(withoutReason).toEqual([]);
  });

  test('names each call once, and uses every number that is kept', () => {
    const names = systemCallRules.flatMap(({ calls }) => calls);
    expect(names.toSorted()).toEqual(Object.keys(systemCallNumbers).toSorted());
    expect(names.length).toBeGreaterThan(80);
  });

  test.each(
    systemCallRules.flatMap(({ calls, decision }) =>
      calls.flatMap((name) => ('answer' in decision ? [[name, decision.answer] as const] : [])),
    ),
  )('refuses %s, whatever its arguments', (name, answer) => {
    expect([EPERM, ENOSYS]).toContain(answer);
    for (const value of all)
      expect(
        new Set(
          answersOf(
            name,
            Array.from({ length: 6 }, () => value),
          ),
        ),
      ).toEqual(new Set([answer]));
  });

  const newUserNamespace = 0x1000_0000;
  const sigchld = 17;
  const at = -100;
  const [creates, closes] = [0o100, 0o2_000_000];

  test.each<[SystemCall, string, (number | bigint)[], number]>([
    ['unshare', 'a user namespace', [newUserNamespace], EPERM],
    ['unshare', 'a time namespace', [0x80], EPERM],
    ['unshare', 'its folder and descriptors', [0x600], allowed],
    ['clone', 'a process', [sigchld], allowed],
    ['clone', 'a thread', [0x003d_0f00], allowed],
    ['clone', 'a process by vfork', [0x4100 | sigchld], allowed],
    ...[0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, newUserNamespace, 0x2000_0000, 0x4000_0000].map(
      (flag): [SystemCall, string, number[], number] => ['clone', `a namespace of kind ${flag.toString(16)}`, [flag | sigchld], EPERM],
    ),
    ['personality', 'what it is', [0xffff_ffff], allowed],
    ['personality', 'the usual one', [0], allowed],
    ['personality', 'addresses that are not random', [0x0004_0000], EPERM],
    ['socket', 'a Unix stream', [1, 1, 0], allowed],
    ['socket', 'Unix packets', [1, 5 | 0o2_004_000, 0], allowed],
    ['socket', 'TCP', [2, 1 | 0o2_004_000, 6], allowed],
    ['socket', 'TCP over IPv6', [10, 1, 0], allowed],
    ['socket', 'UDP', [2, 2 | 0o2_000_000, 17], allowed],
    ['socket', 'route netlink', [16, 3 | 0o2_000_000, 0], allowed],
    ['socket', 'route netlink as datagrams', [16, 2, 0], allowed],
    ['socket', 'audit netlink', [16, 3, 9], EAFNOSUPPORT],
    ['socket', 'netfilter netlink', [16, 3, 12], EAFNOSUPPORT],
    ['socket', 'a raw socket', [2, 3, 1], EAFNOSUPPORT],
    ['socket', 'the old form of a packet socket', [2, 10, 3], EAFNOSUPPORT],
    ['socket', 'DCCP', [2, 6, 33], EAFNOSUPPORT],
    ['socket', 'SCTP as a stream', [2, 1, 132], EPROTONOSUPPORT],
    ['socket', 'multipath TCP', [10, 1, 262], EPROTONOSUPPORT],
    ['socket', 'ICMP', [2, 2, 1], EPROTONOSUPPORT],
    ['socket', 'UDP-Lite', [2, 2, 136], EPROTONOSUPPORT],
    ...[0, 3, 9, 15, 17, 21, 29, 30, 31, 38, 39, 40, 41, 42, 43, 44, 45, 46].map((family): [SystemCall, string, number[], number] => [
      'socket',
      `family ${family}`,
      [family, 1, 0],
      EAFNOSUPPORT,
    ]),
    ['socketpair', 'of Unix sockets', [1, 1, 0], allowed],
    ['socketpair', 'of another family', [30, 1, 0], EAFNOSUPPORT],
    ['setsockopt', 'TCP_NODELAY', [3, 6, 1], allowed],
    ['setsockopt', 'SO_BINDTODEVICE', [3, 1, 31], allowed],
    ['setsockopt', 'SO_KEEPALIVE', [3, 1, 9], allowed],
    ['setsockopt', 'SO_LINGER, which is ignored', [3, 1, 13], ignored],
    ['setsockopt', 'SO_LINGER with more bits', [3, 2 ** 33 + 1, 2 ** 33 + 13], ignored],
    ['setsockopt', 'TCP_ULP', [3, 6, 31], EPERM],
    ['sendto', 'data', [3, 0, 1, 0x4000], allowed],
    ['sendto', 'urgent data', [3, 0, 1, 0x4001], EOPNOTSUPP],
    ['sendmmsg', 'urgent data', [3, 0, 1, 1], EOPNOTSUPP],
    ['sendmsg', 'data', [3, 0, 0x4000], allowed],
    ['sendmsg', 'urgent data', [3, 0, 1], EOPNOTSUPP],
    ['ioctl', 'the size of a terminal', [0, 0x5413], allowed],
    ['ioctl', 'its controlling terminal', [0, 0x540e], allowed],
    ['ioctl', 'not to block', [0, 0x5421], allowed],
    ...[0x5412, 0x541c, 0x541d, 0x5423, 0x4008_6602, 0x401c_5820].map((request): [SystemCall, string, number[], number] => [
      'ioctl',
      request.toString(16),
      [0, request],
      EPERM,
    ]),
    ['chmod', 'plain bits', [0, 0o1777], allowed],
    ['chmod', 'setuid', [0, 0o4755], EPERM],
    ['fchmod', 'setgid', [0, 0o2755], EPERM],
    ['fchmod', 'plain bits', [0, 0o644], allowed],
    ['fchmodat', 'setuid', [at, 0, 0o4755], EPERM],
    ['fchmodat', 'plain bits', [at, 0, 0o755], allowed],
    ['fchmodat2', 'setgid', [at, 0, 0o2755, 0], EPERM],
    ['creat', 'a file', [0, 0o644], allowed],
    ['creat', 'a setuid file', [0, 0o4755], EPERM],
    ['open', 'a new file', [0, creates | closes, 0o666], allowed],
    ['open', 'a new setuid file', [0, creates | closes, 0o4755], EPERM],
    ['open', 'a file, with whatever stands where the mode would', [0, closes, 0o7777], allowed],
    ['openat', 'a new file', [at, 0, creates | closes, 0o666], allowed],
    ['openat', 'a new setgid file', [at, 0, creates, 0o2755], EPERM],
    ['openat', 'a setuid file without a name', [at, 0, 0o20_200_002, 0o4755], EPERM],
    ['openat', 'a file, with whatever stands where the mode would', [at, 0, closes, 0o7777], allowed],
    ['mknod', 'a FIFO', [0, 0o010_666, 0], allowed],
    ['mknod', 'a file', [0, 0o644, 0], allowed],
    ['mknod', 'a character device', [0, 0o020_666, 0x103], EPERM],
    ['mknodat', 'a socket', [at, 0, 0o140_600, 0], allowed],
    ['mknodat', 'a block device', [at, 0, 0o060_666, 0x800], EPERM],
    ['mknodat', 'a setuid file', [at, 0, 0o104_755, 0], EPERM],
  ])('of %s, for %s', (name, _, args, answer) => {
    const answers = answersOf(name, args);
    expect(answers).toEqual(answers.map(() => answer));
    expect(answers.length).toBeGreaterThan(0);
    // What the kernel does not look at changes nothing.
    const upper = args.map((value) => BigInt.asUintN(32, BigInt(value)) | 0xdead_beef_0000_0000n);
    expect(answersOf(name, upper)).toEqual(answers);
  });
});

describe.each(machines)('the program of $name', (machine) => {
  const program = programs.get(machine.name) ?? Buffer.alloc(0);
  const named = new Set<number | null>(Object.values(systemCallNumbers).map((numbers) => numbers[machine.column]));
  const unnamed = Array.from({ length: firstUnknownNumber }, (_, number) => number).filter((number) => !named.has(number));

  test('fits many times into what the kernel takes', () => {
    console.log(`${machine.name}: ${program.length / 8} instructions`);
    expect(program.length / 8).toBeLessThan(400);
  });

  test('allows what no rule names, after a few instructions and without a look at its arguments: the kernel then keeps the answer', () => {
    for (const number of unnamed) {
      const { answer, steps, looked } = judge(machine, number, [1, 2, 3, 4, 5, 6]);
      expect({ number, answer, looked }).toEqual({ number, answer: allowed, looked: [4, 0] });
      expect(steps).toBeLessThan(20);
    }
    expect(unnamed.length).toBeGreaterThan(300);
  });

  test('does not know what is newer than its policy', () => {
    for (const number of [firstUnknownNumber, 470, 512, 547, 1_000, 0x3fff_ffff, 0x7fff_ffff, 0xffff_ffff])
      expect(judge(machine, number).answer).toBe(ENOSYS);
  });

  test('does not know x32, whose numbers have bit 30 set', () => {
    for (const number of [0, 1, 39, 101, 520, 545]) expect(judge(machine, 0x4000_0000 | number).answer).toBe(ENOSYS);
  });

  test('kills whoever calls in the way of another machine', () => {
    const others = [0x4000_0003, 0x4000_0028, 0xc000_003e, 0xc000_00b7, 0xc000_0015, 0xc000_00f3, 0, 0xffff_ffff];
    for (const audit of others.filter((other) => other !== machine.audit))
      for (const number of [0, 1, 165, firstUnknownNumber]) expect(judge(machine, number, [], audit).answer).toBe(killed);
  });

  const resolver = '/usr/bin/scmp_sys_resolver';
  test.runIf(existsSync(resolver))('has the numbers that libseccomp has', () => {
    const numbersOf = (name: string): number => Number(execFileSync(resolver, ['-a', machine.resolver, name], { encoding: 'utf8' }));
    const kept = Object.entries(systemCallNumbers).map(([name, numbers]) => [name, numbers[machine.column]]);
    expect(Object.keys(systemCallNumbers).map((name) => [name, Math.max(numbersOf(name), -1)])).toEqual(
      kept.map(([name, number]) => [name, number ?? -1]),
    );
  });
});

const header = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';
test.runIf(existsSync(header))("the numbers of x64 are those of the kernel's own header", () => {
  const defined = new Map(
    readFileSync(header, 'utf8')
      .matchAll(/^#define __NR_(\w+) (\d+)$/gm)
      .map(([, name = '', number]) => [name, Number(number)]),
  );
  const kept = Object.entries(systemCallNumbers).filter(([name]) => defined.has(name));
  expect(kept.map(([name, numbers]) => [name, numbers[x64.column]])).toEqual(kept.map(([name]) => [name, defined.get(name)]));
  expect(kept.length).toBeGreaterThan(80);
});

test('a machine that the policy does not know has no program', () => {
  expect(() => systemCallFilter('riscv64')).toThrow('no system call filter for riscv64');
});

test('who resets connections may set SO_LINGER, and nothing more than others', () => {
  const [machine] = machines;
  const programOf = (rules: typeof systemCallRules) => systemCallFilter(machine.name, rules);
  const answerOf = (rules: typeof systemCallRules, args: number[]): number =>
    runProgram(programOf(rules), { auditArchitecture: machine.audit, number: systemCallNumbers.setsockopt[machine.column], args }).answer;
  const differing = resettingRules.filter((rule, index) => rule !== systemCallRules[index]);
  expect(differing.map(({ calls }) => calls)).toEqual([['setsockopt']]);
  expect([systemCallRules, resettingRules].map((rules) => answerOf(rules, [3, 1, 13]))).toEqual([ignored, allowed]);
  expect([systemCallRules, resettingRules].map((rules) => answerOf(rules, [3, 6, 31]))).toEqual([EPERM, EPERM]);
});

test('the program is written whole, for root alone, over one that is there', () => {
  const folder = temporaryFolder();
  writeFileSync(`${folder}/system-calls.bpf.new`, 'half of one');
  for (const architecture of ['arm64', 'x64']) {
    const { usual, resetting } = writeSystemCallFilters(folder, architecture);
    expect(readFileSync(usual)).toEqual(systemCallFilter(architecture));
    expect(readFileSync(resetting)).toEqual(systemCallFilter(architecture, resettingRules));
    for (const file of [usual, resetting]) expect(statSync(file).mode & 0o777).toBe(0o600);
  }
});
