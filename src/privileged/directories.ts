import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { isAbsolute, normalize } from 'node:path';
import { errnoOf, TenantdError } from '../base/errors.ts';

export interface Ownership {
  uid: number;
  gid: number;
  mode: number;
}

/**
 * Makes a directory, or sets owner and mode of the one there. The parent must be a directory that only root can write:
 * that is what makes following the name safe (Invariant 1).
 */
export function ensureDirectory(path: string, ownership: Ownership): void {
  assertPlainPath(path);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    const present = statSync(path);
    if (present.uid === ownership.uid && present.gid === ownership.gid && (present.mode & 0o7777) === ownership.mode) return;
  }
  setOwner(path, ownership);
}

/** Of a name in a directory that only root can write. */
export function setOwner(path: string, ownership: Ownership): void {
  assertPlainPath(path);
  chownSync(path, ownership.uid, ownership.gid);
  chmodSync(path, ownership.mode);
}

/**
 * An app's `/data`: owned by root and sticky, written by the app through its group. So the app owns all it puts there, but
 * can't move `shared`, the mount point for what its tenant's apps share, and put a link in its place.
 */
export function ensureDataDirectory(path: string, app: { uid: number; gid: number }): void {
  assertPlainPath(path);
  if (isDirectory(path)) return;
  const unfinished = `${path}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  mkdirSync(`${unfinished}/shared`, { mode: 0o755 });
  ensureDirectory(`${unfinished}/home`, { ...app, mode: 0o700 });
  ensureDirectory(unfinished, { uid: 0, gid: app.gid, mode: 0o1770 });
  renameSync(unfinished, path);
}

/** Removes a directory of root's own with what root put there. Never for a tree that a tenant can write. */
export function removeRootDirectory(path: string): void {
  assertPlainPath(path);
  rmSync(path, { recursive: true, force: true });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

export function assertPlainPath(path: string): void {
  if (isAbsolute(path) && normalize(path) === path && path !== '/' && !path.includes('\0')) return;
  throw new TenantdError('TENANTD_E_INTERNAL', `not a plain absolute path: ${path}`, 'report this as a fault of tenantd');
}
