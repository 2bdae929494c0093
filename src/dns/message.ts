/** RFC 1035's messages: as much of them as dynamic updates (RFC 2136) and a resolver of addresses need. */
import { encodeName, readName } from './names.ts';

export const recordType = {
  A: 1,
  CNAME: 5,
  SOA: 6,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;
export const recordClass = { IN: 1, NONE: 254, ANY: 255 } as const;
export const opcode = { query: 0, update: 5 } as const;
export const rcode = { noError: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;
/** Of the header's second word. */
export const flag = { response: 0x8000, truncated: 0x0200, recursionDesired: 0x0100, recursionAvailable: 0x0080 } as const;

export const headerBytes = 12;
/** Without EDNS (RFC 1035, 2.3.4), and with: what passes every usual link in one piece (RFC 9715, 3.3). */
export const maxUdpBytes = { plain: 512, extended: 1_232 } as const;

export interface ResourceRecord {
  name: string;
  type: number;
  class: number;
  ttl: number;
  data: Buffer;
}

export interface Question {
  name: string;
  type: number;
  class: number;
}

export interface Message {
  id: number;
  opcode: number;
  /** RFC 2136 calls it the zone section. */
  question: Question;
  /** Whether the server is to ask others; one that has the zone need not. */
  recursionDesired?: boolean;
  /** The authority section; in an update, what to update. */
  authority: readonly ResourceRecord[];
  additional: readonly ResourceRecord[];
}

export function encodeMessage(message: Message): Buffer {
  const { id, question, authority, additional } = message;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE((message.opcode << 11) | (message.recursionDesired === true ? flag.recursionDesired : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(authority.length, 8);
  header.writeUInt16BE(additional.length, 10);
  const asked = Buffer.concat([encodeName(question.name), uint16(question.type), uint16(question.class)]);
  return Buffer.concat([header, asked, ...[...authority, ...additional].map(encodeRecord)]);
}

export function encodeRecord({ name, type, class: recordClassNumber, ttl, data }: ResourceRecord): Buffer {
  return Buffer.concat([encodeName(name), uint16(type), uint16(recordClassNumber), uint32(ttl), uint16(data.length), data]);
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

/** A record of a message that was read. `dataStart`: in the message, which names in the data may point into. */
export interface ReadRecord extends ResourceRecord {
  dataStart: number;
}

export interface ReadMessage {
  id: number;
  flags: number;
  opcode: number;
  rcode: number;
  questions: readonly Question[];
  /** Where the question section ends in the message. */
  questionsEnd: number;
  answers: readonly ReadRecord[];
  authority: readonly ReadRecord[];
  additional: readonly ReadRecord[];
}

/** A message of ours has one question; of an answer, more records than this are nobody's addresses. */
const maxRecords = 512;

/** Undefined for what is no whole message: cut off, longer than it says, or with names that lead nowhere. */
export function readMessage(message: Buffer): ReadMessage | undefined {
  try {
    return readSections(message);
  } catch {
    // Whoever wrote it is not trusted to write what can be read.
    return undefined;
  }
}

function readSections(message: Buffer): ReadMessage | undefined {
  const flags = message.readUInt16BE(2);
  const counts = [6, 8, 10].map((at) => message.readUInt16BE(at));
  const questionCount = message.readUInt16BE(4);
  if (questionCount + counts.reduce((sum, count) => sum + count) > maxRecords) return undefined;
  let at = headerBytes;
  const questions: Question[] = [];
  while (questions.length < questionCount) {
    const { name, next } = readName(message, at);
    questions.push({ name, type: message.readUInt16BE(next), class: message.readUInt16BE(next + 2) });
    at = next + 4;
  }
  const questionsEnd = at;
  const sections = counts.map((count) => {
    const records: ReadRecord[] = [];
    while (records.length < count) {
      const record = readRecord(message, at);
      records.push(record);
      at = record.dataStart + record.data.length;
    }
    return records;
  });
  if (at !== message.length) return undefined;
  const [answers = [], authority = [], additional = []] = sections;
  const head = { id: message.readUInt16BE(0), flags, opcode: (flags >> 11) & 0x0f, rcode: flags & 0x0f };
  return { ...head, questions, questionsEnd, answers, authority, additional };
}

function readRecord(message: Buffer, start: number): ReadRecord {
  const { name, next } = readName(message, start);
  const dataStart = next + 10;
  const length = message.readUInt16BE(next + 8);
  if (dataStart + length > message.length) throw new Error('a record is cut off');
  return {
    name,
    type: message.readUInt16BE(next),
    class: message.readUInt16BE(next + 2),
    ttl: message.readUInt32BE(next + 4),
    data: message.subarray(dataStart, dataStart + length),
    dataStart,
  };
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
