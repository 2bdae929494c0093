import { flag, headerBytes, maxUdpBytes, opcode, rcode, readMessage, recordClass, recordType } from '../dns/message.ts';

/** What a client asked, as far as its answer repeats it. */
export interface Query {
  id: number;
  recursionDesired: boolean;
  /** As it was sent, letter by letter: clients compare (draft-vixie-dnsext-dns0x20). */
  questionBytes: Buffer;
  name: string;
  type: number;
  /** By UDP, an answer is cut to so many bytes; with EDNS (RFC 6891) it has a record of its own for that. */
  maxBytes: number;
  edns: boolean;
}

/** `error`: what it is answered without a look at its name. */
export type ReadQuery = { query: Query; error?: number };

/** Bad version of EDNS: its upper bits go into the OPT record. */
export const badVersion = 16;

/** Undefined for what gets no answer: too short for one, or an answer itself (two servers would talk for ever). */
export function readQuery(bytes: Buffer): ReadQuery | undefined {
  if (bytes.length < headerBytes || (bytes.readUInt16BE(2) & flag.response) !== 0) return undefined;
  const message = readMessage(bytes);
  const [question, ...others] = message?.questions ?? [];
  const unread = { id: bytes.readUInt16BE(0), recursionDesired: false, questionBytes: Buffer.alloc(0), name: '', type: 0 };
  const isPlain = message && others.length === 0 && message.answers.length === 0 && message.authority.length === 0;
  const operation = (bytes.readUInt16BE(2) >> 11) & 0x0f;
  if (operation !== opcode.query || !question || !isPlain) {
    const error = operation === opcode.query ? rcode.formatError : rcode.notImplemented;
    return { query: { ...unread, maxBytes: maxUdpBytes.plain, edns: false }, error };
  }
  const options = message.additional.filter(({ type }) => type === recordType.OPT);
  const [option] = options;
  const query: Query = {
    id: message.id,
    recursionDesired: (message.flags & flag.recursionDesired) !== 0,
    // Copied: a part would keep the whole packet's memory while it waits.
    questionBytes: Buffer.from(bytes.subarray(headerBytes, message.questionsEnd)),
    name: question.name,
    type: question.type,
    // RFC 6891, 6.2.3: the class of the OPT record is a size; below 512 counts as 512.
    maxBytes: option ? Math.min(Math.max(option.class, maxUdpBytes.plain), maxUdpBytes.extended) : maxUdpBytes.plain,
    edns: option !== undefined,
  };
  if (options.length > 1) return { query, error: rcode.formatError };
  // RFC 6891, 6.1.3: the second byte of its TTL is the version.
  if (option && ((option.ttl >>> 16) & 0xff) !== 0) return { query, error: badVersion };
  if (question.class !== recordClass.IN) return { query, error: rcode.refused };
  return { query };
}
