import { type EventEmitter, once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract, type Extract } from 'tar-stream';
import { errnoOf, messageOf } from '../base/errors.ts';
import { type ReleaseCaps, ReleaseFault, show } from './release-rules.ts';
import { createReleaseWriter, type ReleaseSize, type ReleaseWriter } from './release-writer.ts';

type Entry = Extract extends AsyncIterable<infer Item> ? Item : never;

const blockBytes = 512;
const gzipMagic = [0x1f, 0x8b];
/** Of headers, padding and the zeros at an archive's end, beside what is written. */
const spareBytes = 64 << 20;

/**
 * Unpacks a tar archive, plain or gzip, into a folder that is empty. Throws ReleaseFault for what no release may have; the folder then
 * holds a part of it.
 */
export async function unpackArchive(input: Readable, folder: string, caps: ReleaseCaps): Promise<ReleaseSize> {
  const writer = createReleaseWriter(folder, caps);
  const archive = extract();
  const bytes = await openArchive(input);
  // Its own end of an error is told by `archive`: nothing is left to wait.
  const fed = feed(bytes, archive, caps.bytes + caps.entries * 3 * blockBytes + spareBytes);
  try {
    for await (const entry of archive) await take(writer, entry);
    await fed;
  } catch (error) {
    throw asFault(error);
  }
  const size = writer.finish();
  if (size.files === 0) throw new ReleaseFault('there is nothing in it', 'deploy the folder that has the app');
  return size;
}

async function feed(bytes: Readable, archive: Extract, maxBytes: number): Promise<void> {
  let [fedBytes, zeroBytes] = [0, 0];
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      fedBytes += chunk.length;
      if (fedBytes > maxBytes) throw new ReleaseFault('it unpacks to far more than there is room for', 'deploy less');
      zeroBytes = countZeros(chunk, zeroBytes);
      if (!archive.write(chunk)) await drained(archive);
    }
    // Cut off between two files, it would seem to be whole.
    if (zeroBytes < blockBytes) throw new ReleaseFault('its end is missing', 'pack it again, and send all of it');
    archive.end(undefined);
  } catch (error) {
    archive.destroy(error as Error);
  }
}

/** With how many bytes of zero it ends; so many came before it. */
function countZeros(chunk: Buffer, before: number): number {
  let start = chunk.length;
  while (start > 0 && chunk[start - 1] === 0 && chunk.length - start < blockBytes) start -= 1;
  return start === 0 ? before + chunk.length : chunk.length - start;
}

/** Settles, too, when it is closed: then nobody takes any more. */
async function drained(archive: Extract): Promise<void> {
  const settled = new AbortController();
  const wait = async (event: string): Promise<void> =>
    void (await once(archive as unknown as EventEmitter, event, { signal: settled.signal }));
  const closed = wait('close').then(() => {
    throw new Error('closed');
  });
  try {
    await Promise.race([wait('drain'), closed]);
  } finally {
    closed.catch(() => {});
    settled.abort();
  }
}

async function openArchive(input: Readable): Promise<Readable> {
  const first = await firstBytes(input);
  const rest = new PassThrough();
  rest.write(first);
  input.pipe(rest);
  input.on('error', (error) => rest.destroy(error));
  if (!gzipMagic.every((byte, index) => first[index] === byte)) return rest;
  const unzipped = createGunzip();
  rest.on('error', (error) => unzipped.destroy(error));
  return rest.pipe(unzipped);
}

async function firstBytes(input: Readable): Promise<Buffer> {
  for (;;) {
    const chunk = input.read() as Buffer | null;
    if (chunk) return chunk;
    if (input.readableEnded) return Buffer.alloc(0);
    await new Promise<void>((resolve, reject) => {
      input.once('readable', resolve).once('end', resolve).once('error', reject);
    });
  }
}

/** Whatever it is, its content is taken off the archive. */
async function take(writer: ReleaseWriter, entry: Entry): Promise<void> {
  const { name, type, linkname, size, mode, mtime, pax } = entry.header;
  const isSparse = Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse'));
  if (isSparse) throw new ReleaseFault(`${show(name)} is a sparse file`, 'pack it without --sparse');
  if (type === 'file' || type === 'contiguous-file')
    return writer.file(name, { sizeBytes: size, executable: (mode & 0o111) !== 0, modifiedAt: mtime }, entry as AsyncIterable<Uint8Array>);
  if (type === 'directory') writer.directory(name);
  else if (type === 'symlink') writer.symbolicLink(name, targetOf(linkname));
  else if (type === 'link') writer.hardLink(name, targetOf(linkname));
  else throw new ReleaseFault(`${show(name)} is ${describe(type)}`, 'a release has files, folders and links only');
  for await (const _ of entry) {
    // Such an entry should have none.
  }
}

/** Null where there is none, whatever its types say. */
function targetOf(linkname: string | null): string {
  return linkname ?? '';
}

/** tar-stream gives null for what it does not know. */
function describe(type: string | null): string {
  return type === null ? 'of no known kind' : `a ${type}`;
}

/** What is wrong with an archive, whoever found it. */
function asFault(error: unknown): unknown {
  if (error instanceof ReleaseFault) return error;
  if (errnoOf(error) === undefined || String(errnoOf(error)).startsWith('Z'))
    return new ReleaseFault(`it is no whole tar archive: ${messageOf(error)}`, 'send a .tar or .tar.gz file, or a folder');
  return error;
}
