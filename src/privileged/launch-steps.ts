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
  /** A file system in memory, with the folders `tmp` and `shm` for all and `secrets` for one user. */
  | { do: 'scratch'; directory: string; bytes: number; inodes: number; uid: number; gid: number }
  /** Once more, a file system of ext4 that is mounted elsewhere. The directory is made. */
  | { do: 'mount-device'; device: string; directory: string }
  /** Also what is in use. */
  | { do: 'unmount'; path: string }
  | { do: 'own-socket'; socket: OwnSocket };

/** setrlimit(2): <asm-generic/resource.h>, the same on both architectures. */
const resources = { core: 4, 'open-files': 7, 'locked-memory': 8, 'message-queues': 12 } as const;

/** <asm/unistd_64.h> and <asm-generic/unistd.h>. */
const systemCalls: Partial<Record<string, Record<'mount' | 'umount2' | 'unshare' | 'setns' | 'prlimit64', number>>> = {
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
my ($mount, $umount, $unshare, $setns, $prlimit) = splice @ARGV, 0, 5;
my %steps = (
  'enter' => sub { my ($file) = take(1);
    open my $namespace, '<', $file or fail($file);
    call("enter $file", $setns, fileno $namespace, 0) },
  'new-network' => sub { call('a new network', $unshare, 0x40000000) },
  'new-mounts' => sub { call('a copy of the mounts', $unshare, 0x00020000);
    call('mounts of its own', $mount, 0, my $root = '/', 0, 0x00080000 | 0x00004000, 0) },
  'write' => sub { my ($file, $text) = take(2);
    open my $out, '>', $file or fail($file);
    syswrite $out, $text or fail($file);
    close $out },
  'limit' => sub { my ($resource, $soft, $hard) = take(3);
    call("limit $resource", $prlimit, 0, $resource + 0, my $limit = pack('QQ', $soft, $hard), 0) },
  'scratch' => sub { my ($directory, $options, $uid, $gid) = take(4);
    call("mount $directory", $mount, my $type = 'tmpfs', $directory, my $again = 'tmpfs', 0x2 | 0x4, $options);
    for my $name ('tmp', 'shm') { mkdir "$directory/$name" and chmod 01777, "$directory/$name" or fail($name) }
    mkdir "$directory/secrets", 0700 and chown $uid, $gid, "$directory/secrets" or fail('secrets') },
  'mount-device' => sub { my ($device, $directory) = take(2);
    mkdir $directory, 0700 or fail($directory);
    call("mount $device", $mount, $device, $directory, my $type = 'ext4', 0x2 | 0x4, 0) },
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
sub take { splice @ARGV, 0, shift }
sub fail { die "$_[0]: $!\\n" }
sub call { my ($what, $number, @values) = @_; syscall($number + 0, @values) == 0 or fail($what) }
# The daemon left descriptor 3 free for the socket; $^F is the last one that stays open over exec.
$^F = 3;
while ((my $step = shift @ARGV) ne '--') { $steps{$step}->() }
exit 0 unless @ARGV;
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);
`;

/** The command line that does these steps and then becomes `command`, or ends. It says on its stderr which one failed, and why. */
export function launchCommand(perl: string, steps: readonly LaunchStep[], command: readonly string[]): string[] {
  const calls = systemCalls[process.arch];
  if (!calls) throw new TenantdError('TENANTD_E_INTERNAL', `no system call numbers for ${process.arch}`, 'use a machine with x86_64 or aarch64');
  const { mount, umount2, unshare, setns, prlimit64 } = calls;
  return [perl, '-e', script, ...[mount, umount2, unshare, setns, prlimit64].map(String), ...steps.flatMap(wordsOf), '--', ...command];
}

/** What a step's function in the script takes, in its order. */
const valuesOf: { readonly [Do in LaunchStep['do']]: (step: Extract<LaunchStep, { do: Do }>) => (string | number)[] } = {
  enter: ({ namespace }) => [namespace],
  'new-network': () => [],
  'new-mounts': () => [],
  write: ({ file, text }) => [file, text],
  limit: ({ resource, soft, hard }) => [resources[resource], soft, hard],
  scratch: ({ directory, bytes, inodes, uid, gid }) => [directory, `size=${bytes},nr_inodes=${inodes},mode=0755`, uid, gid],
  'mount-device': ({ device, directory }) => [device, directory],
  unmount: ({ path }) => [path],
  'own-socket': ({ socket: { path, uid, gid, mode } }) => [dirname(path), basename(path), uid, gid, mode.toString(8)],
};

function wordsOf(step: LaunchStep): string[] {
  // Each function takes exactly the step of its own name.
  const values = valuesOf[step.do] as (step: LaunchStep) => (string | number)[];
  return [step.do, ...values(step).map(String)];
}
