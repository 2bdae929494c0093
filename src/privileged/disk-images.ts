import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { messageOf, TenantdError } from '../base/errors.ts';
import { assertPlainPath } from './directories.ts';
import { type Programs, runProgram } from './programs.ts';

/**
 * An ext4 file system, with a journal, in a sparse file of root's own. It is larger than what its tenant may use: how much that is,
 * is set while it is mounted (`limitDisk`), so it can change at any time. The number of files is settled when an image is made.
 *
 * It is made, filled and enlarged beside the name it is to have: under that name there is a whole one, or none, whenever this is killed.
 */
export interface DiskSize {
  bytes: number;
  /** Files, directories and links. */
  files: number;
}

/** What an image has room for at most. */
export interface DiskCapacity extends DiskSize {
  blockBytes: number;
  /** Kept for its tenant's host, beyond every limit. */
  reservedBlocks: number;
}

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;
const blockBytes = 4_096;
/** Blocks that one bitmap of a block tells of: inodes come in so many equal groups. */
const groupBytes = blockBytes * 8 * blockBytes;
/** ext4's own, and the directories that every tenant has. */
const ownInodes = 24;
/** Of a file on most file systems. */
const mostImageBytes = 15 * 2 ** 40;
/** Copying and checking read all that is there. */
const workTimeLimitMs = 6 * 3_600_000;

function shapeOf({ bytes, files }: DiskSize) {
  // Each group has a whole block of inodes: few files in many groups would be many files.
  const atMost = Math.min(mostImageBytes, Math.max(files * mebibyte, 2 * bytes));
  const imageBytes = roundUp(Math.max(64 * mebibyte, 2 * bytes, Math.min(atMost, Math.max(16 * gibibyte, 4 * bytes))), mebibyte);
  // So that what apps print is kept when they have filled the disk.
  const reservedBytes = clamp(bytes / 32, mebibyte, 64 * mebibyte);
  const journalMebibytes = Math.round(clamp(bytes / 64, 4 * mebibyte, 64 * mebibyte) / mebibyte);
  return { imageBytes, journalMebibytes, inodes: files + ownInodes, reservedPercent: (reservedBytes / imageBytes) * 100 };
}

/** Makes an image, and has it filled before it is there under its name. */
export async function makeDiskImage(
  programs: Programs,
  image: string,
  size: DiskSize,
  fill: (unfinished: string) => Promise<void> = async () => {},
): Promise<void> {
  await replaceImage(image, async (unfinished) => {
    await formatImage(programs, unfinished, size);
    await fill(unfinished);
  });
}

async function formatImage(programs: Programs, file: string, size: DiskSize): Promise<void> {
  const { imageBytes, journalMebibytes, inodes, reservedPercent } = shapeOf(size);
  await setFileSize(file, imageBytes);
  await runProgram(
    programs.mke2fs,
    [
      ...['-q', '-F', '-t', 'ext4', '-O', '^resize_inode', '-b', String(blockBytes), '-I', '256', '-N', String(inodes)],
      ...['-m', reservedPercent.toFixed(6), '-J', `size=${journalMebibytes}`],
      ...['-E', 'root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1'],
      file,
    ],
    workTimeLimitMs,
  );
}

/** Whether an image of that capacity has to be enlarged to be of that size. */
export function isTooSmall(has: DiskCapacity, wanted: DiskSize): boolean {
  return has.bytes < Math.min(1.5 * wanted.bytes, 0.99 * mostImageBytes) || has.files < wanted.files;
}

/** Only while nobody has it mounted: it is done on a copy. Each group of blocks that is added has as many inodes as the others. */
export async function enlargeDiskImage(programs: Programs, image: string, wanted: DiskSize): Promise<void> {
  const has = readDiskCapacity(image);
  const filesPerGroup = has.files / Math.ceil(has.bytes / groupBytes);
  const groups = Math.max((2 * wanted.bytes) / groupBytes, (wanted.files + ownInodes) / filesPerGroup);
  const imageBytes = Math.min(mostImageBytes, Math.ceil(groups) * groupBytes);
  await replaceImage(image, async (unfinished) => {
    await runProgram(programs.cp, ['--sparse=always', '--', image, unfinished], workTimeLimitMs);
    // resize2fs asks for a full check first; what that mends, it mends on the copy.
    await runProgram(programs.e2fsck, ['-f', '-p', unfinished], workTimeLimitMs).catch(throwUnlessMended);
    await setFileSize(unfinished, imageBytes);
    await runProgram(programs.resize2fs, [unfinished], workTimeLimitMs);
  });
}

/** e2fsck(8): 1 and 2 mean that what was wrong is mended. */
function throwUnlessMended(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && (error.code === 1 || error.code === 2)) return '';
  throw error;
}

/** `make` fills a new file, of a name that no other try has; then it takes the image's place, for good. */
async function replaceImage(image: string, make: (unfinished: string) => Promise<void>): Promise<void> {
  assertPlainPath(image);
  removeUnfinished(image);
  const unfinished = `${image}.${randomBytes(4).toString('hex')}.new`;
  try {
    await using file = await open(unfinished, 'wx', 0o600);
    await make(unfinished);
    await file.sync();
    await rename(unfinished, image);
    await syncDirectory(dirname(image));
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

function removeUnfinished(image: string): void {
  const directory = dirname(image);
  for (const name of readdirSync(directory)) {
    if (name.startsWith(`${basename(image)}.`) && name.endsWith('.new')) rmSync(`${directory}/${name}`);
  }
}

export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}

async function setFileSize(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.truncate(bytes);
}

/** From ext4's superblock (fs/ext4/ext4.h). Throws TENANTD_E_DISK_IMAGE when there is none, or a part of the file is cut off. */
export function readDiskCapacity(image: string): DiskCapacity {
  const superblock = Buffer.alloc(1_024);
  const fd = openSync(image, 'r');
  try {
    const isWhole = readSync(fd, superblock, 0, superblock.length, 1_024) === superblock.length;
    if (!isWhole || superblock.readUInt16LE(0x38) !== 0xef53) throw brokenImage(image, 'it holds no file system');
    const wide = (low: number, high: number): number => superblock.readUInt32LE(high) * 2 ** 32 + superblock.readUInt32LE(low);
    const bytes = wide(0x4, 0x150) * blockBytes;
    const missingBytes = bytes - fstatSync(fd).size;
    if (missingBytes > 0) throw brokenImage(image, `${missingBytes} bytes at its end are missing`);
    return { bytes, files: superblock.readUInt32LE(0x0), blockBytes, reservedBlocks: wide(0x8, 0x154) };
  } finally {
    closeSync(fd);
  }
}

export function brokenImage(image: string, reason: unknown): TenantdError {
  const message = `the disk image ${image} can not be used: ${typeof reason === 'string' ? reason : messageOf(reason)}`;
  const fix = `nothing was changed: see e2fsck -n ${image}, mend it by hand, or put one from a backup in its place`;
  return new TenantdError('TENANTD_E_DISK_IMAGE', message, fix);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
