import { closeSync, openSync, writeSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { ensureDirectory, removeRootDirectory } from './directories.ts';
import { makeDiskImage } from './disk-images.ts';
import { closeDisk, limitDisk, mountDisk } from './mount-namespaces.ts';
import type { Programs } from './programs.ts';

const imageSize = { bytes: 1 << 20, files: 100 };
const mostBytes = 8 * imageSize.bytes;

/** Throws where this machine can't make, mount or limit a disk image. `directory` is for that alone. */
export async function probeDisk(programs: Programs, directory: string): Promise<void> {
  const [image, point] = [`${directory}/disk.img`, `${directory}/mounted`];
  removeRootDirectory(directory);
  for (const path of [directory, point]) ensureDirectory(path, { uid: 0, gid: 0, mode: 0o700 });
  await makeDiskImage(programs, image, imageSize);
  const disk = await mountDisk(programs, image, point, { uid: 0 });
  try {
    limitDisk(disk, imageSize.bytes);
    fill(`${disk.root}/file`);
  } finally {
    await closeDisk(disk);
    removeRootDirectory(directory);
  }
}

function fill(file: string): void {
  const fd = openSync(file, 'wx');
  try {
    const block = Buffer.alloc(65_536);
    for (let written = 0; written < mostBytes;) written += writeSync(fd, block);
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC') return;
    throw error;
  } finally {
    closeSync(fd);
  }
  throw new Error('a disk image took more than it has room for');
}
