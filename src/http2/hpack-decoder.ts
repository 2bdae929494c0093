import type { DecoderTable } from './decoder-table.ts';
import { classifyName, type FieldEntry, makeEntry } from './field-entry.ts';
import { decodeHuffman } from './huffman.ts';

/** Gets the fields of a block, in order. */
export interface FieldSink {
  add(entry: FieldEntry): void;
}

const nothing = Buffer.alloc(0);
/** Continuation bytes of an integer: enough for 28 bits, more than any length or index that we take. */
const maxIntegerShift = 28;

/** Reads field blocks (RFC 7541 6). One decoder serves all connections, each with its table. */
export class HpackDecoder {
  private readonly scratch: Buffer;
  private bytes: Buffer = nothing;
  private at = 0;
  private end = 0;
  private malformed = false;

  /** `blockBytes`: no block is longer. */
  constructor(blockBytes: number) {
    this.scratch = Buffer.allocUnsafeSlow(Math.ceil((blockBytes * 8) / 5));
  }

  /** False when the block is malformed: the table is then out of step with the client's, and the connection of no more use. */
  decode(bytes: Buffer, start: number, end: number, table: DecoderTable, into: FieldSink): boolean {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.malformed = false;
    this.resizeTable(table);
    while (this.at < end && !this.malformed) this.readField(table, into);
    this.bytes = nothing;
    return !this.malformed;
  }

  /** RFC 7541 4.2: size updates stand at the beginning of a block only. */
  private resizeTable(table: DecoderTable): void {
    while (this.at < this.end && ((this.bytes[this.at] as number) & 0xe0) === 0x20 && !this.malformed) {
      if (!table.resize(this.readInteger(0x1f))) this.malformed = true;
    }
  }

  private readField(table: DecoderTable, into: FieldSink): void {
    const byte = this.bytes[this.at] as number;
    if (byte >= 0x80) {
      const entry = table.lookup(this.readInteger(0x7f));
      if (entry === undefined) this.malformed = true;
      else into.add(entry);
    } else if (byte >= 0x40) {
      const entry = this.readLiteral(table, 0x3f);
      if (entry) table.insert(entry);
      if (entry) into.add(entry);
    } else if (byte >= 0x20) this.malformed = true;
    else {
      const entry = this.readLiteral(table, 0x0f);
      if (entry) into.add(entry);
    }
  }

  private readLiteral(table: DecoderTable, prefix: number): FieldEntry | undefined {
    const index = this.readInteger(prefix);
    const named = index === 0 ? undefined : table.lookup(index);
    if (index !== 0 && named === undefined) this.malformed = true;
    const name = named ? named.name : this.readString();
    const value = this.readString();
    return this.malformed ? undefined : makeEntry(name, named ? named.nameKind : classifyName(name), value);
  }

  /** RFC 7541 5.1. `prefix` is the mask of the bits that the first byte has for it. */
  private readInteger(prefix: number): number {
    let value = (this.bytes[this.at++] as number) & prefix;
    if (value < prefix) return value;
    for (let shift = 0; shift < maxIntegerShift && this.at < this.end; shift += 7) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.malformed = true;
    return 0;
  }

  /** RFC 7541 5.2. */
  private readString(): string {
    if (this.malformed || this.at >= this.end) return this.refuse();
    const huffman = (this.bytes[this.at] as number) >= 0x80;
    const start = this.readLength();
    const end = this.at;
    if (this.malformed) return '';
    if (!huffman) return this.bytes.toString('latin1', start, end);
    const length = decodeHuffman(this.bytes, start, end, this.scratch);
    return length === -1 ? this.refuse() : this.scratch.toString('latin1', 0, length);
  }

  /** Goes over a string; answers where it begins. */
  private readLength(): number {
    const length = this.readInteger(0x7f);
    const start = this.at;
    if (length > this.end - start) this.malformed = true;
    else this.at = start + length;
    return start;
  }

  private refuse(): '' {
    this.malformed = true;
    return '';
  }
}
