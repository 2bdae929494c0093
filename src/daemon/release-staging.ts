import { existsSync, rmSync } from 'node:fs';
import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import { filesOf, type Plan } from '../config/plans.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { makeDiskImage } from '../privileged/disk-images.ts';
import { closeDisk, isDiskMounted, limitDisk, mountDisk } from '../privileged/mount-namespaces.ts';
import type { Machine } from './machine.ts';

/** Where a build works: a disk of its own, so that it can't fill the tenant's, or the machine's. */
export interface Staging {
  /** For launches. */
  mounts?: { path: string };
  /** As seen in there. */
  appDir: string;
  homeDir: string;
  /** Once nothing runs in it any more. */
  close(): Promise<void>;
}

export interface StagingOrder {
  tenant: TenantName;
  app: AppName;
  uid: number;
  plan: Plan;
}

/** `withDisk` false: this machine can mount no image, and was allowed to lack that. Then it is a plain folder, which `empty` empties. */
export async function openStaging(
  machine: Machine,
  { tenant, app, uid, plan }: StagingOrder,
  withDisk: boolean,
  empty: (folders: string[]) => Promise<void>,
): Promise<Staging> {
  const { paths, programs } = machine;
  const point = paths.buildDirOf(tenant, app);
  const image = paths.buildImageOf(tenant, app);
  ensureDirectory(point, { uid: 0, gid: 0, mode: 0o755 });
  const folders = { appDir: `${point}/app`, homeDir: `${point}/home` };
  const makeFolders = (root: string): void => {
    for (const name of ['app', 'home']) ensureDirectory(`${root}/${name}`, { uid, gid: uid, mode: 0o755 });
  };
  if (!withDisk) {
    makeFolders(point);
    const emptyBoth = () => empty([folders.appDir, folders.homeDir]);
    // What a daemon before left.
    await emptyBoth();
    return { ...folders, close: emptyBoth };
  }
  assertFree(image, tenant, app);
  rmSync(image, { force: true });
  await makeDiskImage(programs, image, { bytes: plan.diskBytes, files: filesOf(plan) });
  const disk = await mountDisk(programs, image, point, { uid: 0 });
  limitDisk(disk, plan.diskBytes);
  makeFolders(disk.root);
  return {
    ...folders,
    mounts: { path: disk.path },
    async close() {
      await closeDisk(disk);
      // Its room comes back with whoever has it mounted: until then it stays in sight.
      if (!isDiskMounted(image)) rmSync(image, { force: true });
    },
  };
}

/** A build shares its tenant's network, and so may have passed files of its own to an app: each open one keeps the whole disk. */
function assertFree(image: string, tenant: TenantName, app: AppName): void {
  if (!existsSync(image) || !isDiskMounted(image)) return;
  const message = `something of ${tenant} has files open of the last build of ${app}, and with them its disk`;
  throw new TenantdError('TENANTD_E_BUSY', message, `restart the apps of ${tenant}`);
}
