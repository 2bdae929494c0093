import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { readPlainFile } from './plain-file.ts';

export type Found = 'file' | 'folder' | 'missing' | 'outside';

/** An app's folder, looked at without leaving it. For jobs and `check` only: root never looks into an app's folder. */
export interface AppFolder {
  /** What stands at a path inside the folder. `outside`: a link leads out of it. */
  look(path: string): Promise<Found>;
  packageJson(): Promise<PackageJson | undefined>;
}

export interface PackageJson {
  main?: string;
  start?: string;
}

const maxPackageBytes = 1 << 20;

/** Throws ENOENT when the folder is not there. */
export async function openAppFolder(dir: string): Promise<AppFolder> {
  const root = await realpath(dir);
  return {
    look: (path) => look(root, path),
    async packageJson() {
      const { text } = await readPlainFile(join(root, 'package.json'), { maxBytes: maxPackageBytes });
      return text === undefined ? undefined : parsePackageJson(text);
    },
  };
}

async function look(root: string, path: string): Promise<Found> {
  try {
    const real = await realpath(join(root, path));
    if (real !== root && !real.startsWith(root === '/' ? '/' : `${root}/`)) return 'outside';
    const found = await stat(real);
    if (found.isFile()) return 'file';
    return found.isDirectory() ? 'folder' : 'missing';
  } catch (error) {
    // Each of these says that nothing can be started from there; a broken link is one that leads nowhere.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '')) return 'missing';
    throw error;
  }
}

/** A broken package.json counts as one that says nothing: Node itself will complain of it in better words. */
function parsePackageJson(text: string): PackageJson {
  try {
    const value: unknown = JSON.parse(text);
    const main = textIn(value, 'main');
    const start = textIn(memberOf(value, 'scripts'), 'start');
    return { ...(main === undefined ? {} : { main }), ...(start === undefined ? {} : { start }) };
  } catch {
    return {};
  }
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
}

function textIn(value: unknown, key: string): string | undefined {
  const member = memberOf(value, key);
  return typeof member === 'string' && member !== '' && member.length <= 1_024 ? member : undefined;
}
