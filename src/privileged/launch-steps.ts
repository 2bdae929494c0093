import { basename, dirname } from 'node:path';
import { TenantdError } from '../base/errors.ts';
import type { Ownership } from './directories.ts';

/** A Unix socket that a sandbox gets as its descriptor 3, under a name in a directory that only root can write. */
export interface OwnSocket extends Ownership {
  path: string;
}

/** What happens before bubblewrap, in the process that becomes it. */
export type LaunchStep =
  /** Into a namespace that is there: a path as setns(2) takes it once opened. */
  | { do: 'enter'; namespace: string }
  /** Into a new network, with nothing in it. */
  | { do: 'new-network' }
  /** Into a copy of the mounts here: what is mounted from now on ends with this process, and is seen by nobody else. */
  | { do: 'new-mounts' }
  | { do: 'write'; file: string; text: string }
  | { do: 'limit'; resource: keyof typeof resources; soft: number; hard: number }
  /**
   * A file system in memory, with the folders `tmp` and `shm` for all and `secrets` for one user; and `pts`, terminals of its own, as many
   * as one sandbox may have: there are so many for all of the machine (devpts in the kernel's documentation).
   */
  | { do: 'scratch'; directory: string; bytes: number; inodes: number; uid: number; gid: number }
  /** Once more, a file system of ext4 that is mounted elsewhere: that in `image`, or it fails. The directory is made. */
  | { do: 'mount-device'; device: string; image: string; directory: string }
  /**
   * A directory once more, with all in it nobody's: what is open to all can be read, and nothing written. A read-only mount alone
   * would let who sees it connect to sockets there, and write to FIFOs. The directory is made.
   */
  | { do: 'show-foreign'; source: string; directory: string }
  /** Also what is in use. */
  | { do: 'unmount'; path: string }
  | { do: 'own-socket'; socket: OwnSocket };

const mostTerminals = 16;

/** setrlimit(2): <asm-generic/resource.h>, the same on both architectures. */
const resources = { core: 4, 'open-files': 7, 'locked-memory': 8, 'message-queues': 12 } as const;

/** New calls have the same number everywhere. */
const newCalls = { openTree: 428, moveMount: 429, mountSetattr: 442 };

type PrivilegedCall = 'mount' | 'umount2' | 'unshare' | 'setns' | 'prlimit64';

/** <asm/unistd_64.h> and <asm-generic/unistd.h>. */
const systemCalls: Partial<Record<string, Record<PrivilegedCall, number>>> = {
  x64: { mount: 165, umount2: 166, unshare: 272, setns: 308, prlimit64: 302 },
  arm64: { mount: 40, umount2: 39, unshare: 97, setns: 268, prlimit64: 261 },
};

/**
 * One process that becomes the sandbox, instead of a chain of sh, mount, prlimit, nsenter and unshare: each would cost its start.
 * In Perl, since perl-base is on every Debian, and can make system calls; neither Node nor a shell can do so before an exec.
 *
 * `own-socket`: a socket belongs for good to the network it was made in, and looks up abstract names there (unix(7)). One made
 * by the daemon would let who inherits it connect to every abstract socket of the machine, out of a network of its own
 * (CVE-2020-15257 was made of such sockets). As everywhere, the name appears with its owner and mode set.
 */
const script = `
my ($mount, $umount, $unshare, $setns, $prlimit, $open_tree, $move_mount, $mount_setattr) = splice @ARGV, 0, 8;
my %steps = (
  'enter' => sub { my ($file) = take(1);
    open my $namespace, '<', $file or fail($file);
    call("enter $file", $setns, fileno $namespace, 0) },
  'new-network' => sub { call('a new network', $unshare, 0x40000000) },
  'new-mounts' => sub { call('a copy of the mounts', $unshare, 0x00020000);
    call('mounts of its own', $mount, 0, my $root = '/', 0, 0x00080000 | 0x00004000, 0) },
  'write' => sub { put(take(2)) },
  'limit' => sub { my ($resource, $soft, $hard) = take(3);
    call("limit $resource", $prlimit, 0, $resource + 0, my $limit = pack('QQ', $soft, $hard), 0) },
  'scratch' => sub { my ($directory, $options, $uid, $gid) = take(4);
    call("mount $directory", $mount, my $type = 'tmpfs', $directory, my $again = 'tmpfs', 0x2 | 0x4, $options);
    for my $name ('tmp', 'shm') { mkdir "$directory/$name" and chmod 01777, "$directory/$name" or fail($name) }
    mkdir "$directory/secrets", 0700 and chown $uid, $gid, "$directory/secrets" or fail('secrets');
    mkdir "$directory/pts", 0755 or fail('pts');
    my $terminals = "newinstance,ptmxmode=0666,mode=620,max=${mostTerminals}";
    call('terminals of its own', $mount, my $devpts = 'devpts', "$directory/pts", my $once = 'devpts', 0x2 | 0x8, $terminals) },
  'mount-device' => sub { my ($device, $image, $directory) = take(3);
    mkdir $directory, 0700 or fail($directory);
    # One that had a fault is read-only, and can be mounted in no other way.
    syscall($mount + 0, $device, $directory, my $type = 'ext4', 0x2 | 0x4, 0) == 0
      or call("mount $device", $mount, $device, $directory, $type, 0x1 | 0x2 | 0x4, 0);
    # From here on it stays that device's.
    open my $in, '<', '/sys/block/' . ($device =~ s,.*/,,r) . '/loop/backing_file' or fail($device);
    chomp(my $file = <$in>);
    my ($there, $wanted) = map { join ':', (stat $_)[0, 1] } $file, $image;
    $there eq $wanted or die "$device is not of $image\n" },
  'show-foreign' => sub { my ($source, $directory) = take(2);
    my $users = users_of_nobody();
    my $tree = syscall($open_tree + 0, -100, $source, 0x1 | 0x80000);
    $tree >= 0 && open my $clone, '<&=', $tree or fail("open $source");
    # mount_setattr(2), MOUNT_ATTR_IDMAP: from Linux 5.12 on.
    call("show $source as another's", $mount_setattr, $tree, my $here = '', 0x1000, my $as = pack('Q4', 0x100000, 0, 0, fileno $users), 32);
    mkdir $directory, 0700 or fail($directory);
    call("mount $source", $move_mount, $tree, $here, -100, $directory, 0x4) },
  'unmount' => sub { my ($path) = take(1);
    call("unmount $path", $umount, $path, 0x2) },
  'own-socket' => sub { my ($directory, $name, $uid, $gid, $mode) = take(5);
    chdir $directory or fail($directory);
    unlink "$name.new";
    socket $main::socket, 1, 1, 0 or fail('socket');
    fileno $main::socket == 3 or die "descriptor 3 is in use\\n";
    bind $main::socket, pack 'S Z*', 1, "$name.new" or fail("bind $name");
    chown($uid, $gid, "$name.new") && chmod(oct $mode, "$name.new") && rename("$name.new", $name) or fail($name);
    chdir '/' },
);
# A user namespace that has none of the users that files are of (user_namespaces(7)).
sub users_of_nobody {
  pipe my $made, my $tell or fail('pipe');
  pipe my $wait, my $end or fail('pipe');
  defined(my $pid = fork) or fail('fork');
  if ($pid == 0) { close $end; syscall($unshare + 0, 0x10000000) == 0 and syswrite $tell, 'x'; sysread $wait, my $ended, 1; kill KILL => $$ }
  close $tell;
  sysread $made, my $done, 1 or die "a user namespace could not be made\n";
  for my $map ('uid_map', 'gid_map') { put("/proc/$pid/$map", '4294967294 4294967294 1') }
  open my $users, '<', "/proc/$pid/ns/user" or fail('ns/user');
  close $end; waitpid $pid, 0;
  $users }
sub put { my ($file, $text) = @_;
  open my $out, '>', $file or fail($file);
  syswrite $out, $text or fail($file);
  close $out }
sub take { splice @ARGV, 0, shift }
sub fail { die "$_[0]: $!\\n" }
sub call { my ($what, $number, @values) = @_; syscall($number + 0, @values) == 0 or fail($what) }
# The daemon left descriptor 3 free for the socket; $^F is the last one that stays open over exec.
$^F = 3;
while ((my $step = shift @ARGV) ne '--') { $steps{$step}->() }
exit 0 unless @ARGV;
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);
`;

export function systemCallNumbers(): Readonly<Record<PrivilegedCall, number>> {
  const calls = systemCalls[process.arch];
  if (calls) return calls;
  throw new TenantdError('TENANTD_E_INTERNAL', `no system call numbers for ${process.arch}`, 'use a machine with x86_64 or aarch64');
}

/** The command line that does these steps and then becomes `command`, or ends. It says on its stderr which one failed, and why. */
export function launchCommand(perl: string, steps: readonly LaunchStep[], command: readonly string[]): string[] {
  const { mount, umount2, unshare, setns, prlimit64 } = systemCallNumbers();
  const { openTree, moveMount, mountSetattr } = newCalls;
  const numbers = [mount, umount2, unshare, setns, prlimit64, openTree, moveMount, mountSetattr];
  return [perl, '-e', script, ...numbers.map(String), ...steps.flatMap(wordsOf), '--', ...command];
}

/** What a step's function in the script takes, in its order. */
const valuesOf: { readonly [Do in LaunchStep['do']]: (step: Extract<LaunchStep, { do: Do }>) => (string | number)[] } = {
  enter: ({ namespace }) => [namespace],
  'new-network': () => [],
  'new-mounts': () => [],
  write: ({ file, text }) => [file, text],
  limit: ({ resource, soft, hard }) => [resources[resource], soft, hard],
  scratch: ({ directory, bytes, inodes, uid, gid }) => [directory, `size=${bytes},nr_inodes=${inodes},mode=0755`, uid, gid],
  'mount-device': ({ device, image, directory }) => [device, image, directory],
  'show-foreign': ({ source, directory }) => [source, directory],
  unmount: ({ path }) => [path],
  'own-socket': ({ socket: { path, uid, gid, mode } }) => [dirname(path), basename(path), uid, gid, mode.toString(8)],
};

function wordsOf(step: LaunchStep): string[] {
  // Each function takes exactly the step of its own name.
  const values = valuesOf[step.do] as (step: LaunchStep) => (string | number)[];
  return [step.do, ...values(step).map(String)];
}
