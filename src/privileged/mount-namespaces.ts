import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statfsSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { assertPlainPath } from './directories.ts';
import { brokenImage, readDiskCapacity } from './disk-images.ts';
import { type Programs, runProgram } from './programs.ts';

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
 * $1 image, $2 mount point, $3 options. The lock keeps a check that outlived its daemon apart from a mount of the next one's. What is
 * attached already is mounted somewhere: then there is nothing to check. 4 and more of e2fsck(8) is what it could not mend.
 */
const script = `
exec 9<"$1"; flock 9
attached=$(losetup --associated "$1")
if [ -z "$attached" ]; then e2fsck -p "$1" >&2 || [ $? -lt 4 ]; fi
mount --no-mtab -t ext4 -o "$3" "$1" "$2" 9<&-
exec 9<&-
echo mounted; read -r _
`;

/** `data_err` and `errors`: when the machine's own disk fails or is full, the image is read-only, before anything is lost unnoticed. */
const options = 'loop,nosuid,nodev,noatime,discard,noinit_itable,errors=remount-ro,data_err=abort';
const pollMs = 5;
const detachTimeLimitMs = 5_000;

/** Mounts the image at `point`, for what is started in there alone. `writer` may use what is reserved in it. */
export async function mountDisk(programs: Programs, image: string, point: string, writer: { uid: number }): Promise<MountedDisk> {
  for (const path of [image, point]) assertPlainPath(path);
  const args = ['--mount', '--propagation', 'slave', '--', programs.sh, '-ec', script, 'mount', image, point];
  const holder = spawn(programs.unshare, [...args, `${options},resuid=${writer.uid}`], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
  });
  let complaint = '';
  holder.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(-1_000)));
  // It may have ended before.
  holder.stdin.on('error', () => {});
  const ended = once(holder, 'close').then(() => false);
  const isMounted = await Promise.race([once(holder.stdout, 'data').then(() => true), ended]);
  if (!isMounted || holder.pid === undefined) throw brokenImage(image, complaint.trim().replaceAll('\n', ' '));
  try {
    return takeMount(holder.pid, image, point);
  } finally {
    holder.stdin.end('\n');
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
  for (const fd of disk.descriptors) closeSync(fd);
  const isAttached = (): boolean => readSystemFile(`/sys/block/${disk.device}/loop/backing_file`)?.trim() === disk.image;
  for (let waitedMs = 0; isAttached() && waitedMs < detachTimeLimitMs; waitedMs += pollMs) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** A loop device is its image's while something has it mounted, wherever that is. */
export async function isDiskMounted(programs: Programs, image: string): Promise<boolean> {
  return (await runProgram(programs.losetup, ['--associated', image])).trim() !== '';
}

function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
