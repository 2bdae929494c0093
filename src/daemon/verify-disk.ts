import { filesOf, type Plan } from '../config/plans.ts';
import { backingFileOf, type MountFacts, type Room, roomAt } from '../privileged/facts-mounts.ts';
import type { SandboxPromise } from './sandbox-promise.ts';
import { type Finding, judge } from './verify-finding.ts';

/** A number of files is a whole number of blocks of a file system's table. */
const filesSlack = 1.25;
const fewFiles = 1_000;

export interface TenantDiskPromise {
  plan: Plan;
  image: string;
  /** What the image was made for, perhaps under a larger plan: files never become fewer. */
  filesOfImage: number;
}

/** What can be written in a sandbox has an end: in memory, and on disk in an image of its tenant's own. */
export function checkDisk(
  pid: number,
  { writable, scratch }: SandboxPromise,
  mounts: readonly MountFacts[],
  tenant: TenantDiskPromise | undefined,
): Finding[] {
  const inMemory = checkRoom(pid, '/tmp', 'memory', scratch);
  const kept = writable.find(({ source }) => source !== undefined)?.target;
  // The last one there lies over the others.
  const mount = mounts.findLast(({ target }) => target === kept);
  if (!tenant || !mount) return inMemory;
  const { plan, image, filesOfImage } = tenant;
  const files = filesOf(plan);
  const most = { bytes: plan.diskBytes, inodes: Math.ceil(Math.max(files * filesSlack, files + fewFiles, filesOfImage)) };
  const backing = backingFileOf(mount.device) ?? `${mount.type} on ${mount.source}`;
  return [
    ...inMemory,
    ...checkRoom(pid, mount.target, 'room', most),
    judge('disk', 'image', backing === image, {
      expected: image,
      actual: backing,
      source: `/sys/dev/block/${mount.device}/loop/backing_file`,
    }),
  ];
}

function checkRoom(pid: number, target: string, id: string, most: Omit<Room, 'isFull'>): Finding[] {
  const room = roomAt(pid, target);
  if (!room) return [];
  const show = ({ bytes, inodes }: Omit<Room, 'isFull'>): string => `${bytes} bytes, ${inodes} files`;
  return [
    judge('disk', id, room.bytes > 0 && (room.isFull || room.bytes <= most.bytes) && room.inodes > 0 && room.inodes <= most.inodes, {
      expected: `${target} at most ${show(most)}`,
      actual: show(room),
      source: `statfs /proc/${pid}/root${target}`,
    }),
  ];
}
