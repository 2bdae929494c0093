import { execFile } from 'node:child_process';
import { constants, type Dirent, lstatSync, type Stats } from 'node:fs';
import { link, lstat, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import { assertPlainPath } from './directories.ts';

/**
 * Trees of files that are root's own: templates, and what operators put into a tenant's folder. Every folder on the way is looked at before
 * it is entered: nobody but root may write it, so nobody can put a link into the way of what follows (Invariant 1).
 */

export interface TreeFile {
  /** Below the tree. */
  path: string;
  content: Uint8Array;
  executable: boolean;
}

const run = promisify(execFile);
/** Of files that are open, or on their way to the disk. */
const atOnce = 16;
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function assertOwn(path: string, stat: Stats, isFit: boolean, what: string): void {
  if (isFit && stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0) return;
  const message = `${path} is not ${what} of root's own, or others can write to it`;
  throw new TenantdError('TENANTD_E_BAD_PATH', message, `no links or devices; chown root:root ${path}; chmod go-w ${path}`);
}

async function assertOwnFolder(path: string): Promise<void> {
  const stat = await lstat(path);
  assertOwn(path, stat, stat.isDirectory(), 'a folder');
}

/** All plain files of a tree, in order of path. Throws for a link, a device, what is not root's, and beyond a limit. */
export async function readTree(root: string, limits: { files: number; bytes: number }): Promise<TreeFile[]> {
  assertPlainPath(root);
  const paths: string[] = [];
  await walk(root, '', (path, entry) => {
    if (entry.isDirectory()) return;
    if (!entry.isFile()) assertOwn(`${root}/${path}`, lstatSync(`${root}/${path}`), false, 'a plain file');
    if (paths.push(path) > limits.files) throw tooMuch(root, `more than ${limits.files} files`);
  });
  const files: TreeFile[] = [];
  let bytes = 0;
  for (const path of paths.toSorted()) {
    const file = await readOwnFile(`${root}/${path}`, limits.bytes - bytes);
    if (!file) throw tooMuch(root, `more than ${limits.bytes >> 20} MiB`);
    bytes += file.content.length;
    files.push({ path, ...file });
  }
  return files;
}

function tooMuch(root: string, what: string): TenantdError {
  return new TenantdError('TENANTD_E_TOO_MANY', `${root} has ${what}`, 'take some away');
}

/** Every entry below `root`, folders before what is in them. */
async function walk(root: string, below: string, visit: (path: string, entry: Dirent) => void): Promise<void> {
  const folder = below === '' ? root : `${root}/${below}`;
  await assertOwnFolder(folder);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    visit(path, entry);
    if (entry.isDirectory()) await walk(root, path, visit);
  }
}

/** Undefined: it is larger than that. Its folder was looked at. */
async function readOwnFile(path: string, maxBytes: number): Promise<Omit<TreeFile, 'path'> | undefined> {
  await using file = await open(path, openFlags);
  const stat = await file.stat();
  assertOwn(path, stat, stat.isFile(), 'a plain file');
  if (stat.size > maxBytes) return undefined;
  return { content: await file.readFile(), executable: (stat.mode & 0o100) !== 0 };
}

/** One file of a tree; undefined when it is not there. Throws when something on the way is not root's, or it is too large. */
export async function readInTree(root: string, path: string, maxBytes: number): Promise<Omit<TreeFile, 'path'> | undefined> {
  assertPlainPath(`${root}/${path}`);
  try {
    for (const folder of foldersTo(root, path)) await assertOwnFolder(folder);
    const found = await readOwnFile(`${root}/${path}`, maxBytes);
    if (found) return found;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  throw tooMuch(`${root}/${path}`, `more than ${maxBytes >> 20} MiB`);
}

function foldersTo(root: string, path: string): string[] {
  const steps = path.split('/').slice(0, -1);
  return [root, ...steps.map((_, index) => `${root}/${steps.slice(0, index + 1).join('/')}`)];
}

/** Writes files into a folder of root's own, over those that are there; all is on the disk when this settles. */
export async function writeTree(root: string, files: readonly TreeFile[]): Promise<void> {
  assertPlainPath(root);
  await assertOwnFolder(root);
  const folders = new Set([root]);
  for (const { path } of files) {
    assertPlainPath(`${root}/${path}`);
    for (const folder of foldersTo(root, path)) if (!folders.has(folder)) folders.add(await ensureOwnFolder(folder));
  }
  for (let at = 0; at < files.length; at += atOnce) {
    await Promise.all(files.slice(at, at + atOnce).map((file) => writeFileAnew(`${root}/${file.path}`, file)));
  }
  for (const folder of folders) await syncFolder(folder);
}

async function ensureOwnFolder(path: string): Promise<string> {
  await mkdir(path, { mode: 0o755 }).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error;
  });
  await assertOwnFolder(path);
  return path;
}

/** What is there may be a second name of a file that somebody reads: it stays as it is. */
async function writeFileAnew(path: string, { content, executable }: Omit<TreeFile, 'path'>): Promise<void> {
  await rm(path, { force: true });
  await using file = await open(path, 'wx', executable ? 0o755 : 0o644);
  await file.writeFile(content);
  await file.chmod(executable ? 0o755 : 0o644);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}

/** A second tree with the same files, by hard links, and links as they are. Throws for what is not root's. */
export async function linkTree(from: string, to: string): Promise<void> {
  for (const path of [from, to]) assertPlainPath(path);
  const entries: { path: string; entry: Dirent }[] = [];
  await walk(from, '', (path, entry) => void entries.push({ path, entry }));
  await ensureOwnFolder(to);
  for (const { path, entry } of entries) await linkOne(`${from}/${path}`, `${to}/${path}`, entry);
}

async function linkOne(from: string, to: string, entry: Dirent): Promise<void> {
  if (entry.isDirectory()) await ensureOwnFolder(to);
  else if (entry.isSymbolicLink()) await symlink(await readlink(from), to);
  else {
    const stat = await lstat(from);
    assertOwn(from, stat, stat.isFile(), 'a plain file');
    await link(from, to);
  }
}

/** There are folders in it, at most. */
export async function isWithoutFiles(root: string): Promise<boolean> {
  if (!lstatSync(root, { throwIfNoEntry: false })?.isDirectory()) return false;
  let files = 0;
  await walk(root, '', (_, entry) => void (files += entry.isDirectory() ? 0 : 1));
  return files === 0;
}

export async function removeTree(path: string): Promise<void> {
  assertPlainPath(path);
  await rm(path, { recursive: true, force: true });
}

/** Undefined: it is not there. Another folder or file of the same name has another one. */
export function inodeOf(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

/** renameat2(2): the only call that puts a folder in another's place at once. */
const exchangeCall: Readonly<Record<string, number>> = { x64: 316, arm64: 276 };
const exchangeSteps =
  'my ($call, $from, $to) = @ARGV; syscall($call + 0, -100, $from, -100, $to, 2) == 0 or do { print STDERR "$!"; exit 1 };';

/**
 * `from` gets the name `to`, at once, and what had it gets the name of `from`. Both lie in folders of root's own.
 */
export async function putInPlaceOf({ perl }: { perl: string }, from: string, to: string): Promise<void> {
  for (const path of [from, to]) {
    assertPlainPath(path);
    await assertOwnFolder(dirname(path));
  }
  if (inodeOf(to) === undefined) await rename(from, to);
  else await exchange(perl, from, to);
  for (const folder of new Set([dirname(to), dirname(from)])) await syncFolder(folder);
}

async function exchange(perl: string, from: string, to: string): Promise<void> {
  const call = exchangeCall[process.arch];
  try {
    await run(perl, ['-e', exchangeSteps, String(call), from, to], { env: {}, timeout: 10_000 });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : messageOf(error);
    const message = `${to} can not be put in place at once: ${said}`;
    throw new TenantdError(
      'TENANTD_E_FILE_UNWRITABLE',
      message,
      'nothing may be mounted there, and the file system must know renameat2(2)',
    );
  }
}
