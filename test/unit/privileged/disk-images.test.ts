import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTooSmall, readDiskCapacity } from '../../../src/privileged/disk-images.ts';

const gibibyte = 2 ** 30;

describe('a disk image', () => {
  const has = { bytes: 16 * gibibyte, files: 65_536, blockBytes: 4_096, reservedBlocks: 0 };

  test.each([
    ['as it was made', { bytes: gibibyte, files: 65_000 }, false],
    ['ten times that', { bytes: 10 * gibibyte, files: 65_000 }, false],
    ['nearly all that it has, beside its own tables', { bytes: 15 * gibibyte, files: 65_000 }, true],
    ['more files', { bytes: gibibyte, files: 70_000 }, true],
    ['as much as no file can have', { bytes: 2 ** 60, files: 65_000 }, true],
  ])('for %s has to be enlarged, or not', (_, wanted, expected) => {
    expect(isTooSmall(has, wanted)).toBe(expected);
  });
});

describe('what an image has room for', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenantd-test-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The fields that are read, as ext4 has them. */
  function imageOf({ blocks = 2, files = 128, reserved = 1, magic = 0xef53 } = {}, imageBytes = 8_192): string {
    const bytes = Buffer.alloc(Math.max(imageBytes, 2_048));
    bytes.writeUInt32LE(files, 1_024);
    bytes.writeUInt32LE(blocks % 2 ** 32, 1_024 + 0x4);
    bytes.writeUInt32LE(Math.floor(blocks / 2 ** 32), 1_024 + 0x150);
    bytes.writeUInt32LE(reserved, 1_024 + 0x8);
    bytes.writeUInt16LE(magic, 1_024 + 0x38);
    const file = join(folder, 'disk.img');
    writeFileSync(file, bytes.subarray(0, imageBytes));
    return file;
  }

  test('is read from its superblock', () => {
    expect(readDiskCapacity(imageOf())).toEqual({ bytes: 8_192, files: 128, blockBytes: 4_096, reservedBlocks: 1 });
  });

  test.each([
    ['empty', imageOf.bind(undefined, {}, 0), /it holds no file system/],
    ['of half a superblock', imageOf.bind(undefined, {}, 1_500), /it holds no file system/],
    ['no file system', imageOf.bind(undefined, { magic: 0 }), /it holds no file system/],
    ['cut off', imageOf.bind(undefined, { blocks: 3 }), /4096 bytes at its end are missing/],
    ['cut off by far', imageOf.bind(undefined, { blocks: 2 ** 33 }), /bytes at its end are missing/],
  ])('is not told of a file that is %s', (_, make, message) => {
    expect(() => readDiskCapacity(make())).toThrow(message);
  });
});
