import { existsSync, readdirSync, renameSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { filesOf, type Plan } from '../config/plans.ts';
import { copyTree, measureTree } from '../privileged/copy-tree.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import {
  brokenImage,
  type DiskCapacity,
  type DiskSize,
  enlargeDiskImage,
  isTooSmall,
  makeDiskImage,
  readDiskCapacity,
  syncDirectory,
} from '../privileged/disk-images.ts';
import { closeDisk, faultsOf, isDiskMounted, limitDisk, mountDisk, type MountedDisk } from '../privileged/mount-namespaces.ts';
import { bubblewrapCopy } from '../privileged/programs.ts';
import type { Machine } from './machine.ts';

export interface DiskUse {
  bytes: number;
  bytesLimit: number;
  files: number;
  filesLimit: number;
}

/**
 * Where a tenant's data and logs lie: in a disk image of its own, mounted for its own sandboxes alone.
 *
 * Invariants:
 * - An image that is there is never made anew, emptied or given up: what can't be mounted is a problem of its tenant.
 * - Nothing of a tenant runs while its image is made, filled or made smaller.
 * - A plain folder is used only where the machine can mount no image, or while what began in it lives.
 */
export interface TenantDisk {
  /** Makes, fills, mends and mounts it, as is needed; `writer` is the tenant's own user. Its limit comes with `fit`. */
  open(plan: Plan, writer: { uid: number }): Promise<void>;
  /** Gives it the size of the plan, as far as that can be done now. */
  fit(plan: Plan): Promise<void>;
  /** Something of the tenant's lives, from before the daemon's restart. */
  noteLiving(): void;
  /** For launches. */
  mounts(): { path: string } | undefined;
  /** Where root itself finds what lies at this path in there. */
  reach(path: string): string;
  /** Of what lies at this path, for another tenant's sandbox; undefined while it is not there, or not in order. */
  locate(path: string): { path: string; device?: string; image?: string } | undefined;
  /** As of the last `look`; undefined where there is no limit. */
  use(): DiskUse | undefined;
  /** True when problems came or went. */
  look(): Promise<boolean>;
  /** Its file system had a fault and is read-only until it was unmounted and checked. */
  isFaulty(): boolean;
  problems(): Problem[];
  close(): Promise<void>;
}

/** From here on its tenant is told. */
const nearlyFull = 0.95;

export function createTenantDisk(options: { machine: Machine; tenant: TenantName; withDisk: boolean }): TenantDisk {
  const { machine, tenant } = options;
  const { programs, paths } = machine;
  const tools = { programs, bubblewrap: `${paths.programsDir}/${bubblewrapCopy}` };
  const [image, dataRoot] = [paths.diskImageOf(tenant), paths.dataRootOf(tenant)];
  let mounted: MountedDisk | undefined;
  let wanted: DiskSize & { exactFiles: boolean } = { bytes: 0, files: 0, exactFiles: false };
  let capacity: DiskCapacity | undefined;
  let hasLiving = false;
  let isPlain = false;
  let use: DiskUse | undefined;
  let isFaulty = false;

  async function open(plan: Plan, writer: { uid: number }): Promise<void> {
    if (mounted || isPlain) return;
    ensureDirectory(dataRoot, { uid: 0, gid: 0, mode: 0o755 });
    isPlain = !existsSync(image) && (!options.withDisk || hasLiving);
    if (isPlain) return;
    if (!options.withDisk) throw brokenImage(image, 'this machine can mount no images, but its data is in this one');
    const size = sizeOf(plan);
    if (!existsSync(image)) await make(size);
    await putAside();
    if (isTooSmall(readDiskCapacity(image), size) && !isDiskMounted(image)) await enlarge(size);
    mounted = await mountDisk(programs, image, dataRoot, writer, await machine.spares.mounters.take());
    await fit(plan);
  }

  async function make(size: DiskSize): Promise<void> {
    if (isEmpty(dataRoot)) return makeDiskImage(programs, image, size);
    try {
      const there = await measureTree(tools, dataRoot);
      // Over the plan, where that is too little: its limit holds for what is added.
      const enough = { bytes: Math.max(size.bytes, 2 * there.bytes), files: Math.max(size.files, 2 * there.files) };
      await makeDiskImage(programs, image, enough, copyInto);
    } catch (error) {
      const message = `what is in ${dataRoot} can not be moved into a disk image: ${messageOf(error)}`;
      throw new TenantdError('TENANTD_E_DISK_IMAGE', message, 'make room on the disk of stateDir, or remove what can not be copied');
    }
  }

  async function copyInto(unfinished: string): Promise<void> {
    const disk = await mountDisk(programs, unfinished, paths.scratchDir, { uid: 0 });
    try {
      await copyTree(tools, { mounts: disk, from: dataRoot, to: paths.scratchDir });
    } finally {
      await closeDisk(disk);
    }
  }

  async function enlarge(size: DiskSize): Promise<void> {
    try {
      await enlargeDiskImage(programs, image, size);
    } catch (error) {
      // For want of room, say. Its tenant runs on with what it has, and is told.
      machine.log.warn({ tenant, error: messageOf(error) }, 'its disk image could not be enlarged');
    }
  }

  /** What lay there before there was an image is in it now, and kept. */
  async function putAside(): Promise<void> {
    if (isEmpty(dataRoot)) return;
    const taken = new Set(readdirSync(paths.tenantStateDirOf(tenant)));
    const names = ['data.before-image', ...Array.from({ length: 100 }, (_, index) => `data.before-image.${index + 2}`)];
    const name = names.find((free) => !taken.has(free));
    if (name === undefined) throw brokenImage(image, `${dataRoot} is not empty`);
    renameSync(dataRoot, `${paths.tenantStateDirOf(tenant)}/${name}`);
    await syncDirectory(paths.tenantStateDirOf(tenant));
    ensureDirectory(dataRoot, { uid: 0, gid: 0, mode: 0o755 });
    machine.log.info({ tenant, folder: name }, 'its data is in a disk image now; the folder before is kept, and can be removed');
  }

  async function fit(plan: Plan): Promise<void> {
    if (!mounted) return;
    capacity = readDiskCapacity(image);
    wanted = { ...sizeOf(plan), exactFiles: plan.files !== undefined };
    limitDisk(mounted, wanted.bytes);
    await look();
  }

  async function look(): Promise<boolean> {
    const before = problems().length;
    const looking = mounted;
    const next = looking && capacity && (await measure(looking.root, wanted.bytes));
    if (mounted !== looking) return false;
    use = next;
    isFaulty = looking !== undefined && faultsOf(looking) > 0;
    return problems().length !== before;
  }

  function problems(): Problem[] {
    if (isPlain) return options.withDisk ? [plainFolder] : [];
    return [...sizeProblems(), ...fullProblems(use, tenant), ...(isFaulty ? [faulty] : [])];
  }

  function sizeProblems(): Problem[] {
    if (!capacity) return [];
    if (isTooSmall(capacity, wanted)) return [tooSmall(tenant, capacity, wanted)];
    return wanted.exactFiles && capacity.files > 2 * wanted.files + 1_000 ? [tooManyFiles(capacity, wanted)] : [];
  }

  return {
    ...{ open, fit, look, problems },
    isFaulty: () => isFaulty,
    noteLiving: () => (hasLiving = true),
    mounts: () => mounted && { path: mounted.path },
    reach: (path) => (mounted ? mounted.root + path.slice(dataRoot.length) : path),
    locate(path) {
      if (isPlain) return { path };
      return mounted && !isFaulty ? { path: path.slice(dataRoot.length), device: `/dev/${mounted.device}`, image } : undefined;
    },
    use: () => use,
    async close() {
      const closing = mounted;
      [mounted, use, capacity] = [undefined, undefined, undefined];
      [isPlain, hasLiving, isFaulty] = [false, false, false];
      if (closing) await closeDisk(closing);
    },
  };
}

/** Of a folder of root's own. */
function isEmpty(directory: string): boolean {
  return readdirSync(directory).length === 0;
}

function sizeOf(plan: Plan): DiskSize {
  return { bytes: plan.diskBytes, files: filesOf(plan) };
}

async function measure(root: string, bytesLimit: number): Promise<DiskUse> {
  const { bsize, blocks, bfree, files, ffree } = await statfs(root);
  return { bytes: (blocks - bfree) * bsize, bytesLimit, files: files - ffree, filesLimit: files };
}

function fullProblems(use: DiskUse | undefined, tenant: TenantName): Problem[] {
  if (!use) return [];
  const shares = { 'of its disk space': use.bytes / use.bytesLimit, 'of the files that it may have': use.files / use.filesLimit };
  return Object.entries(shares).flatMap(([what, share]): Problem[] => {
    if (share < nearlyFull) return [];
    const message = `${Math.floor(share * 100)} % ${what} are in use`;
    return [{ code: 'TENANTD_E_DISK_FULL', message, fix: `remove files in /data, or raise limits.disk of ${tenant}` }];
  });
}

const plainFolder: Problem = {
  code: 'TENANTD_E_DISK_IMAGE',
  message: 'its data lies in a plain folder, without a limit: what runs began there',
  fix: 'restart tenantd (stop, then start): then it is moved into a disk image',
};

const faulty: Problem = {
  code: 'TENANTD_E_DISK_IMAGE',
  message: 'its disk had a fault and is read-only: the disk of stateDir failed, or is full',
  fix: 'see the log of the kernel, and make room on the disk of stateDir: then it is checked and mounted again',
};

function tooSmall(tenant: TenantName, has: DiskCapacity, wanted: DiskSize): Problem {
  return {
    code: 'TENANTD_E_RESTART_NEEDED',
    message: `its disk was made for ${has.files} files and ${mebibytes(has)}, its plan says ${wanted.files} and ${mebibytes(wanted)}`,
    fix: `it gets the rest when it was down: tenantctl tenant suspend ${tenant}, then resume; or once all its apps slept`,
  };
}

function tooManyFiles(has: DiskCapacity, wanted: DiskSize): Problem {
  return {
    code: 'TENANTD_E_DISK_IMAGE',
    message: `its disk has room for ${has.files} files, its plan says ${wanted.files}: that number can only grow`,
    fix: 'take `files` as it was, or let it be',
  };
}

function mebibytes({ bytes }: DiskSize): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}
