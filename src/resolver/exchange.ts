import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import {
  encodeMessage,
  flag,
  headerBytes,
  maxUdpBytes,
  opcode,
  readMessage,
  type ReadMessage,
  recordClass,
  recordType,
  uint16,
} from '../dns/message.ts';
import { encodeName } from '../dns/names.ts';
import { splitMessages } from './split-messages.ts';

/** A resolver of the machine. */
export interface Upstream {
  host: string;
  port: number;
}

export interface UpstreamQuestion {
  name: string;
  type: number;
  /** Some old servers know no EDNS (RFC 6891, 7). */
  edns: boolean;
}

export interface ExchangedAnswer {
  bytes: Buffer;
  message: ReadMessage;
}

/**
 * Asks one server once, by UDP, and by TCP when the answer is cut. Undefined: no answer in time.
 *
 * To be taken for the answer, a packet must come from that server to a port that nobody else knows, with an id that nobody knows, and
 * repeat the question in the same random mix of upper and lower case (draft-vixie-dnsext-dns0x20).
 */
export async function exchange(server: Upstream, question: UpstreamQuestion, timeoutMs: number): Promise<ExchangedAnswer | undefined> {
  const query = encodeQuestion(question);
  const answer = await withinTime(timeoutMs, (end) => askByUdp(server, query, end));
  if (answer !== 'cut') return answer;
  const byTcp = await withinTime(timeoutMs, (end) => askByTcp(server, query, end));
  return byTcp === 'cut' ? undefined : byTcp;
}

type Outcome = ExchangedAnswer | 'cut' | undefined;
/** Settles with the first outcome; what it gives back is called then. */
type Attempt = (end: (outcome: Outcome) => void) => () => void;

function withinTime(timeoutMs: number, attempt: Attempt): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const timer = setTimeout(resolve, timeoutMs, undefined);
  const close = attempt(resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    close();
  });
}

/** A socket for each question: its port is the kernel's random choice. Connected, it takes packets of that server only. */
function askByUdp({ host, port }: Upstream, query: Buffer, end: (outcome: Outcome) => void): () => void {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('error', () => end(undefined));
  socket.on('connect', () => socket.send(query));
  socket.on('message', (bytes) => {
    const verdict = judge(bytes, query, 'udp');
    if (verdict !== 'foreign') end(verdict);
  });
  socket.connect(port, host);
  return () => socket.close();
}

function askByTcp({ host, port }: Upstream, query: Buffer, end: (outcome: Outcome) => void): () => void {
  const socket = connect({ host, port });
  const split = splitMessages(0xffff, (bytes) => {
    const verdict = judge(bytes, query, 'tcp');
    end(verdict === 'foreign' ? undefined : verdict);
  });
  socket.on('error', () => end(undefined));
  socket.on('close', () => end(undefined));
  socket.on('data', (chunk: Buffer) => void split(chunk));
  socket.write(Buffer.concat([uint16(query.length), query]));
  return () => socket.destroy();
}

function judge(bytes: Buffer, query: Buffer, transport: 'udp' | 'tcp'): Outcome | 'foreign' {
  const message = readMessage(bytes);
  if (!message || message.id !== query.readUInt16BE(0) || (message.flags & flag.response) === 0) return 'foreign';
  // An error without the question: the server could not read it.
  if (message.questions.length === 0 && message.rcode !== 0) return { bytes, message };
  const asked = query.subarray(headerBytes, message.questionsEnd);
  const repeated = bytes.subarray(headerBytes, message.questionsEnd);
  if (message.questions.length !== 1 || !sameName(repeated, asked)) return 'foreign';
  // By TCP nobody can slip in an answer: there the case may differ.
  const isCut = (message.flags & flag.truncated) !== 0 || !repeated.equals(asked);
  return isCut && transport === 'udp' ? 'cut' : { bytes, message };
}

function sameName(repeated: Buffer, asked: Buffer): boolean {
  return repeated.toString('latin1').toLowerCase() === asked.toString('latin1').toLowerCase();
}

function encodeQuestion({ name, type, edns }: UpstreamQuestion): Buffer {
  const option = { name: '', type: recordType.OPT, class: maxUdpBytes.extended, ttl: 0, data: Buffer.alloc(0) };
  const query = encodeMessage({
    id: randomBytes(2).readUInt16BE(0),
    opcode: opcode.query,
    question: { name, type, class: recordClass.IN },
    recursionDesired: true,
    authority: [],
    additional: edns ? [option] : [],
  });
  mixCase(query.subarray(headerBytes, headerBytes + encodeName(name).length));
  return query;
}

/** In place. Lengths of labels are below 64, where no letter is. */
function mixCase(name: Buffer): void {
  const random = randomBytes(name.length);
  for (const [at, byte] of name.entries()) {
    const isLetter = byte >= 0x61 && byte <= 0x7a;
    if (isLetter && ((random[at] ?? 0) & 1) === 1) name[at] = byte - 0x20;
  }
}
