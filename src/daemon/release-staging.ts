import { existsSync, readdirSync, rmSync } from 'node:fs';
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

/** Of one tenant, in use or held, besides the one that is made: as many builds as it may have at once, less one. */
const mostImages = 2;

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
  if (!removeStagingImage(image)) throw heldDisk(tenant, `the last build of ${app}`);
  const others = stagingImagesOf(paths.tenantStateDirOf(tenant)).filter(isDiskMounted);
  if (others.length >= mostImages) throw heldDisk(tenant, `builds of ${others.length} other apps`);
  await makeDiskImage(programs, image, { bytes: plan.diskBytes, files: filesOf(plan) });
  const disk = await mountDisk(programs, image, point, { uid: 0 });
  limitDisk(disk, plan.diskBytes);
  makeFolders(disk.root);
  return {
    ...folders,
    mounts: { path: disk.path },
    async close() {
      await closeDisk(disk);
      removeStagingImage(image);
    },
  };
}

/** Its room comes back with whoever has it mounted: until then it stays in sight. True when it is gone. */
export function removeStagingImage(image: string): boolean {
  if (existsSync(image) && isDiskMounted(image)) return false;
  rmSync(image, { force: true });
  return true;
}

function stagingImagesOf(stateDir: string): string[] {
  return readdirSync(stateDir).flatMap((name) => (/^build-[a-z][a-z0-9-]*\.img$/.test(name) ? [`${stateDir}/${name}`] : []));
}

/** A build shares its tenant's network, and so may have passed files of its own to an app: each open one keeps the whole disk. */
function heldDisk(tenant: TenantName, whose: string): TenantdError {
  const message = `something of ${tenant} has files open of ${whose}, and with them a disk`;
  return new TenantdError('TENANTD_E_BUSY', message, `restart the apps of ${tenant}`);
}
