import { headerTableBytes } from './decoder-table.ts';
import { EncoderTable, type TableEntry } from './encoder-table.ts';
import { outgoingName } from './outgoing-names.ts';
import type { FieldList, FieldSource, KeepsField } from './response-head.ts';

const nothing = Buffer.alloc(0);

/** First bytes of the representations (RFC 7541 6), with the mask of their integers. */
const indexed = { bits: 0x80, mask: 0x7f };
const inserted = { bits: 0x40, mask: 0x3f };
const sizeUpdate = { bits: 0x20, mask: 0x1f };
const neverIndexed = { bits: 0x10, mask: 0x0f };
const notIndexed = { bits: 0x00, mask: 0x0f };

const statusNameIndex = 8;
const statusIndices = new Map([200, 204, 206, 304, 400, 404, 500].map((status, at) => [status, statusNameIndex + at]));
const sampledTail = 12;
/** Above this a call that copies natively is cheaper than a loop. */
const loopBytes = 64;

/** What a field can take on the wire beyond its own bytes. */
const fieldSlackBytes = 16;
const blockSlackBytes = 32;

export function mostBytesOf(source: FieldSource | undefined, added: FieldList): number {
  let most = blockSlackBytes + (source ? source.text.length + source.fields.count * fieldSlackBytes : 0);
  for (const part of added) most += part.length + fieldSlackBytes;
  return most;
}

/**
 * Writes field blocks (RFC 7541). Fields enter the client's table when they come for the second time. Strings are written as they
 * are: Huffman coding saves a fifth of the bytes of what isn't in the table yet, for several times the work.
 */
export class HpackEncoder {
  /** Where the block goes on; its end, after the last field. */
  at = 0;
  private bytes: Buffer = nothing;
  private table: EncoderTable | undefined = undefined;
  private maxTableBytes = headerTableBytes;
  /** The least that the table was limited to since the last block; -1 when nothing changed. */
  private leastTableBytes = -1;

  /** The client's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    const limit = Math.min(bytes, headerTableBytes);
    if (limit === this.maxTableBytes) return;
    this.leastTableBytes = this.leastTableBytes === -1 ? limit : Math.min(limit, this.leastTableBytes);
    this.maxTableBytes = limit;
  }

  /** Begins a block at `bytes[at]`, where there must be room for `mostBytesOf` it. */
  begin(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
    if (this.leastTableBytes !== -1) this.resizeTable();
  }

  end(): number {
    this.bytes = nothing;
    return this.at;
  }

  status(status: number): void {
    const index = statusIndices.get(status);
    if (index !== undefined) return this.integer(indexed, index);
    this.integer(notIndexed, statusNameIndex);
    const text = String(status);
    this.text(text, 0, text.length);
  }

  fields<Source extends FieldSource>(source: Source, keeps: KeepsField<Source>): void {
    const { count, nameStart, nameEnd, valueStart, valueEnd } = source.fields;
    for (let index = 0; index < count; index++) {
      if (!keeps(source, index)) continue;
      this.field(source.text, nameStart[index] as number, nameEnd[index] as number, valueStart[index] as number, valueEnd[index] as number);
    }
  }

  pairs(list: FieldList): void {
    for (let index = 0; index + 1 < list.length; index += 2) {
      const name = list[index] as string;
      const text = name + (list[index + 1] as string);
      this.field(text, 0, name.length, name.length, text.length);
    }
  }

  private field(text: string, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const table = (this.table ??= new EncoderTable());
    const hash = hashOf(text, nameStart, nameEnd, valueStart, valueEnd);
    const entry = table.candidate(hash);
    if (entry && isSame(entry, text, nameStart, nameEnd, valueStart, valueEnd)) return this.integer(indexed, table.indexOf(entry));
    const name = text.slice(nameStart, nameEnd).toLowerCase();
    const { index, secret, forbidden } = outgoingName(name);
    if (forbidden) return;
    let form = secret ? neverIndexed : notIndexed;
    if (!secret && table.returns(hash) && table.insert(hash, text.slice(nameStart, nameEnd), text.slice(valueStart, valueEnd)))
      form = inserted;
    this.integer(form, index);
    if (index === 0) this.text(name, 0, name.length);
    this.text(text, valueStart, valueEnd);
  }

  /** RFC 7541 5.1. */
  private integer({ bits, mask }: { bits: number; mask: number }, value: number): void {
    if (value < mask) {
      this.bytes[this.at++] = bits | value;
      return;
    }
    this.bytes[this.at++] = bits | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest >>>= 7) this.bytes[this.at++] = 0x80 | (rest & 0x7f);
    this.bytes[this.at++] = rest;
  }

  private text(text: string, start: number, end: number): void {
    const length = end - start;
    this.integer({ bits: 0, mask: 0x7f }, length);
    if (length > loopBytes) this.bytes.write(text.slice(start, end), this.at, 'latin1');
    else for (let i = 0; i < length; i++) this.bytes[this.at + i] = text.charCodeAt(start + i);
    this.at += length;
  }

  /** RFC 7541 4.2: the smallest limit of the meantime, then the one that holds. */
  private resizeTable(): void {
    this.integer(sizeUpdate, this.leastTableBytes);
    if (this.maxTableBytes !== this.leastTableBytes) this.integer(sizeUpdate, this.maxTableBytes);
    this.table?.resize(this.leastTableBytes);
    this.table ??= new EncoderTable();
    this.table.resize(this.maxTableBytes);
    this.leastTableBytes = -1;
  }
}

/**
 * FNV-1a over a sample: both lengths, the ends of the name, and of the value the middle and the last characters, where dates, counters
 * and ids differ. Hashing every character would cost more than all the rest of a response.
 */
function hashOf(text: string, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): number {
  let hash = mix(((nameEnd - nameStart) << 16) ^ (valueEnd - valueStart), text.charCodeAt(nameStart));
  hash = mix(hash, text.charCodeAt(nameEnd - 1));
  if (valueEnd > valueStart) hash = mix(hash, text.charCodeAt((valueStart + valueEnd) >>> 1));
  for (let at = Math.max(valueStart, valueEnd - sampledTail); at < valueEnd; at++) hash = mix(hash, text.charCodeAt(at));
  return hash ^ (hash >>> 15);
}

function mix(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193);
}

function isSame(entry: TableEntry, text: string, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
  return (
    entry.name.length === nameEnd - nameStart &&
    entry.value.length === valueEnd - valueStart &&
    text.startsWith(entry.value, valueStart) &&
    text.startsWith(entry.name, nameStart)
  );
}
