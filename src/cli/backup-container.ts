import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { BackupHeader } from '../protocol/backup-header.ts';
import { type BackupKeys, openKeys, parseHeader, refused } from './backup-keys.ts';

/**
 * After its header a backup is chunks: four bytes for the length, big-endian, one for whether it is the last, then so many bytes, AES-256-GCM, and
 * its tag (NIST SP 800-38D). The nonce is the chunk's number: a key is of one backup alone. So what was changed, cut, put elsewhere or
 * taken out is found at that chunk, before any of it is used.
 */
const algorithm = 'aes-256-gcm';
const chunkBytes = 256 << 10;
const tagBytes = 16;
const prefixBytes = 5;
/** Three lines. */
const maxHeaderBytes = 8 << 10;

export type Bytes = AsyncIterable<Uint8Array>;

/** Gives what is written to `write`, in chunks. */
export class ContainerWriter {
  private readonly write: (bytes: Buffer) => Promise<void>;
  private readonly key: Buffer;
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private number = 0;

  constructor({ chunks }: BackupKeys, write: (bytes: Buffer) => Promise<void>) {
    this.key = chunks;
    this.write = write;
  }

  async add(bytes: Buffer): Promise<void> {
    this.kept.push(bytes);
    this.keptBytes += bytes.length;
    if (this.keptBytes < chunkBytes) return;
    const all = Buffer.concat(this.kept, this.keptBytes);
    let start = 0;
    for (; all.length - start >= chunkBytes; start += chunkBytes) await this.seal(all.subarray(start, start + chunkBytes), false);
    [this.kept, this.keptBytes] = [[all.subarray(start)], all.length - start];
  }

  async end(): Promise<void> {
    await this.seal(Buffer.concat(this.kept, this.keptBytes), true);
  }

  private async seal(plain: Buffer, isLast: boolean): Promise<void> {
    const prefix = prefixOf(plain.length, isLast);
    const cipher = createCipheriv(algorithm, this.key, nonceOf(this.number++), { authTagLength: tagBytes }).setAAD(prefix);
    await this.write(Buffer.concat([prefix, cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
  }
}

/** Reads a backup; `findPassphrase` is asked when it has one. Throws TENANTD_E_BACKUP and TENANTD_E_PASSPHRASE. */
export async function openContainer(
  bytes: Bytes,
  findPassphrase: () => Promise<string | undefined>,
): Promise<{ header: BackupHeader; keys: BackupKeys; content: AsyncGenerator<Buffer> }> {
  const reader = new ByteReader(bytes);
  const lines = [await reader.line(maxHeaderBytes), await reader.line(maxHeaderBytes), await reader.line(maxHeaderBytes)];
  const { header, line } = parseHeader(lines);
  const keys = openKeys(line, header, header.key && (await findPassphrase()));
  return { header, keys, content: chunksOf(reader, keys) };
}

async function* chunksOf(reader: ByteReader, { chunks: key }: BackupKeys): AsyncGenerator<Buffer> {
  for (let number = 0; ; number++) {
    const at = reader.taken;
    const prefix = await reader.take(prefixBytes);
    const length = prefix.readUInt32BE();
    if (length > chunkBytes || prefix.readUInt8(4) > 1) throw damaged(at);
    const sealed = await reader.take(length + tagBytes);
    const plain = unseal(key, number, prefix, sealed);
    if (!plain) throw damaged(at);
    const isLast = prefix.readUInt8(4) === 1;
    if (isLast && (await reader.hasMore())) throw refused('something was added at its end', 'use another copy of it');
    yield plain;
    if (isLast) return;
  }
}

function unseal(key: Buffer, number: number, prefix: Buffer, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv(algorithm, key, nonceOf(number), { authTagLength: tagBytes }).setAAD(prefix);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const plain = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

function damaged(at: number): Error {
  return refused(`it is damaged: what is at byte ${at} and after it was changed`, 'use another copy of it');
}

function prefixOf(length: number, isLast: boolean): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(length);
  prefix.writeUInt8(isLast ? 1 : 0, 4);
  return prefix;
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

/** Exact numbers of bytes out of pieces of any size. */
class ByteReader {
  taken = 0;
  private readonly pieces: AsyncIterator<Uint8Array>;
  private kept: Buffer = Buffer.alloc(0);

  constructor(bytes: Bytes) {
    this.pieces = bytes[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<Buffer> {
    while (this.kept.length < count)
      if (!(await this.more())) throw refused('its end is missing: it was cut off', 'use another copy of it');
    const taken = this.kept.subarray(0, count);
    this.kept = this.kept.subarray(count);
    this.taken += count;
    return taken;
  }

  /** Without its end; '' where there is none. */
  async line(maxBytes: number): Promise<string> {
    while (!this.kept.subarray(0, maxBytes).includes(0x0a) && this.kept.length < maxBytes && (await this.more()));
    const end = this.kept.subarray(0, maxBytes).indexOf(0x0a);
    if (end === -1) return '';
    return (await this.take(end + 1)).toString('latin1').slice(0, -1);
  }

  async hasMore(): Promise<boolean> {
    return this.kept.length > 0 || (await this.more());
  }

  private async more(): Promise<boolean> {
    const { value, done } = await this.pieces.next();
    if (done === true) return false;
    this.kept = Buffer.concat([this.kept, value]);
    return value.length > 0 || this.more();
  }
}
