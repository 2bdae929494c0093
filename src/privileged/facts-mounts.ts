import { readFileSync, statfsSync, statSync } from 'node:fs';

/** One line of /proc/PID/mountinfo (proc(5)). */
export interface MountFacts {
  id: string;
  /** `major:minor` of the file system. */
  device: string;
  /** Which folder of the file system is mounted. */
  root: string;
  target: string;
  options: ReadonlySet<string>;
  type: string;
  source: string;
}

/** Empty when the process is gone. Tenants can't mount: what is here is root's making. */
export function mountsOf(pid: number | 'self'): MountFacts[] {
  try {
    return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
  } catch {
    return []; // gone
  }
}

export function parseMountinfo(text: string): MountFacts[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [id = '', , device = '', root = '', target = '', options = ''] = before.split(' ');
    const [type = '', source = ''] = after.split(' ');
    if (target === '') return [];
    return [{ id, device, root: unescape(root), target: unescape(target), options: new Set(options.split(',')), type, source }];
  });
}

/** What a path is a part of: device and folder in it, by the mounts alone, without a look at the path itself. */
export function placeOf(path: string, mounts: readonly MountFacts[]): { device: string; root: string } | undefined {
  const covers = ({ target }: MountFacts): boolean => target === '/' || path === target || path.startsWith(`${target}/`);
  // The last one of the longest: it lies over the others.
  const mount = mounts.filter(covers).reduce<MountFacts | undefined>((best, next) => {
    return best && best.target.length > next.target.length ? best : next;
  }, undefined);
  if (!mount) return undefined;
  const rest = mount.target === '/' ? path : path.slice(mount.target.length);
  return { device: mount.device, root: `${mount.root === '/' ? '' : mount.root}${rest}` || '/' };
}

export interface Room {
  bytes: number;
  /** Nothing can be added, however much is in use. */
  isFull: boolean;
  inodes: number;
}

/** How much may be in use at a mount point of a sandbox: a name in its root, which only root can write. */
export function roomAt(pid: number, target: string): Room | undefined {
  try {
    const { blocks, bfree, bavail, bsize, files } = statfsSync(`/proc/${pid}/root${target}`);
    return { bytes: (blocks - bfree + bavail) * bsize, isFull: bavail === 0, inodes: files };
  } catch {
    return undefined; // gone
  }
}

/** The file that a loop device, by its number, shows as a disk (sysfs). */
export function backingFileOf(device: string): string | undefined {
  try {
    return readFileSync(`/sys/dev/block/${device}/loop/backing_file`, 'utf8').trim();
  } catch {
    return undefined; // no loop device
  }
}

/** Device and inode of its root directory. */
export function rootOf(pid: number | 'self'): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/root/`);
    return `${dev}:${ino}`;
  } catch {
    return undefined; // gone
  }
}

/** Space, tab, line feed and backslash are written as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
