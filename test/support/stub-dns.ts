import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

export interface StubRecord {
  /** Absent: the name that was asked for. */
  name?: string;
  type: 'A' | 'AAAA' | 'CNAME' | 'MX' | 'SOA' | 'SRV' | 'TXT';
  /** An address; a name, of MX and SRV after noughts; of SOA, the last field, as a number. */
  value: string;
  ttl?: number;
}

export interface StubAnswer {
  rcode?: number;
  answers?: readonly StubRecord[];
  authority?: readonly StubRecord[];
  truncated?: boolean;
}

export interface StubQuestion {
  /** Lower case. */
  name: string;
  type: number;
  transport: 'udp' | 'tcp';
  edns: boolean;
  /** As it came. */
  query: Buffer;
}

/** Bytes are sent as they are; `silent`: no answer. */
export type StubReply = StubAnswer | Buffer | readonly Buffer[] | 'silent';

const typeNumbers = { A: 1, CNAME: 5, SOA: 6, MX: 15, TXT: 16, AAAA: 28, SRV: 33 } as const;

/** A resolver that answers by a function, over UDP and TCP. It reads and writes messages by itself, with nothing of what it tests. */
export class StubDns {
  readonly questions: StubQuestion[] = [];
  respond: (question: StubQuestion) => StubReply | Promise<StubReply>;
  readonly host: string;
  readonly port: number;
  private readonly closeBoth: () => Promise<void>;

  private constructor(host: string, port: number, respond: StubDns['respond'], closeBoth: () => Promise<void>) {
    this.host = host;
    this.port = port;
    this.respond = respond;
    this.closeBoth = closeBoth;
  }

  static async start(respond: StubDns['respond'], host = '127.0.0.1', port = 0): Promise<StubDns> {
    const tcp = createServer((socket) => {
      let received = Buffer.alloc(0);
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
        const query = Buffer.from(received.subarray(2));
        void stub.answersTo(query, 'tcp').then((answers) => {
          for (const answer of answers) socket.write(Buffer.concat([uint16(answer.length), answer]));
          socket.end();
        });
      });
    }).listen(port, host);
    await once(tcp, 'listening');
    const bound = (tcp.address() as AddressInfo).port;
    const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(bound, host);
    await once(udp, 'listening');
    udp.on('message', (query, client) => {
      void stub.answersTo(query, 'udp').then((answers) => {
        for (const answer of answers) udp.send(answer, client.port, client.address);
      });
    });
    const closeBoth = async (): Promise<void> => {
      udp.close();
      await new Promise((resolve) => {
        tcp.close(resolve);
      });
    };
    const stub = new StubDns(host, bound, respond, closeBoth);
    return stub;
  }

  get address(): { host: string; port: number } {
    return { host: this.host, port: this.port };
  }

  askedFor(name: string): number {
    return this.questions.filter((question) => question.name === name).length;
  }

  close(): Promise<void> {
    return this.closeBoth();
  }

  private async answersTo(query: Buffer, transport: 'udp' | 'tcp'): Promise<readonly Buffer[]> {
    const { name, end } = readPlainName(query, 12);
    const edns = query.readUInt16BE(10) > 0;
    const question: StubQuestion = { name: name.toLowerCase(), type: query.readUInt16BE(end), transport, edns, query };
    this.questions.push(question);
    const reply = await this.respond(question);
    if (reply === 'silent') return [];
    if (Buffer.isBuffer(reply)) return [reply];
    return 'length' in reply ? reply : [encodeStubAnswer(question, reply)];
  }
}

/** Answers from a table: names to their addresses and aliases; NXDOMAIN for all others. */
export function fromTable(table: Record<string, readonly StubRecord[]>): StubDns['respond'] {
  return ({ name, type }) => {
    const records = table[name];
    if (!records) return { rcode: 3, authority: [{ name: 'test', type: 'SOA', value: '30', ttl: 30 }] };
    const answers = records.filter((record) => typeNumbers[record.type] === type || record.type === 'CNAME' || record.name !== undefined);
    return { answers };
  };
}

export function encodeStubAnswer(
  { query }: StubQuestion,
  { rcode = 0, answers = [], authority = [], truncated = false }: StubAnswer,
): Buffer {
  const { end } = readPlainName(query, 12);
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x81_80 | (truncated ? 0x02_00 : 0) | rcode, 2);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(authority.length, 8);
  header.writeUInt16BE(0, 10);
  return Buffer.concat([header, query.subarray(12, end + 4), ...[...answers, ...authority].map(encodeStubRecord)]);
}

function encodeStubRecord({ name, type, value, ttl = 60 }: StubRecord): Buffer {
  const data = encodeStubData(type, value);
  const owner = name === undefined ? Buffer.from([0xc0, 12]) : plainName(name);
  return Buffer.concat([
    owner,
    uint16(typeNumbers[type]),
    uint16(1),
    uint16(Math.floor(ttl / 65_536)),
    uint16(ttl % 65_536),
    uint16(data.length),
    data,
  ]);
}

function encodeStubData(type: StubRecord['type'], value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number));
  if (type === 'AAAA') return Buffer.from(expandIpv6(value), 'hex');
  if (type === 'CNAME') return plainName(value);
  if (type === 'MX' || type === 'SRV') return Buffer.concat([Buffer.alloc(type === 'MX' ? 2 : 6), plainName(value)]);
  if (type === 'TXT') return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const last = Buffer.alloc(20);
  last.writeUInt32BE(Number(value), 16);
  return Buffer.concat([Buffer.from([0, 0]), last]);
}

function expandIpv6(text: string): string {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join('');
}

/** Of a question: nothing is compressed there. */
function readPlainName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

export function plainName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
