import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { unpackArchive } from '../../../src/job/unpack-job.ts';

type Part = [Partial<Header> & { name: string }, content?: string];

const caps = { bytes: 1 << 20, entries: 1_000 };
let outer: string;
let folder: string;

beforeEach(() => {
  outer = mkdtempSync(join(tmpdir(), 'tenantd-unpack-'));
  folder = join(outer, 'release');
  mkdirSync(folder);
});
afterEach(() => rmSync(outer, { recursive: true, force: true }));

async function archiveOf(parts: readonly Part[]): Promise<Buffer> {
  const archive = pack();
  for (const [header, content = ''] of parts) archive.entry(header, content);
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** One header as it is, sum and all: what no honest program writes. */
function rawEntry(fields: { name: string; type: string; size?: number; link?: string }, content = ''): Buffer {
  const header = Buffer.alloc(512);
  header.write(fields.name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${(fields.size ?? content.length).toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(fields.type, 156);
  header.write(fields.link ?? '', 157, 100);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, Buffer.from(content), padding]);
}

const archiveEnd = Buffer.alloc(1_024);

function paxRecord(key: string, value: string): string {
  const text = ` ${key}=${value}\n`;
  const length = text.length + String(text.length + 2).length;
  return `${length}${text}`;
}

const unpack = (archive: Buffer, limits = caps) => unpackArchive(Readable.from([archive]), folder, limits);
const unpackParts = async (...parts: Part[]) => unpack(await archiveOf(parts));

describe('an archive', () => {
  test('is unpacked, with modes that are all alike', async () => {
    const size = await unpackParts(
      [{ name: 'lib', type: 'directory', mode: 0o700 }],
      [{ name: 'lib/a.js', mode: 0o600 }, 'a'],
      [{ name: './run.sh', mode: 0o4711 }, 'run'],
      [{ name: 'made/on/the/way.txt' }, 'w'],
      [{ name: 'current.js', type: 'symlink', linkname: 'lib/a.js' }],
    );
    expect(size).toEqual({ bytes: 5, files: 8 });
    expect(readFileSync(`${folder}/current.js`, 'utf8')).toBe('a');
    const modes = ['lib', 'lib/a.js', 'run.sh', 'made/on'].map((name) => (statSync(`${folder}/${name}`).mode & 0o7777).toString(8));
    expect(modes).toEqual(['755', '644', '755', '755']);
  });

  test('may be gzip', async () => {
    await unpack(gzipSync(await archiveOf([[{ name: 'a' }, 'x'.repeat(10_000)]])));
    expect(statSync(`${folder}/a`).size).toBe(10_000);
  });

  test('may come in pieces of any size', async () => {
    const archive = await archiveOf([
      [{ name: 'a' }, 'hello'],
      [{ name: 'b/c' }, 'x'.repeat(3_000)],
    ]);
    await unpackArchive(Readable.from(Array.from(archive, (byte) => Buffer.from([byte]))), folder, caps);
    expect(readFileSync(`${folder}/a`, 'utf8')).toBe('hello');
  });

  test('keeps when its files were changed, within reason', async () => {
    await unpackParts([{ name: 'a', mtime: new Date('2020-02-02') }], [{ name: 'b', mtime: new Date(8e15) }]);
    expect(statSync(`${folder}/a`).mtime).toEqual(new Date('2020-02-02'));
  });

  test('may have hard links to files in it, and links to anything in it', async () => {
    await unpackParts(
      [{ name: 'a/b/file' }, 'x'],
      [{ name: 'again', type: 'link', linkname: 'a/b/file' }],
      [{ name: 'a/up', type: 'symlink', linkname: '../again' }],
      [{ name: 'to-folder', type: 'symlink', linkname: './a/b/' }],
      [{ name: 'through', type: 'symlink', linkname: 'to-folder/file' }],
      [{ name: 'nowhere', type: 'symlink', linkname: 'a/gone' }],
      [{ name: 'loop', type: 'symlink', linkname: 'loop' }],
    );
    expect([readFileSync(`${folder}/a/up`, 'utf8'), readFileSync(`${folder}/through`, 'utf8')]).toEqual(['x', 'x']);
  });
});

describe('refused, and nothing outside is touched:', () => {
  afterEach(() => {
    const left = readdirSync(outer).filter((name) => name !== 'release');
    if (left.length > 0) throw new Error(`something was made outside: ${left.join(', ')}`);
  });

  test.each<[string, Part[], RegExp]>([
    ['a name that goes up', [[{ name: '../x' }, 'x']], /leaves its folder/],
    ['a name that goes up later', [[{ name: 'a/../../x' }, 'x']], /leaves its folder/],
    ['an absolute name', [[{ name: '/tmp/x' }, 'x']], /absolute/],
    ['a folder that goes up', [[{ name: '../d', type: 'directory' }]], /leaves its folder/],
    ['a link that goes up', [[{ name: 'l', type: 'symlink', linkname: '../x' }]], /not surely in its release/],
    ['an absolute link', [[{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }]], /not surely in its release/],
    ['a link that goes up by a folder and two', [[{ name: 'a/l', type: 'symlink', linkname: '../../x' }]], /not surely in its release/],
    ['a link that goes up after a name', [[{ name: 'a/b/l', type: 'symlink', linkname: 'c/../../../../x' }]], /not surely in its release/],
    ['a link to nothing at all', [[{ name: 'l', type: 'symlink', linkname: '' }]], /not surely/],
    [
      'a chain of links that would go up',
      [
        [{ name: 'a/b/c', type: 'symlink', linkname: '../../z' }],
        [{ name: 'z', type: 'directory' }],
        [{ name: 'x', type: 'symlink', linkname: 'a/b/c/../../y' }],
      ],
      /not surely in its release/,
    ],
    ['a file through a link', [[{ name: 'l', type: 'symlink', linkname: 'somewhere' }], [{ name: 'l/x' }, 'x']], /"l" is there twice/],
    [
      'a file in the place of a link',
      [[{ name: 'l', type: 'symlink', linkname: 'somewhere' }], [{ name: 'l' }, 'x']],
      /"l" is there twice/,
    ],
    [
      'a file twice',
      [
        [{ name: 'a' }, 'x'],
        [{ name: './a' }, 'y'],
      ],
      /"a" is there twice/,
    ],
    [
      'a file below a file',
      [
        [{ name: 'a' }, 'x'],
        [{ name: 'a/b' }, 'y'],
      ],
      /no folder/,
    ],
    ['a folder in the place of a file', [[{ name: 'a' }, 'x'], [{ name: 'a', type: 'directory' }]], /no folder/],
    ['a hard link to the outside', [[{ name: 'h', type: 'link', linkname: '/etc/passwd' }]], /absolute/],
    ['a hard link that goes up', [[{ name: 'h', type: 'link', linkname: '../../etc/passwd' }]], /leaves its folder/],
    ['a hard link to nothing', [[{ name: 'h', type: 'link', linkname: 'gone' }]], /hard link to what is not there/],
    ['a hard link to a folder', [[{ name: 'd', type: 'directory' }], [{ name: 'h', type: 'link', linkname: 'd' }]], /hard link to no file/],
    ['a character device', [[{ name: 'd', type: 'character-device', devmajor: 1, devminor: 3 }]], /character-device/],
    ['a block device', [[{ name: 'd', type: 'block-device', devmajor: 8 }]], /block-device/],
    ['a FIFO', [[{ name: 'f', type: 'fifo' }]], /fifo/],
    ['a name with a newline', [[{ name: 'a\nb' }, 'x']], /control character/],
    ['a name with an escape', [[{ name: 'a\x1b[2Jb' }, 'x']], /control character/],
    ['a name of 256 bytes', [[{ name: 'x'.repeat(256) }, 'x']], /over 255 bytes/],
    ['a path of 65 folders', [[{ name: `${'d/'.repeat(65)}f` }, 'x']], /deep/],
    ['a path over 1,024 bytes', [[{ name: `${'dddddddddddddddddddddd/'.repeat(50)}f` }, 'x']], /over 255 bytes, or a path over 1024/],
    ['a file without a name', [[{ name: './', type: 'file' }, '']], /no name of a file|nothing in it/],
    ['nothing', [], /nothing in it/],
  ])('%s', async (_, parts, message) => {
    await expect(unpackParts(...parts)).rejects.toMatchObject({ message: expect.stringMatching(message) as unknown });
  });

  test('a NUL, by PAX', async () => {
    const path = paxRecord('path', 'a\0/../../x');
    const archive = Buffer.concat([rawEntry({ name: 'pax', type: 'x' }, path), rawEntry({ name: 'innocent', type: '0' }, 'x'), archiveEnd]);
    await expect(unpack(archive)).rejects.toThrow('control character');
  });

  test.each([
    ['a path that goes up', paxRecord('path', '../x'), '0', 'leaves its folder'],
    ['a link that goes out', paxRecord('linkpath', '/etc/passwd'), '2', 'not surely in its release'],
    ['a hard link that goes out', paxRecord('linkpath', '../../x'), '1', 'leaves its folder'],
    ['a size over the room', paxRecord('size', String(2 ** 40)), '0', 'room that is left'],
    ['a size that is no number', paxRecord('size', 'many'), '0', 'no whole tar archive'],
    ['a negative size', paxRecord('size', '-1'), '0', 'no whole tar archive'],
    ['a sparse file', paxRecord('GNU.sparse.major', '1'), '0', 'sparse'],
  ])('by PAX, %s', async (_, record, type, message) => {
    const archive = Buffer.concat([
      rawEntry({ name: 'pax', type: 'x' }, record),
      rawEntry({ name: 'innocent', type, link: 'innocent' }),
      archiveEnd,
    ]);
    await expect(unpack(archive)).rejects.toThrow(message);
  });

  test.each(['S', 'M', 'V', 'D', '7x', '\x7f'].map((type) => type[0] ?? ''))('an entry of type %o, or it is a plain file', async (type) => {
    const archive = Buffer.concat([rawEntry({ name: 'a', type }, 'x'), archiveEnd]);
    const made = await unpack(archive).then(
      () => lstatSync(`${folder}/a`).isFile(),
      (error: Error) => error.message,
    );
    expect(made === true || String(made).includes('of no known kind')).toBe(true);
  });

  test('more than there is room for, before a byte of it is written', async () => {
    const archive = Buffer.concat([rawEntry({ name: 'huge', type: '0', size: 0o77777777777 }), archiveEnd]);
    await expect(unpack(archive)).rejects.toThrow('room that is left');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('more entries than there is room for', async () => {
    const parts = Array.from({ length: 60 }, (_, index): Part => [{ name: `d${index}/f` }, '']);
    await expect(unpack(await archiveOf(parts), { bytes: 1_000, entries: 100 })).rejects.toThrow('over 100 files');
  });

  test('more folders than there is room for, though only one file names them', async () => {
    await expect(unpack(await archiveOf([[{ name: `${'d/'.repeat(30)}f` }, 'x']]), { bytes: 1_000, entries: 10 })).rejects.toThrow(
      'over 10 files',
    );
  });

  test('a bomb of gzip that never ends an archive', async () => {
    const zeros = Buffer.alloc(1 << 20);
    const bomb = Readable.from(
      (async function* () {
        for (let count = 0; count < 2_000; count += 1) yield zeros;
      })(),
    ).pipe(createGzip({ level: 1 }));
    await expect(unpackArchive(bomb, folder, { bytes: 1_000, entries: 10 })).rejects.toThrow('far more than there is room for');
  });

  test('a bomb of gzip in one file', async () => {
    const archive = await archiveOf([[{ name: 'a' }, '\0'.repeat(2 << 20)]]);
    await expect(unpack(gzipSync(archive))).rejects.toThrow('room that is left');
  });

  test.each([
    ['in the middle of a file', 700],
    ['in the middle of a header', 300],
    ['after a file, where it seems to be whole', 1_024],
    ['at once', 0],
  ])('an archive that is cut %s', async (_, bytes) => {
    const archive = await archiveOf([
      [{ name: 'a' }, 'x'.repeat(400)],
      [{ name: 'b' }, 'y'],
    ]);
    await expect(unpack(archive.subarray(0, bytes))).rejects.toThrow(/no whole tar archive|its end is missing/);
  });

  test('gzip that is cut', async () => {
    const zipped = gzipSync(await archiveOf([[{ name: 'a' }, 'x'.repeat(400)]]));
    await expect(unpack(zipped.subarray(0, -10))).rejects.toThrow('no whole tar archive');
  });

  test.each([
    ['text', 'hello '.repeat(1_000)],
    ['a zip file', `PK\x03\x04${'x'.repeat(2_000)}`],
  ])('%s', async (_, text) => {
    await expect(unpack(Buffer.from(text))).rejects.toThrow('no whole tar archive');
  });
});

test('what a link says is kept as it was', async () => {
  await unpackParts([{ name: 'a/f' }, 'x'], [{ name: 'l', type: 'symlink', linkname: './a//f' }]);
  expect(readlinkSync(`${folder}/l`)).toBe('./a//f');
});
