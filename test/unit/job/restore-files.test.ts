import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TreePacker } from '../../../src/job/backup-files.ts';
import { TreeWriter } from '../../../src/job/restore-files.ts';
import type { BackupArea, BackupSize } from '../../../src/protocol/backup-job.ts';
import { encodeHole, encodeJson, encodeRecord, maxDataBytes, RecordFault, records } from '../../../src/protocol/backup-records.ts';

/** Whose number in the backup is the one that they have here. */
const self = process.getuid?.() ?? 0;
const owners = self + 1;
const generous = { bytes: 1 << 30, entries: 10_000 };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantd-restore-'));
  for (const name of ['from', 'to', 'beside']) mkdirSync(`${root}/${name}`);
});
afterEach(() => rmSync(root, { recursive: true }));

const areaOf = (name: string, more: Partial<BackupArea> = {}): BackupArea => ({
  name: 'data',
  dir: `${root}/${name}`,
  owner: self,
  ...more,
});

async function pack(areas: BackupArea[] = [areaOf('from')]): Promise<{ bytes: Buffer; packer: TreePacker }> {
  const packer = new TreePacker(owners);
  const pieces: Buffer[] = [];
  for await (const piece of packer.pack(areas)) pieces.push(Buffer.from(piece));
  return { bytes: Buffer.concat(pieces), packer };
}

async function* inPiecesOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

function unpack(bytes: Buffer, { areas = [areaOf('to')], caps = generous, size = 1 << 20 } = {}): Promise<BackupSize> {
  return new TreeWriter({ areas, owners, caps }).write(inPiecesOf(bytes, size));
}

/** What is there, by path: kind, mode, time, and content. */
function describeTree(folder: string, below = ''): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const name of readdirSync(Buffer.from(`${folder}${below}`, 'latin1'), { encoding: 'latin1' }).sort()) {
    const path = Buffer.from(`${folder}${below}/${name}`, 'latin1');
    const stat = lstatSync(path);
    const own = { mode: stat.mode, time: stat.mtimeMs, links: stat.isDirectory() ? 1 : stat.nlink };
    if (stat.isSymbolicLink()) found[`${below}/${name}`] = { ...own, target: readlinkSync(path, 'latin1') };
    else if (stat.isFile()) found[`${below}/${name}`] = { ...own, hash: createHash('sha256').update(readFileSync(path)).digest('hex') };
    else Object.assign(found, { [`${below}/${name}`]: own }, describeTree(folder, `${below}/${name}`));
  }
  return found;
}

describe('files of a tenant', () => {
  test('come back as they were, with odd names, links, holes, modes and times', async () => {
    const from = (path: string): Buffer => Buffer.from(`${root}/from/${path}`, 'latin1');
    mkdirSync(from('a/b/empty'), { recursive: true });
    writeFileSync(from('a/file'), 'text', { mode: 0o640 });
    writeFileSync(from('a/b/big'), Buffer.alloc(1_000_000, 'pattern'));
    writeFileSync(from('two\nlines'), '');
    writeFileSync(from('\xff\xfe bytes'), 'x');
    symlinkSync('/etc/passwd', from('out'));
    symlinkSync(from('../beside/\xff'), from('a/dangling'));
    linkSync(from('a/file'), from('a/b/second'));
    const sparse = openSync(from('sparse'), 'w');
    writeSync(sparse, 'begin');
    writeSync(sparse, 'middle', 3 << 20);
    ftruncateSync(sparse, 8 << 20);
    closeSync(sparse);
    utimesSync(from('a/file'), 1_000_000_000.123_456, 1_000_000_000.123_456);
    chmodSync(from('a/b'), 0o1711);
    utimesSync(from('a/b'), 1_100_000_000, 1_100_000_000);
    const { bytes, packer } = await pack();
    expect(await unpack(bytes, { size: 777 })).toEqual(packer.size);
    const before = describeTree(`${root}/from`);
    expect(Object.keys(before)).toHaveLength(11);
    expect(rounded(describeTree(`${root}/to`))).toEqual(rounded(before));
    expect(statSync(`${root}/to/sparse`).blocks).toBeLessThan(1_000);
    expect(statSync(`${root}/to/a/file`).ino).toBe(statSync(`${root}/to/a/b/second`).ino);
  });

  test('are left out and told where they are sockets, or could not be named again', async () => {
    const server = createServer().listen(`${root}/from/socket`);
    await once(server, 'listening');
    const deep = Array.from({ length: 16 }, () => 'n'.repeat(250)).join('/');
    mkdirSync(`${root}/from/${deep}`.slice(0, 3_900), { recursive: true });
    writeFileSync(`${root}/from/kept`, 'kept');
    const { bytes, packer } = await pack();
    server.close();
    expect(packer.leftOut.count).toBe(2);
    expect(packer.leftOut.shown).toContain('data/socket: it is a socket, a FIFO or a device');
    expect(packer.leftOut.shown.filter((line) => line.endsWith(': its path is too long'))).toHaveLength(1);
    await unpack(bytes);
    expect(readdirSync(`${root}/to`)).toContain('kept');
  });

  test('of other areas are no part of one', async () => {
    for (const name of ['releases', 'current', 'server.js']) writeFileSync(`${root}/from/${name}`, name);
    const without = ['releases', 'current'];
    const { bytes } = await pack([areaOf('from', { without })]);
    await unpack(bytes, { areas: [areaOf('to', { without })] });
    expect(readdirSync(`${root}/to`)).toEqual(['server.js']);
  });
});

/** Times are kept to the microsecond. */
function rounded(tree: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(tree), (key, value: unknown) =>
    key === 'time' && typeof value === 'number' ? Math.floor(value * 1_000 + 0.01) : value,
  );
}

describe('what no backup of ours holds', { timeout: 60_000 }, () => {
  const entry = (name: unknown, more: object = {}) => ({ name, mode: 0o644, owner: self, modifiedUs: 0, ...more });
  const area = encodeJson(records.area, { area: 'data' });
  const up = encodeRecord(records.up, Buffer.alloc(0));
  const folder = (name: unknown, more: object = {}) => encodeJson(records.folder, entry(name, { mode: 0o755, ...more }));
  const link = (name: string, target: string) => encodeJson(records.symbolicLink, entry(name, { target }));
  const end = (size: Partial<BackupSize> = {}) => encodeJson(records.end, { entries: 0, files: 0, bytes: 0, ...size });
  const file = (name: unknown, content = 'x', more: object = {}) =>
    Buffer.concat([
      encodeJson(records.file, entry(name, more)),
      encodeRecord(records.data, Buffer.from(content)),
      encodeRecord(records.fileEnd, createHash('sha256').update(content).digest()),
    ]);

  test.each<[string, Buffer[], RegExp]>([
    ['a path', [area, file('a/b')], /is no name of a file/],
    ['a way up', [area, folder('..')], /is no name of a file/],
    ['the folder itself', [area, folder('.')], /is no name of a file/],
    ['an absolute name', [area, file('/etc/passwd')], /is no name of a file/],
    ['no name', [area, file('')], /is no name of a file/],
    ['a name that is none', [area, file(7)], /is no name of a file/],
    ['a name with a zero byte', [area, file('a\0b')], /is no name of a file/],
    ['a name that is no bytes', [area, file('\u20ac')], /is no name of a file/],
    ['a name that is too long', [area, file('n'.repeat(256))], /is no name of a file/],
    ['a file where a link is', [area, link('out', '../beside'), file('out')], /is there twice/],
    ['a folder where a link is', [area, link('out', '../beside'), folder('out')], /is there twice/],
    ['a file that is there twice', [area, file('a'), file('a')], /is there twice/],
    ['a folder that is there twice', [area, folder('a'), up, folder('a')], /is there twice/],
    ['another part', [encodeJson(records.area, { area: 'apps' })], /which there is none of/],
    ['a part that is there twice', [area, area], /which there is none of/],
    ['a part within a folder', [area, folder('a'), area], /has no end/],
    ['files of no part', [file('a')], /begins with no part/],
    ['a way out of its part', [area, up], /leaves a part by its top/],
    ['an owner that there is none of', [area, file('a', 'x', { owner: owners })], /owner that can be none/],
    ['an owner below all', [area, file('a', 'x', { owner: -1 })], /owner that can be none/],
    ['rights of its owner', [area, file('a', 'x', { mode: 0o4755 })], /mode that can be none/],
    ['a time that is none', [area, file('a', 'x', { modifiedUs: 'now' })], /time that can be none/],
    ['a link to nothing', [area, link('a', '')], /target that can be none/],
    ['a second name of no file', [area, encodeJson(records.hardLink, { name: 'a', links: 1 })], /another name of no file/],
    [
      'a second name elsewhere',
      [area, file('a', 'x', { links: 1 }), encodeJson(records.hardLink, { name: '../beside/b', links: 1 })],
      /no name of a file/,
    ],
    ['content of no file', [area, encodeRecord(records.data, Buffer.from('x'))], /in disorder/],
    ['a file within a file', [area, encodeJson(records.file, entry('a')), file('b')], /in disorder/],
    [
      'another content',
      [
        area,
        encodeJson(records.file, entry('a')),
        encodeRecord(records.data, Buffer.from('y')),
        encodeRecord(records.fileEnd, createHash('sha256').update('x').digest()),
      ],
      /its hash is another one/,
    ],
    ['a hole of no length', [area, encodeJson(records.file, entry('a')), encodeRecord(records.hole, Buffer.alloc(3))], /hole of no length/],
    ['a file beyond all sizes', [area, encodeJson(records.file, entry('a')), encodeHole(2 ** 62)], /too large/],
    ['a record of no kind', [area, encodeRecord(1, Buffer.alloc(0))], /unknown type/],
    ['a record that is no JSON', [area, encodeRecord(records.folder, Buffer.from('{'))], /no JSON/],
    ['a record without end', [area, Buffer.from([records.data, 0xff, 0xff, 0xff, 0xff])], /a record has \d+ bytes/],
    ['no end', [area, file('a')], /its end is missing/],
    ['an end in a folder', [area, folder('a'), end({ entries: 1 })], /has no end/],
    ['an end in a record', [area, file('a').subarray(0, 9)], /ends in the middle/],
    ['fewer files than it says', [area, end({ entries: 1, files: 1 })], /does not hold what it says/],
    ['more behind its end', [area, end(), area], /goes on after its end/],
  ])('%s is refused, and nothing leaves its folder', async (_what, pieces, reason) => {
    await expect(unpack(Buffer.concat(pieces))).rejects.toThrow(reason);
    expect(readdirSync(`${root}/beside`)).toEqual([]);
    expect(readdirSync(root).sort()).toEqual(['beside', 'from', 'to']);
  });

  test('more files, or more bytes, than there is room for are not written', async () => {
    const many = Array.from({ length: 11 }, (_, index) => file(`f${index}`));
    await expect(unpack(Buffer.concat([area, ...many]), { caps: { bytes: 1_000, entries: 10 } })).rejects.toThrow('it has over 10 files');
    expect(readdirSync(`${root}/to`)).toHaveLength(10);
    const large = Buffer.concat([
      area,
      encodeJson(records.file, entry('large')),
      ...Array.from({ length: 5 }, () => encodeRecord(records.data, Buffer.alloc(maxDataBytes))),
    ]);
    await expect(unpack(large, { caps: { bytes: 3 * maxDataBytes, entries: 10 } })).rejects.toThrow('bytes, which is the room there is');
    expect(statSync(`${root}/to/large`).size).toBeLessThanOrEqual(3 * maxDataBytes);
  });

  test('is found wherever one byte of a real one was changed, or it was cut', async () => {
    mkdirSync(`${root}/from/a`);
    writeFileSync(`${root}/from/a/file`, 'some text');
    symlinkSync('file', `${root}/from/a/link`);
    const { bytes } = await pack();
    for (let cut = 0; cut < bytes.length; cut++) await expect(unpackAnew(bytes.subarray(0, cut))).rejects.toThrow(RecordFault);
    // What a record says of names, modes and times is no worse than what the whole is protected by: its file's seal.
    const content = bytes.indexOf('some text');
    for (let at = content; at < content + 9 + 5 + 32; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(unpackAnew(changed)).rejects.toThrow(RecordFault);
    }
  });

  function unpackAnew(bytes: Buffer): Promise<BackupSize> {
    rmSync(`${root}/to`, { recursive: true });
    mkdirSync(`${root}/to`);
    return unpack(bytes);
  }
});
