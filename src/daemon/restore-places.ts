import { mkdirSync, renameSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { AppName, TenantName } from '../base/ids.ts';
import { linkTextOf, localRelease } from '../base/release-ids.ts';
import { filesOf, type Plan } from '../config/plans.ts';
import { ensureDataDirectory, ensureDirectory, setOwner } from '../privileged/directories.ts';
import { makeDiskImage } from '../privileged/disk-images.ts';
import { closeDisk, limitDisk, mountDisk } from '../privileged/mount-namespaces.ts';
import { makeRootFolder, removeAppFolder, switchCurrent } from '../privileged/release-folders.ts';
import type { BackupCaps } from '../protocol/backup-job.ts';
import type { BackupState } from './backup-state.ts';
import type { Machine } from './machine.ts';
import { prepareSnapshots } from './snapshot.ts';

const rootFolder = { uid: 0, gid: 0, mode: 0o755 };
const appFolder = (uid: number) => ({ uid, gid: uid, mode: 0o755 });

/** Of the machine's disk, for a tenant's code: its plan says nothing of what the operator puts there. */
const freeShare = 0.8;
const mostCodeEntries = 1_000_000;

/** Where the code of a tenant is unpacked, beside the folder that it is to have. */
export interface CodePlace {
  apps: string;
  releases: string;
  caps: BackupCaps;
  /** What is in there is whole: every name down to releases is root's own again, and `current` leads to what served. */
  finish(): void;
}

/**
 * Folders for apps and their releases, each its app's while it is filled. A release comes into its app's folder only when that is root's again:
 * who fills the one never sees the other.
 */
export async function openCodePlace(folder: string, { apps, owners }: BackupState, uids: readonly number[]): Promise<CodePlace> {
  const places = { apps: `${folder}/apps`, releases: `${folder}/.releases` };
  for (const place of Object.values(places)) makeRootFolder(place);
  const uidOf = (app: AppName): number => uids[owners.indexOf(app)] ?? 0;
  const releasesOf = (app: AppName): string => `${places.releases}/${app}`;
  for (const { app, releases } of apps) {
    ensureDirectory(`${places.apps}/${app}`, appFolder(uidOf(app)));
    for (const path of [releasesOf(app), `${releasesOf(app)}/releases`]) makeRootFolder(path);
    for (const { id } of releases) ensureDirectory(`${releasesOf(app)}/${linkTextOf(id)}`, appFolder(uidOf(app)));
  }
  const { bavail, bsize } = await statfs(folder);
  return {
    ...places,
    caps: { bytes: Math.floor(bavail * bsize * freeShare), entries: mostCodeEntries },
    finish() {
      for (const { app, releases, current } of apps) {
        const dir = `${places.apps}/${app}`;
        setOwner(dir, rootFolder);
        if (releases.length > 0) {
          // Refused where something of that name was unpacked.
          mkdirSync(`${dir}/releases`, { mode: 0o755 });
          for (const { id } of releases) renameSync(`${releasesOf(app)}/${linkTextOf(id)}`, `${dir}/${linkTextOf(id)}`);
        }
        if (current !== localRelease) switchCurrent(dir, current);
        removeAppFolder(releasesOf(app));
      }
      removeAppFolder(places.releases);
    },
  };
}

/** Where the data of a tenant is unpacked: its disk, made anew, seen by one job. */
export interface DataPlace {
  mounts: { path: string } | undefined;
  root: string;
  caps: BackupCaps;
  close(): Promise<void>;
}

export async function openDataPlace(
  machine: Machine,
  order: { tenant: TenantName; plan: Plan; owners: BackupState['owners']; uids: readonly number[]; withDisk: boolean },
): Promise<DataPlace> {
  const { paths, programs } = machine;
  const { tenant, plan, withDisk } = order;
  const caps = { bytes: Number.MAX_SAFE_INTEGER, entries: filesOf(plan) };
  ensureDirectory(paths.dataRootOf(tenant), rootFolder);
  if (!withDisk) {
    makeDataFolders(paths.dataRootOf(tenant), order);
    return { mounts: undefined, root: paths.dataRootOf(tenant), caps: { ...caps, bytes: plan.diskBytes }, close: async () => {} };
  }
  prepareSnapshots(machine);
  const image = paths.diskImageOf(tenant);
  await makeDiskImage(programs, image, { bytes: plan.diskBytes, files: filesOf(plan) });
  const disk = await mountDisk(programs, image, paths.snapshotPoint, { uid: 0 });
  limitDisk(disk, plan.diskBytes);
  makeDataFolders(disk.root, order);
  return { mounts: { path: disk.path }, root: paths.snapshotPoint, caps, close: () => closeDisk(disk) };
}

/** As they are made for a tenant that starts. */
function makeDataFolders(root: string, { owners, uids }: { owners: BackupState['owners']; uids: readonly number[] }): void {
  ensureDirectory(`${root}/apps`, rootFolder);
  ensureDirectory(`${root}/shared`, { uid: 0, gid: 0, mode: 0o1777 });
  for (const [index, app] of owners.entries()) {
    const uid = uids[index] ?? 0;
    ensureDataDirectory(app === '' ? `${root}/user` : `${root}/apps/${app}`, { uid, gid: uid });
  }
}
