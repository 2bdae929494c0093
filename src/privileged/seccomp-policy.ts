import type { Decision } from './seccomp-program.ts';
import type { SystemCall } from './system-call-numbers.ts';

/** What a sandbox may not do by these calls, and why. What no rule names is allowed. */
export interface Rule {
  calls: readonly SystemCall[];
  decision: Decision;
  reason: string;
}

/** <asm-generic/errno.h>, the same on both machines. */
const errnoNumbers = { EPERM: 1, ENOSYS: 38, EPROTONOSUPPORT: 93, EOPNOTSUPP: 95, EAFNOSUPPORT: 97 } as const;

/** <linux/seccomp.h>. */
export const allow: Decision = { answer: 0x7fff_0000 };
export const killProcess: Decision = { answer: 0x8000_0000 };
const failWith = (errno: keyof typeof errnoNumbers): Decision => ({ answer: 0x0005_0000 | errnoNumbers[errno] });
const deny = failWith('EPERM');
/** As a kernel without this call: libraries then do without it. */
export const unknown = failWith('ENOSYS');
/** Answers 0 and does nothing. */
const ignore: Decision = { answer: 0x0005_0000 };
const noSuchFamily = failWith('EAFNOSUPPORT');
const noSuchProtocol = failWith('EPROTONOSUPPORT');

/**
 * The lower half of an argument. The kernel takes no more of each one that is looked at here (int, unsigned int, umode_t; clone's
 * flags by lower_32_bits), so bits set in the upper half change nothing.
 */
const argument = (index: number, next: Decision): Decision => ({ load: 16 + 8 * index, next });
const ifAnyBit = (value: number, yes: Decision, no: Decision = allow): Decision => ({ test: 'hasAnyBit', value, yes, no });
const ifOneOf = (values: readonly number[], yes: Decision, no: Decision): Decision =>
  values.reduceRight<Decision>((rest, value) => ({ test: 'equals', value, yes, no: rest }), no);

/** <linux/sched.h>; the bit of time namespaces is one of clone's exit signal. */
const newNamespaces = 0x7e02_0000;
const newTimeNamespace = 0x80;

/** <linux/stat.h>, <asm-generic/fcntl.h>. */
const setIdBits = 0o6000;
const createsFile = 0o100 | 0o20_000_000; // O_CREAT, __O_TMPFILE
const fileType = 0o170_000;
const plainTypes = [0, 0o100_000, 0o010_000, 0o140_000]; // a file (twice), FIFO, socket

const noSetIds = ifAnyBit(setIdBits, deny);
const noDevices: Decision = { mask: fileType, next: ifOneOf(plainTypes, allow, deny) };

/** <linux/socket.h>, <linux/in.h>, <linux/netlink.h>. Close-on-exec and non-blocking are bits above the type. */
const family = { unix: 1, ipv4: 2, ipv6: 10, netlink: 16 };
const typeBits = 0xf;
const [stream, datagram, raw] = [1, 2, 3];
const [tcp, udp, routeNetlink] = [6, 17, 0];
const protocol = (values: readonly number[]): Decision => argument(2, ifOneOf(values, allow, noSuchProtocol));
const internetSocket = argument(1, {
  mask: typeBits,
  next: ifOneOf([stream], protocol([0, tcp]), ifOneOf([datagram], protocol([0, udp]), noSuchFamily)),
});
const netlinkSocket = argument(1, {
  mask: typeBits,
  next: ifOneOf([raw, datagram], argument(2, ifOneOf([routeNetlink], allow, noSuchFamily)), noSuchFamily),
});

/** <asm-generic/ioctls.h>, <linux/fs.h>. */
const terminalInjection = [0x5412, 0x541c]; // TIOCSTI, TIOCLINUX
const consoleRedirection = 0x541d; // TIOCCONS
const lineDiscipline = 0x5423; // TIOCSETD
const fileAttributes = [0x4008_6602, 0x401c_5820]; // FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR

/** <asm-generic/socket.h>, <linux/tcp.h>. */
const [socketLevel, lingerOption, tcpUpperLayer] = [1, 13, 31];
const socketOptions = (answers: { linger: Decision }): Decision =>
  argument(
    1,
    ifOneOf(
      [tcp],
      argument(2, ifOneOf([tcpUpperLayer], deny, allow)),
      ifOneOf([socketLevel], argument(2, ifOneOf([lingerOption], answers.linger, allow)), allow),
    ),
  );
const urgentData = 1; // MSG_OOB
const noUrgentData = ifAnyBit(urgentData, failWith('EOPNOTSUPP'));

/**
 * A list of what is denied, on top of no capabilities and no new privileges: most of it would fail anyway, but in code of the kernel
 * that has had faults, and some of it would not. It leaves out what Docker's and systemd's lists leave out, and some more.
 * Open on purpose: seccomp and landlock (apps may lock themselves in further), prctl, capset and setresuid (setpriv runs below it).
 */
export const systemCallRules: readonly Rule[] = [
  {
    calls: [
      'mount',
      'umount2',
      'pivot_root',
      'chroot',
      'open_tree',
      'move_mount',
      'fsopen',
      'fsconfig',
      'fsmount',
      'fspick',
      'mount_setattr',
    ],
    decision: deny,
    reason: 'the root of a sandbox stays as it was made: mount(2), CVE-2022-0185 (fsconfig)',
  },
  {
    calls: ['setns'],
    decision: deny,
    reason: 'no way into another namespace: setns(2)',
  },
  {
    calls: ['unshare'],
    decision: argument(0, ifAnyBit(newNamespaces | newTimeNamespace, deny)),
    reason: 'a user namespace gives every capability over new ones, the way into most local root exploits: user_namespaces(7)',
  },
  {
    calls: ['clone'],
    decision: argument(0, ifAnyBit(newNamespaces, deny)),
    reason: 'as unshare: clone(2)',
  },
  {
    calls: ['clone3'],
    decision: unknown,
    reason: 'its flags are in memory, where no filter can look; libc then uses clone: clone(2)',
  },
  {
    calls: ['ptrace', 'process_vm_readv', 'process_vm_writev', 'process_madvise', 'kcmp', 'pidfd_getfd'],
    decision: deny,
    reason: "another process's memory and descriptors, and addresses of the kernel's (kcmp): ptrace(2), CVE-2019-13272",
  },
  {
    calls: ['bpf'],
    decision: deny,
    reason: 'programs in the kernel: bpf(2), CVE-2021-3490, CVE-2022-23222',
  },
  {
    calls: ['perf_event_open'],
    decision: deny,
    reason: 'measures other processes and the kernel: perf_event_open(2), CVE-2013-2094, CVE-2023-5717',
  },
  {
    calls: ['io_uring_setup', 'io_uring_enter', 'io_uring_register'],
    decision: deny,
    reason:
      'makes calls that no filter sees, and was in 6 of 10 exploits that Google paid for in a year: io_uring(7), CVE-2022-29582, CVE-2023-2598',
  },
  {
    calls: ['userfaultfd'],
    decision: deny,
    reason: 'stops the kernel in the middle of a copy, which makes races easy to win: userfaultfd(2)',
  },
  {
    calls: ['keyctl', 'add_key', 'request_key'],
    decision: deny,
    reason: 'keyrings belong to a uid of the whole machine and no namespace holds them: keyrings(7), CVE-2016-0728',
  },
  {
    calls: ['socket'],
    decision: argument(
      0,
      ifOneOf(
        [family.unix],
        allow,
        ifOneOf([family.ipv4, family.ipv6], internetSocket, ifOneOf([family.netlink], netlinkSocket, noSuchFamily)),
      ),
    ),
    reason:
      'streams and datagrams of IP, Unix sockets, and route netlink, which lists addresses. No network namespace holds AF_VSOCK, which reaches ' +
      'the hypervisor; other families load modules of their own: vsock(7), packet(7), CVE-2021-26708, CVE-2017-6074, CVE-2019-8912',
  },
  {
    calls: ['socketpair'],
    decision: argument(0, ifOneOf([family.unix], allow, noSuchFamily)),
    reason: 'as socket: socketpair(2)',
  },
  {
    calls: ['setsockopt'],
    decision: socketOptions({ linger: ignore }),
    reason:
      'TCP_ULP puts TLS into the kernel; OpenSSL does without it: CVE-2023-0461, CVE-2025-39682. SO_LINGER lets a close wait, in whoever closes ' +
      'last: for a descriptor sent over a Unix socket to one who did not ask for it, that is the edge: unix(7), socket(7)',
  },
  {
    calls: ['sendto', 'sendmmsg'],
    decision: argument(3, noUrgentData),
    reason: "MSG_OOB over Unix sockets was a way out of a browser's sandbox; urgent data is used by nothing: CVE-2025-38236",
  },
  {
    calls: ['sendmsg'],
    decision: argument(2, noUrgentData),
    reason: 'as sendto: send(2)',
  },
  {
    calls: ['ioctl'],
    decision: argument(1, ifOneOf([...terminalInjection, consoleRedirection, lineDiscipline, ...fileAttributes], deny, allow)),
    reason:
      'TIOCSTI and TIOCLINUX type into the terminal of whoever looks at it (CVE-2017-5226); TIOCSETD loads old line disciplines ' +
      "(CVE-2017-2636, CVE-2023-6546); FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR move a file out of its owner's project quota",
  },
  {
    calls: ['chmod', 'fchmod'],
    decision: argument(1, noSetIds),
    reason: 'a setuid file, met by somebody outside of the sandbox, would run as this user there: chmod(2)',
  },
  {
    calls: ['fchmodat', 'fchmodat2'],
    decision: argument(2, noSetIds),
    reason: 'as chmod: fchmodat(2)',
  },
  {
    calls: ['creat'],
    decision: argument(1, noSetIds),
    reason: 'as chmod; mkdir drops these bits itself: open(2)',
  },
  {
    calls: ['open'],
    decision: argument(1, ifAnyBit(createsFile, argument(2, noSetIds))),
    reason: 'as chmod, where it makes a file: open(2)',
  },
  {
    calls: ['openat'],
    decision: argument(2, ifAnyBit(createsFile, argument(3, noSetIds))),
    reason: 'as chmod, where it makes a file: open(2)',
  },
  {
    calls: ['openat2'],
    decision: unknown,
    reason: 'its mode is in memory, where no filter can look; callers then use openat: openat2(2)',
  },
  {
    calls: ['mknod'],
    decision: argument(1, ifAnyBit(setIdBits, deny, noDevices)),
    reason: 'no devices, and no setuid files: mknod(2)',
  },
  {
    calls: ['mknodat'],
    decision: argument(2, ifAnyBit(setIdBits, deny, noDevices)),
    reason: 'as mknod: mknod(2)',
  },
  {
    calls: ['open_by_handle_at', 'name_to_handle_at'],
    decision: deny,
    reason: 'opens files by number, past every mount: open_by_handle_at(2), CVE-2014-3519',
  },
  {
    calls: ['fanotify_init', 'fanotify_mark'],
    decision: deny,
    reason: 'watches whole file systems, which reach out of the sandbox: fanotify(7)',
  },
  {
    calls: ['personality'],
    decision: argument(0, ifOneOf([0, 0xffff_ffff], allow, deny)),
    reason: 'turns off the randomness of addresses, among others; 0xffffffff only asks: personality(2)',
  },
  {
    calls: ['init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot'],
    decision: deny,
    reason: "the kernel itself, the machine's: init_module(2), kexec_load(2), reboot(2)",
  },
  {
    calls: ['swapon', 'swapoff', 'acct', 'quotactl', 'quotactl_fd', 'sethostname', 'setdomainname', 'vhangup'],
    decision: deny,
    reason: "the machine's to say: swapon(2), acct(2), quotactl(2), sethostname(2), vhangup(2)",
  },
  {
    calls: ['settimeofday', 'clock_settime', 'adjtimex', 'clock_adjtime'],
    decision: deny,
    reason: 'there is one clock for all: settimeofday(2), adjtimex(2)',
  },
  {
    calls: ['syslog'],
    decision: deny,
    reason: "the kernel's log tells of others, and addresses: syslog(2)",
  },
  {
    calls: ['mbind', 'set_mempolicy', 'get_mempolicy', 'set_mempolicy_home_node', 'migrate_pages', 'move_pages'],
    decision: deny,
    reason: "where memory lies is the machine's to say, and the code for it is little tested: CVE-2023-4611; Docker denies them too",
  },
  {
    calls: ['vmsplice'],
    decision: deny,
    reason: 'keeps pages in a pipe over a copy-on-write: CVE-2020-29374; callers then write',
  },
  {
    calls: ['io_setup'],
    decision: unknown,
    reason: 'there are so many for the whole machine (fs.aio-max-nr), and one app could have them all; databases do without: io_setup(2)',
  },
  {
    calls: ['iopl', 'ioperm', 'modify_ldt'],
    decision: deny,
    reason: 'ports and segments of x86, for programs of the last century: iopl(2), modify_ldt(2), CVE-2017-17053',
  },
  {
    calls: ['uselib', 'ustat', 'sysfs', '_sysctl', 'lookup_dcookie', 'nfsservctl'],
    decision: unknown,
    reason: 'gone from newer kernels, and wanted by nothing: uselib(2), CVE-2004-1235',
  },
];

/** For the edge, which resets connections whose answer was cut: `SO_LINGER` of no time is the only way to. */
export const resettingRules: readonly Rule[] = systemCallRules.map((rule) =>
  rule.calls.includes('setsockopt') ? { ...rule, decision: socketOptions({ linger: allow }) } : rule,
);

/** For jobs that work as all users of one tenant: the one namespace they have a descriptor of is that of these. */
export const joiningRules: readonly Rule[] = systemCallRules.map((rule) =>
  rule.calls.includes('setns') ? { ...rule, decision: allow } : rule,
);
