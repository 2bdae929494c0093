import {
  chownSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoOf, TenantdError } from '../base/errors.ts';
import { isReleaseId, linkTextOf, localRelease } from '../base/release-ids.ts';
import { assertPlainPath } from './directories.ts';

/**
 * `releases/` and `current` of an app's folder. All that is named here lies in folders that only root can write: root makes, renames and
 * removes names down to a release's folder, which is empty when it is given away, and empty again when it is removed. What was in it
 * meanwhile root never looks at (Invariant 1).
 */

/** A release that is not whole yet. */
const unfinishedSuffix = '.new';
const besidePrefix = '.new-';

/** Throws TENANTD_E_BAD_PATH unless it is a folder, no link, that nobody but root can change. */
export function assertRootFolder(path: string): void {
  assertPlainPath(path);
  const { uid, mode } = lstatSync(path);
  if ((mode & 0o170_000) === 0o040_000 && uid === 0 && (mode & 0o022) === 0) return;
  const message = `${path} is not a folder of root's own, or others can write to it`;
  throw new TenantdError('TENANTD_E_BAD_PATH', message, `chown root:root ${path}; chmod go-w ${path}`);
}

/** The folder of a release that is to be filled, for the user who fills it. */
export function makeUnfinished(appDir: string, id: string, owner: { uid: number; gid: number }): string {
  const releases = `${appDir}/releases`;
  makeRootFolder(releases);
  const path = unfinishedOf(appDir, id);
  mkdirSync(path, { mode: 0o755 });
  chownSync(path, owner.uid, owner.gid);
  return path;
}

export function unfinishedOf(appDir: string, id: string): string {
  return `${folderOf(appDir, id)}${unfinishedSuffix}`;
}

/** It is whole: from now on it has its own name, also when the power goes off. */
export function finishRelease(appDir: string, id: string): void {
  renameSync(unfinishedOf(appDir, id), folderOf(appDir, id));
  syncFolder(`${appDir}/releases`);
}

/** Of what is on the disk, and no link. */
export function releasesIn(appDir: string): { whole: string[]; unfinished: string[] } {
  const names = namesIn(`${appDir}/releases`);
  return {
    whole: names.filter(isReleaseId),
    unfinished: names.flatMap((name) => (name.endsWith(unfinishedSuffix) && isReleaseId(name.slice(0, -4)) ? [name.slice(0, -4)] : [])),
  };
}

/** Before it is emptied: nobody takes it for a release any more. */
export function unfinish(appDir: string, id: string): string {
  for (const folder of [appDir, `${appDir}/releases`]) assertRootFolder(folder);
  const path = unfinishedOf(appDir, id);
  try {
    renameSync(folderOf(appDir, id), path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return path;
}

/** One that was emptied. */
export function removeUnfinished(appDir: string, id: string): void {
  removeEmpty(unfinishedOf(appDir, id));
}

/** At once, and so that it stays when the power goes off: `current` always leads to the one or the other. */
export function switchCurrent(appDir: string, release: string): void {
  assertRootFolder(appDir);
  const link = `${appDir}/current`;
  if (release === localRelease) {
    unlinkSync(link);
  } else {
    assertRootFolder(`${appDir}/releases`);
    lstatSync(folderOf(appDir, release));
    const beside = `${link}${unfinishedSuffix}`;
    rmSync(beside, { force: true });
    symlinkSync(linkTextOf(release), beside);
    renameSync(beside, link);
  }
  syncFolder(appDir);
}

/** What a switch left that was cut off. */
export function removeUnfinishedLink(appDir: string): void {
  const beside = `${appDir}/current${unfinishedSuffix}`;
  if (!lstatSync(beside, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  assertRootFolder(appDir);
  unlinkSync(beside);
}

/** The text of a link, wherever it leads. */
export function currentText(appDir: string): string {
  try {
    return readlinkSync(`${appDir}/current`);
  } catch {
    return '';
  }
}

/** Of the app, by what this process has mounted as its code: also of one that is about to end. */
export function releaseMountedBy(pid: number, app: string): string | undefined {
  try {
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
    return new RegExp(`/releases/([a-z0-9-]+) /apps/${app} `).exec(mounts)?.[1];
  } catch {
    return undefined; // it has ended
  }
}

/** Where an app that is not there yet is made: no app has such a name, and no watcher looks at it. */
export function besideOf(appDir: string): string {
  return `${dirname(appDir)}/${besidePrefix}${basename(appDir)}`;
}

/** The names of those that were begun so. */
export function begunIn(appsDir: string): string[] {
  return namesIn(appsDir).flatMap((name) => (name.startsWith(besidePrefix) ? [name.slice(besidePrefix.length)] : []));
}

/** An app that was not there: its folder gets its name at once, with all that it holds. */
export function putInPlace(from: string, appDir: string): void {
  assertRootFolder(from);
  assertRootFolder(dirname(appDir));
  if (lstatSync(appDir, { throwIfNoEntry: false })) {
    throw new TenantdError('TENANTD_E_BUSY', `${appDir} was made by somebody meanwhile`, 'deploy again');
  }
  renameSync(from, appDir);
  syncFolder(dirname(appDir));
}

/** The other way. */
export function takeAway(appDir: string, to: string): void {
  assertRootFolder(dirname(appDir));
  renameSync(appDir, to);
  syncFolder(dirname(appDir));
}

/** In a folder that is no app's any more. */
export function removeLinks(path: string): void {
  for (const link of ['current', `current${unfinishedSuffix}`]) rmSync(`${path}/${link}`, { force: true });
}

/** A folder of an app whose releases are gone. */
export function removeAppFolder(path: string): void {
  removeEmpty(`${path}/releases`);
  removeEmpty(path);
}

export function makeRootFolder(path: string): void {
  assertRootFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  assertRootFolder(path);
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

function folderOf(appDir: string, id: string): string {
  if (!isReleaseId(id)) throw new TenantdError('TENANTD_E_INTERNAL', `not a release: ${id}`, 'report this as a fault of tenantd');
  return `${appDir}/${linkTextOf(id)}`;
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
