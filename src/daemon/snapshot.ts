import { existsSync, readdirSync, statSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { closeDisk, mountDisk, type MountedDisk } from '../privileged/mount-namespaces.ts';
import { copyDisk } from '../privileged/snapshots.ts';
import type { Machine } from './machine.ts';

/** What a tenant's disk held at one moment. */
export interface Snapshot {
  /** For launches. */
  mounts: { path: string };
  /** Where it is, in there. */
  root: string;
  /** As root finds it. */
  reach: string;
  pauseMs: number;
  close(): Promise<void>;
}

/** Beside what is copied: for the machine to go on. */
const spareBytes = 64 << 20;
const blockBytes = 512;

/**
 * A copy of its disk image, made while its apps go on; a tenant that sleeps is not woken. Its room is given back by `close`, or at the next
 * start of the daemon.
 */
export async function takeSnapshot(machine: Machine, tenant: TenantName, writer: { uid: number }): Promise<Snapshot> {
  const { paths, programs } = machine;
  const image = paths.diskImageOf(tenant);
  prepareSnapshots(machine);
  await assertRoom(image, paths.snapshotsDir);
  const copy = `${paths.snapshotsDir}/${tenant}.${randomBytes(4).toString('hex')}.img`;
  try {
    const { pauseMs } = await copyImage(machine, image, copy, writer);
    const disk = await mountDisk(programs, copy, paths.snapshotPoint, { uid: 0 });
    return {
      ...{ mounts: { path: disk.path }, root: paths.snapshotPoint, reach: disk.root, pauseMs },
      async close() {
        await closeDisk(disk);
        await rm(copy, { force: true });
      },
    };
  } catch (error) {
    await rm(copy, { force: true });
    throw error;
  }
}

async function copyImage(machine: Machine, image: string, copy: string, writer: { uid: number }): Promise<{ pauseMs: number }> {
  const disk: MountedDisk = await mountDisk(machine.programs, image, machine.paths.snapshotPoint, writer);
  try {
    return await copyDisk(machine.programs, disk, copy);
  } catch (error) {
    throw new TenantdError('TENANTD_E_DISK_IMAGE', `no snapshot of ${image} can be made: ${messageOf(error)}`, 'try again; see the log');
  } finally {
    // Its tenant may have it mounted: then it does not go with this.
    closeDisk(disk).catch((error: unknown) => machine.log.error({ image, error: messageOf(error) }, 'a disk could not be closed'));
  }
}

async function assertRoom(image: string, dir: string): Promise<void> {
  const neededBytes = statSync(image).blocks * blockBytes + spareBytes;
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize >= neededBytes) return;
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;
  throw new TenantdError(
    'TENANTD_E_MACHINE_DISK',
    `a snapshot takes ${megabytes(neededBytes)} for a while, and the disk of stateDir has ${megabytes(bavail * bsize)}`,
    'make room there',
  );
}

/** Folders of root's own. */
export function prepareSnapshots({ paths }: Machine): void {
  ensureDirectory(paths.snapshotsDir, { uid: 0, gid: 0, mode: 0o700 });
  ensureDirectory(paths.snapshotPoint, { uid: 0, gid: 0, mode: 0o755 });
}

/** What a daemon before left; its jobs have ended. */
export async function clearSnapshots({ paths }: Machine): Promise<void> {
  if (!existsSync(paths.snapshotsDir)) return;
  for (const name of readdirSync(paths.snapshotsDir)) if (name.endsWith('.img')) await rm(`${paths.snapshotsDir}/${name}`);
}
