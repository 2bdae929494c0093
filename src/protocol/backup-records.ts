/**
 * A tenant's files, as a stream of records: a byte for the type, four for the payload's length, big-endian, then the payload. Folders come
 * before what is in them, and end with `up`: so no record has a path, only a name in the folder that is open.
 */
export const records = {
  /** AreaRecord as JSON: from here on what is in another area. */
  area: 0x41,
  /** EntryRecord. */
  folder: 0x44,
  /** Of the folder that is open. */
  up: 0x55,
  /** FileRecord; then `data` and `hole`, then `fileEnd`. */
  file: 0x46,
  data: 0x43,
  /** So many bytes of zero that take no room: eight bytes. */
  hole: 0x5a,
  /** SHA-256 of the file's `data` and `hole` payloads. */
  fileEnd: 0x45,
  /** LinkRecord: another name of a file before. */
  hardLink: 0x48,
  /** LinkRecord. */
  symbolicLink: 0x4c,
  /** BackupSize: this was all. */
  end: 0x2e,
} as const;

export interface AreaRecord {
  area: string;
}

/** Names are bytes, each as a character of that number (latin1): they need not be UTF-8. */
export interface EntryRecord {
  name: string;
  mode: number;
  /** By number. */
  owner: number;
  /** Unix time in microseconds. */
  modifiedUs: number;
}

export interface FileRecord extends EntryRecord {
  /** It has more names: this is its number in `hardLink`. */
  links?: number;
}

export type SymbolicLinkRecord = EntryRecord & { target: string };
export interface HardLinkRecord {
  name: string;
  links: number;
}

export const recordHeadBytes = 5;
export const maxDataBytes = 256 << 10;
/** A name of 255 bytes and a target of 4,095, each byte as six characters at worst. */
const maxHeadBytes = 32 << 10;

export function encodeRecord(type: number, payload: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(recordHeadBytes + payload.length);
  record.writeUInt8(type);
  record.writeUInt32BE(payload.length, 1);
  record.set(payload, recordHeadBytes);
  return record;
}

export function encodeJson(type: number, value: object): Buffer {
  return encodeRecord(type, Buffer.from(JSON.stringify(value)));
}

export function encodeHole(bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(8);
  payload.writeBigUInt64BE(BigInt(bytes));
  return encodeRecord(records.hole, payload);
}

/** What no packing job wrote: damaged, or made by hand. */
export class RecordFault extends Error {}

/** Cuts a byte stream into records. Throws RecordFault for what is too large, and at an end within a record. */
export async function* readRecords(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<{ type: number; payload: Buffer }> {
  let kept: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    kept = kept.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([kept, chunk]);
    for (let bytesOf = lengthOf(kept); bytesOf !== undefined && kept.length >= bytesOf; bytesOf = lengthOf(kept)) {
      yield { type: kept.readUInt8(), payload: kept.subarray(recordHeadBytes, bytesOf) };
      kept = kept.subarray(bytesOf);
    }
  }
  if (kept.length > 0) throw new RecordFault('it ends in the middle');
}

/** Of the record that begins there. */
function lengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < recordHeadBytes) return undefined;
  const payloadBytes = bytes.readUInt32BE(1);
  const most = bytes.readUInt8() === records.data ? maxDataBytes : maxHeadBytes;
  if (payloadBytes > most) throw new RecordFault(`a record has ${payloadBytes} bytes`);
  return recordHeadBytes + payloadBytes;
}
