import { getCompileCacheDir } from 'node:module';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** More has become of a release that was built anew in its place again and again. */
const mostBytes = 64 << 20;

/** Removes what this release will not read: it lies at `<folder>/<release>/<version of Node and V8>`. */
export async function tidyCompiled(folder: string, current: string | undefined = getCompileCacheDir()): Promise<void> {
  // The app's environment names another place, or none.
  if (current === undefined || dirname(dirname(current)) !== folder) return;
  await removeOthers(folder, basename(dirname(current)));
  await removeOthers(dirname(current), basename(current));
  if ((await bytesIn(current)) > mostBytes) await rm(current, { recursive: true, force: true });
}

async function removeOthers(folder: string, kept: string): Promise<void> {
  const others = (await readdir(folder)).filter((name) => name !== kept);
  await Promise.all(others.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
