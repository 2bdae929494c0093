import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

export interface FileBelow {
  /** Relative to the root, and without links. */
  path: string;
  modifiedAtMs: number;
}

export type StaticTarget =
  /** `root` is without links. */
  | { found: 'file'; root: string; file: FileBelow }
  | { found: 'folder'; location: string }
  | { found: 'nothing' }
  | { found: 'bad-request' };

/**
 * Finds what a request's target names below `rootPath`. A link may lead anywhere inside, and nowhere else; the
 * trees of apps are read-only to all that runs, so that what was looked at is what is opened.
 */
export async function findStaticFile(rootPath: string, target: string): Promise<StaticTarget> {
  const [pathname, query] = splitQuery(target);
  const segments = decodeSegments(pathname);
  if (!segments) return { found: 'bad-request' };
  if (!segments.every(isServed)) return { found: 'nothing' };
  const root = await existing(realpath(rootPath));
  const place = root === undefined ? undefined : await resolveBelow(root, segments);
  if (root === undefined || !place) return { found: 'nothing' };
  const endsInSlash = pathname.endsWith('/');
  if (place !== 'folder') return endsInSlash ? { found: 'nothing' } : { found: 'file', root, file: place };
  if (!endsInSlash) return { found: 'folder', location: `/${segments.map(encodeURIComponent).join('/')}/${query}` };
  const index = await resolveBelow(root, [...segments, 'index.html']);
  return index && index !== 'folder' ? { found: 'file', root, file: index } : { found: 'nothing' };
}

/** `root` is without links, `path` relative to it. */
export async function findFileBelow(root: string, path: string): Promise<FileBelow | undefined> {
  const place = await resolveBelow(root, [path]);
  return place === 'folder' ? undefined : place;
}

function splitQuery(target: string): [string, string] {
  const at = target.indexOf('?');
  return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at)];
}

function decodeSegments(pathname: string): string[] | undefined {
  if (!pathname.startsWith('/')) return undefined;
  try {
    const segments = pathname
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent);
    return segments.some((segment) => segment.includes('\0')) ? undefined : segments;
  } catch {
    return undefined; // A percent sign that encodes nothing.
  }
}

/**
 * No dotfiles, which covers `.` and `..`; but what RFC 8615 puts into `/.well-known/` is made to be seen. Not app.yaml, which a
 * site without a folder of its own has beside its pages.
 */
function isServed(segment: string, at: number): boolean {
  if (segment.includes('/') || (at === 0 && segment === 'app.yaml')) return false;
  return !segment.startsWith('.') || (at === 0 && segment === '.well-known');
}

async function resolveBelow(root: string, segments: string[]): Promise<FileBelow | 'folder' | undefined> {
  const real = await existing(realpath(join(root, ...segments)));
  if (real === undefined || (real !== root && !real.startsWith(`${root}/`))) return undefined;
  const path = real.slice(root.length + 1);
  if (path !== '' && !path.split('/').every(isServed)) return undefined;
  const stats = await existing(stat(real));
  if (stats?.isDirectory()) return 'folder';
  return stats?.isFile() ? { path, modifiedAtMs: stats.mtimeMs } : undefined;
}

const absent = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG']);

async function existing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (absent.has(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
