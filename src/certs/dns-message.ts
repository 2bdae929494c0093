/** Just enough of RFC 1035's messages for dynamic updates (RFC 2136) and one question. */

export const recordType = { SOA: 6, TXT: 16, TSIG: 250 } as const;
export const recordClass = { IN: 1, NONE: 254, ANY: 255 } as const;
export const opcode = { query: 0, update: 5 } as const;

export interface ResourceRecord {
  name: string;
  type: number;
  class: number;
  ttl: number;
  data: Buffer;
}

export interface Message {
  id: number;
  opcode: number;
  /** RFC 2136 calls it the zone section. */
  question: { name: string; type: number; class: number };
  /** The authority section; in an update, what to update. */
  authority: readonly ResourceRecord[];
  additional: readonly ResourceRecord[];
}

export function encodeMessage({ id, opcode: operation, question, authority, additional }: Message): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  // A question to a server that has the zone: no recursion.
  header.writeUInt16BE(operation << 11, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(authority.length, 8);
  header.writeUInt16BE(additional.length, 10);
  const asked = Buffer.concat([encodeName(question.name), uint16(question.type), uint16(question.class)]);
  return Buffer.concat([header, asked, ...[...authority, ...additional].map(encodeRecord)]);
}

export function encodeRecord({ name, type, class: recordClassNumber, ttl, data }: ResourceRecord): Buffer {
  return Buffer.concat([encodeName(name), uint16(type), uint16(recordClassNumber), uint32(ttl), uint16(data.length), data]);
}

/** Uncompressed, in lower case: the canonical form that TSIG signs (RFC 8945, 4.3.3). */
export function encodeName(name: string): Buffer {
  const labels = name
    .toLowerCase()
    .replace(/\.$/, '')
    .split('.')
    .filter((label) => label !== '');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length > 63) throw new Error(`${name} has a label of over 63 bytes`);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const encoded = Buffer.concat([...parts, Buffer.from([0])]);
  if (encoded.length > 255) throw new Error(`${name} is over 255 bytes`);
  return encoded;
}

/** RFC 1035, 3.3.14: character strings of at most 255 bytes. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += 255) {
    const piece = bytes.subarray(at, at + 255);
    pieces.push(Buffer.from([piece.length]), piece);
  }
  return Buffer.concat(pieces);
}

export interface Answer {
  id: number;
  rcode: number;
  /** Owner names of the SOA records in it, in order: the zone that the question's name lies in. */
  zones: string[];
}

/** Undefined for what is no answer, or a broken one. */
export function parseAnswer(message: Buffer): Answer | undefined {
  try {
    const isAnswer = message.length >= 12 && (message.readUInt8(2) & 0x80) !== 0;
    if (!isAnswer) return undefined;
    return { id: message.readUInt16BE(0), rcode: message.readUInt8(3) & 0x0f, zones: readZones(message) };
  } catch {
    // Cut off, or it points outside of itself.
    return undefined;
  }
}

function readZones(message: Buffer): string[] {
  let at = 12;
  for (let count = message.readUInt16BE(4); count > 0; count -= 1) at = readName(message, at).next + 4;
  const zones: string[] = [];
  // Of the answer and the authority section; the additional one has none.
  for (let count = message.readUInt16BE(6) + message.readUInt16BE(8); count > 0; count -= 1) {
    const { name, next } = readName(message, at);
    if (message.readUInt16BE(next) === recordType.SOA) zones.push(name);
    at = next + 10 + message.readUInt16BE(next + 8);
  }
  return zones;
}

const maxPointers = 32;

/** `next` is where the name ends in the message; compression (RFC 1035, 4.1.4) may have led elsewhere. */
function readName(message: Buffer, start: number): { name: string; next: number } {
  const labels: string[] = [];
  let next: number | undefined;
  let pointers = 0;
  for (let at = start; ;) {
    const length = message.readUInt8(at);
    if (length === 0) return { name: labels.join('.').toLowerCase(), next: next ?? at + 1 };
    if (length >= 0xc0) {
      if (++pointers > maxPointers) throw new Error('a name points in a circle');
      next ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      continue;
    }
    if (at + 1 + length > message.length) throw new Error('a name is cut off');
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
