import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { assertPlainPath } from './directories.ts';
import type { MountedDisk } from './mount-namespaces.ts';
import type { Programs } from './programs.ts';

export interface SnapshotCopy {
  /** How long nothing could be written to the disk. */
  pauseMs: number;
  bytes: number;
}

/** Whoever writes waits so long at most; then there is no snapshot. */
const mostPauseSeconds = 60;
const tries = 3;

/**
 * Copies what an image has while its file system goes on; then stops writing to it (FIFREEZE), copies what has changed since, and lets it go
 * on. Where the machine's file system can share blocks (FICLONE), the copy is made at once instead.
 *
 * A disk that stays frozen would be a tenant that hangs: the process that froze it is watched by another one, which ends with the
 * daemon and thaws it (PR_SET_PDEATHSIG); that one by the daemon; and whoever mounts it next thaws it, too.
 */
const script = `
my ($prctl, $syncfs, $clock, $fsync, $image, $copy, $daemon, $most) = @ARGV;
my ($freeze, $thaw, $clone, $chunk) = (0xC0045877, 0xC0045878, 0x40049409, 1 << 20);
open my $disk, '<&=', 3 or fail('disk');
open my $from, '<:raw', $image or fail($image);
sysopen my $to, $copy, 0302, 0600 or fail($copy);
binmode $to;
my $size = -s $from;
truncate $to, $size or fail($copy);
my $bytes = 0;
my $shares = ioctl $to, $clone, fileno $from;
copy_changed(0) unless $shares;
# Else the freeze waits for all that is on its way to the disk.
syscall($fsync + 0, fileno $to);
syscall($syncfs + 0, fileno $disk);
$SIG{TERM} = sub { kill KILL => $main::worker if $main::worker; ioctl $disk, $thaw, 0; exit 1 };
$SIG{ALRM} = $SIG{TERM};
syscall($prctl + 0, 1, 15, 0, 0, 0) == 0 && getppid() == $daemon or die "the daemon is gone\\n";
pipe my $told, my $tell or fail('pipe');
defined($main::worker = fork) or fail('fork');
work() if $main::worker == 0;
close $tell;
alarm $most + 1;
chomp(my $result = <$told> // '');
waitpid $main::worker, 0;
$main::worker = 0;
# EINVAL: it is not frozen, as it should be.
ioctl $disk, $thaw, 0;
$result ne '' or die "it took over $most s, or was ended\\n";
print "$result\\n";

sub work {
  $SIG{TERM} = $SIG{ALRM} = 'DEFAULT';
  syscall($prctl + 0, 1, 9, 0, 0, 0);
  alarm $most;
  # Others wait for it.
  setpriority 0, 0, -20;
  my $began = now();
  ioctl $disk, $freeze, 0 or fail('freeze');
  $shares ? (ioctl $to, $clone, fileno $from) : copy_changed(1);
  # Somebody else has let it go on meanwhile.
  my $isWhole = ioctl $disk, $thaw, 0;
  syswrite $tell, ($isWhole ? '' : 'again ') . int(1000 * (now() - $began)) . " $bytes\\n";
  exit 0 }
sub copy_changed { my ($again) = @_;
  ($bytes, my $there, my $copied) = (0, '', '');
  for (my $end = 0; ;) {
    my $start = sysseek $from, $end, 3 or last;
    $end = sysseek $from, $start, 4 or fail($image);
    $bytes += $end - $start;
    for (my $at = $start + 0; $at < $end; $at += $chunk) {
      my $length = $end - $at < $chunk ? $end - $at : $chunk;
      read_at($from, $at, $length, $there);
      read_at($to, $at, $length, $copied) if $again;
      next if $again && $there eq $copied;
      sysseek $to, $at, 0 or fail($copy);
      for (my $done = 0; $done < $length;) { $done += syswrite $to, $there, $length - $done, $done or fail("write $copy") }
    }
  } }
# Into the variable that is given: strings of that size are not to be copied.
sub read_at {
  sysseek $_[0], $_[1], 0 or fail('seek');
  for (my $done = 0; $done < $_[2];) { $done += sysread $_[0], $_[3], $_[2] - $done, $done or fail('read') } }
sub now { syscall($clock + 0, 1, my $now = "\\0" x 16); my ($seconds, $rest) = unpack 'qq', $now; $seconds + $rest / 1e9 }
sub fail { print STDERR "$_[0]: $!\\n"; exit 2 }
`;

/** prctl, syncfs, clock_gettime and fsync: <asm/unistd_64.h> and <asm-generic/unistd.h>. */
const systemCalls: Partial<Record<string, readonly number[]>> = { x64: [157, 306, 228, 74], arm64: [167, 267, 113, 82] };

/** Of a disk that is mounted. A part of a copy may be there when this rejects. */
export async function copyDisk(programs: Pick<Programs, 'perl'>, disk: MountedDisk, copy: string): Promise<SnapshotCopy> {
  assertPlainPath(copy);
  for (let attempt = 0; attempt < tries; attempt++) {
    rmSync(copy, { force: true });
    const [pauseMs = '', bytes] = (await runCopy(programs, disk, copy)).split(' ');
    if (pauseMs !== 'again') return { pauseMs: Number(pauseMs), bytes: Number(bytes) };
  }
  throw new Error(`something let ${disk.image} go on each time it was to stand still`);
}

async function runCopy({ perl }: Pick<Programs, 'perl'>, disk: MountedDisk, copy: string): Promise<string> {
  const numbers = systemCalls[process.arch] ?? [];
  const args = [...numbers, disk.image, copy, process.pid, mostPauseSeconds].map(String);
  const child = spawn(perl, ['-e', script, ...args], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe', Number(basename(disk.root))],
    cwd: '/',
  });
  let [result, complaint] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (result += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(-1_000)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return result.trim();
  await thaw(perl, disk);
  throw new Error(complaint.trim().replaceAll('\n', ' ') || 'the copy was ended');
}

/** Of one that was ended: nobody is left to do it. */
async function thaw(perl: string, disk: MountedDisk): Promise<void> {
  const child = spawn(perl, ['-e', "open my $disk, '<&=', 3; ioctl $disk, 0xC0045878, 0"], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', Number(basename(disk.root))],
    cwd: '/',
  });
  await once(child, 'close');
}
