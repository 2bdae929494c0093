import {
  close,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../base/errors.ts';
import { assertPlainPath } from './directories.ts';
import { brokenImage, readDiskCapacity } from './disk-images.ts';
import { systemCallNumbers } from './launch-steps.ts';
import { startHolder, type WaitingHolder } from './namespace-holder.ts';
import type { Programs } from './programs.ts';

/**
 * A disk image, mounted in a mount namespace of its own: in the machine's, it would slow down every later sandbox. The namespace is
 * held by a descriptor of the daemon and by the processes in it; with the last of them the mount goes, and its loop device.
 * A daemon that comes after mounts the image once more, which is the same file system while the other mount lives.
 */
export interface MountedDisk {
  image: string;
  /** What setns(2) takes; only valid while this daemon lives. */
  path: string;
  /** The mounted file system, for this process alone. */
  root: string;
  /** `loop3` */
  device: string;
  descriptors: number[];
}

/**
 * The lock keeps a check that outlived its daemon apart from a mount of the next one's: e2fsck(8) inherits it, for `$^F` says so. What is
 * attached already is mounted somewhere: then there is nothing to check. Else it is checked, unless its superblock says what
 * e2fsck itself would leave it at (check_if_skip in its unix.c): unmounted, no fault, nothing to recover, no check due.
 *
 * In place of mount(8) and losetup(8), which take three times as long. A loop device with LO_FLAGS_AUTOCLEAR goes with its last
 * user, so nothing is left of one that is killed in here. LOOP_CTL_GET_FREE, LOOP_CONFIGURE: loop(4), Linux 5.8.
 */
const makeMount = `
my ($unshare, $mount, $e2fsck, $image, $point, $options) = @values;
call('mounts of its own', $unshare, 0x00020000);
call('mounts of its own', $mount, 0, my $root = '/', 0, 0x00080000 | 0x00004000, 0);
$^F = 9;
open my $locked, '<', $image or fail($image);
$^F = 2;
flock $locked, 2 or fail("lock $image");
my $identity = identity_of($image);
my $device = attached();
if (!$device) {
  is_clean() or check();
  $device = attach();
}
my @mount = ($mount, "/dev/$device->{name}", $point, my $type = 'ext4');
# One that had a fault is read-only while it is mounted elsewhere, and can be mounted in no other way.
syscall($mount + 0, @mount[1 .. 3], 0x2 | 0x4 | 0x400, $options) == 0
  or call("mount $image", @mount, 0x1 | 0x2 | 0x4 | 0x400, $options);
# FITHAW: a snapshot may have been cut off, and with it all who would let it go on.
open my $top, '<', $point or fail($point);
ioctl $top, 0xC0045878, 0;
close $top;
close $device->{open};
close $locked;

sub identity_of { join ':', (stat $_[0])[0, 1] }
sub is_of_image { open my $in, '<', "/sys/block/$_[0]/loop/backing_file" or return 0; chomp(my $file = <$in> // ''); identity_of($file) eq $identity }
sub attached {
  opendir my $devices, '/sys/block' or fail('/sys/block');
  for my $name (grep { /^loop[0-9]+$/ } readdir $devices) {
    next unless is_of_image($name) && open my $open, '+<', "/dev/$name";
    # From here on it stays that image's, if it is still.
    return { name => $name, open => $open } if is_of_image($name);
  }
  0 }
sub attach {
  open my $control, '+<', '/dev/loop-control' or fail('/dev/loop-control');
  open my $file, '+<', $image or fail($image);
  # struct loop_config: the descriptor, a struct loop_info64 with nothing but flags and a name, 64 bytes kept for later.
  my $configuration = pack 'L x4 x40 x12 L a64 x96 x16 x64', fileno $file, 0x4, substr($image, 0, 63);
  for (1 .. 100) {
    my $number = ioctl $control, 0x4C82, 0 or fail('no free loop device');
    my $name = 'loop' . ($number + 0);
    open my $open, '+<', "/dev/$name" or fail("/dev/$name");
    return { name => $name, open => $open } if ioctl $open, 0x4C0A, $configuration;
    # Somebody else was faster: EBUSY.
    $! == 16 or fail("attach $image");
  }
  die "no free loop device\\n" }
# struct ext4_super_block: state, incompatible features (RECOVER), faults, orphans, mounts and when to check.
sub is_clean {
  seek $locked, 1024, 0 and read($locked, my $block, 1024) == 1024 or return 0;
  my ($mounts, $most, $magic, $state) = unpack 'x52 S s S S', $block;
  my ($interval, $features, $orphan, $faults) = map { unpack "x$_ L", $block } 0x44, 0x60, 0xe8, 0x194;
  $magic == 0xef53 && $state == 1 && !($features & 0x4) && !$orphan && !$faults && !$interval && ($most <= 0 || $mounts < $most) }
# 4 and more is what it could not mend.
sub check {
  open STDOUT_BEFORE, '>&', \\*STDOUT and open STDOUT, '>&', \\*STDERR or fail('stderr');
  my $code = system { $e2fsck } $e2fsck, '-p', $image;
  open STDOUT, '>&', \\*STDOUT_BEFORE or fail('stdout');
  $code >= 0 && !($code & 127) && $code >> 8 < 4 or die "e2fsck ended with $code\\n" }
`;

/** `data_err` and `errors`: when the machine's own disk fails or is full, the image is read-only, before anything is lost unnoticed. */
const options = 'discard,noinit_itable,errors=remount-ro,data_err=abort';
const closeFile = promisify(close);
const pollMs = 5;
const detachTimeLimitMs = 5_000;

/** What `mountDisk` needs; it may be started long before. */
export function startMounter({ perl }: Pick<Programs, 'perl'>): WaitingHolder {
  return startHolder(perl, makeMount);
}

/** Mounts the image at `point`, for what is started in there alone. `writer` may use what is reserved in it. */
export async function mountDisk(
  programs: Pick<Programs, 'perl' | 'e2fsck'>,
  image: string,
  point: string,
  writer: { uid: number },
  mounter: WaitingHolder = startMounter(programs),
): Promise<MountedDisk> {
  for (const path of [image, point]) assertPlainPath(path);
  const { unshare, mount } = systemCallNumbers();
  const values = [unshare, mount, programs.e2fsck, image, point, `${options},resuid=${writer.uid}`];
  const holder = await mounter.make(values).catch((error: unknown) => {
    throw brokenImage(image, error);
  });
  try {
    return takeMount(holder.pid, image, point);
  } finally {
    holder.release();
  }
}

function takeMount(pid: number, image: string, point: string): MountedDisk {
  const namespace = openSync(`/proc/${pid}/ns/mnt`, 'r');
  const root = openSync(`/proc/${pid}/root${point}`, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    image,
    path: `/proc/${process.pid}/fd/${namespace}`,
    root: `/proc/self/fd/${root}`,
    device: deviceOf(fstatSync(root).dev),
    descriptors: [namespace, root],
  };
}

/** As sysfs names it. See makedev(3) for the number. */
function deviceOf(number: number): string {
  const device = BigInt(number);
  const major = (device >> 8n) & 0xfffn;
  const minor = (device & 0xffn) | ((device >> 12n) & 0xfffff00n);
  return basename(readlinkSync(`/sys/dev/block/${major}:${minor}`));
}

/**
 * How much may be in use, from now on; less than is in use already only means that nothing can be added. The rest is set aside, as
 * `reserved_clusters` in sysfs: nobody gets it, root neither. It is forgotten when the file system is unmounted.
 */
export function limitDisk(disk: MountedDisk, limitBytes: number): void {
  const { blockBytes, reservedBlocks } = readDiskCapacity(disk.image);
  const { blocks } = statfsSync(disk.root);
  const setAside = Math.max(0, blocks - Math.floor(limitBytes / blockBytes) - reservedBlocks);
  writeFileSync(`/sys/fs/ext4/${disk.device}/reserved_clusters`, String(setAside));
}

/** Faults of the file system since it was checked last: after one, it is read-only. */
export function faultsOf(disk: MountedDisk): number {
  return Number(readSystemFile(`/sys/fs/ext4/${disk.device}/errors_count`) ?? 0);
}

/** Resolves when the file system is unmounted and on its image, or after some seconds: when processes in there are left. */
export async function closeDisk(disk: MountedDisk): Promise<void> {
  // In a thread of its own: with the last one the kernel unmounts, and writes what is not on the disk yet.
  for (const fd of disk.descriptors) await closeFile(fd);
  const isAttached = (): boolean => readSystemFile(`/sys/block/${disk.device}/loop/backing_file`)?.trim() === disk.image;
  for (let waitedMs = 0; isAttached() && waitedMs < detachTimeLimitMs; waitedMs += pollMs) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** A loop device is its image's while something has it mounted, wherever that is. */
export function isDiskMounted(image: string): boolean {
  const { dev, ino } = statSync(image);
  return readdirSync('/sys/block').some((name) => {
    const file = name.startsWith('loop') ? readSystemFile(`/sys/block/${name}/loop/backing_file`)?.trim() : undefined;
    const found = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    return found?.dev === dev && found.ino === ino;
  });
}

function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
