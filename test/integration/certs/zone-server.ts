import { createHmac } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface ZoneChange {
  isAdded: boolean;
  name: string;
  value: string;
}

const refused = 5;
const badSignature = 9;

/**
 * A DNS server that takes dynamic updates (RFC 2136) of one zone, and only those that are signed with its key (RFC 8945). It reads and
 * checks messages by itself, with nothing of what it tests.
 */
export class ZoneServer {
  readonly changes: ZoneChange[] = [];
  private readonly zone: string;
  private readonly key: { name: string; secret: Buffer };
  private readonly onChange: (change: ZoneChange) => Promise<void>;
  private readonly server: Server;

  private constructor(zone: string, key: { name: string; secret: Buffer }, onChange: (change: ZoneChange) => Promise<void>) {
    this.zone = zone;
    this.key = key;
    this.onChange = onChange;
    this.server = createServer((socket) => this.serve(socket));
  }

  static async start(
    zone: string,
    key: { name: string; secret: Buffer },
    onChange: (change: ZoneChange) => Promise<void>,
  ): Promise<ZoneServer> {
    const server = new ZoneServer(zone, key, onChange);
    await new Promise<void>((resolve) => {
      server.server.listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }

  private serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      void this.answer(received.subarray(2)).then((answer) => socket.end(Buffer.concat([uint16(answer.length), answer])));
    });
  }

  private async answer(message: Buffer): Promise<Buffer> {
    const isUpdate = (((message[2] ?? 0) >> 3) & 15) === 5;
    if (!isUpdate) return this.soa(message);
    const { name: zone, end } = readName(message, 12);
    if (zone !== this.zone) return reply(message, refused);
    const record = readRecord(message, end + 4);
    if (!this.isSigned(message, record.end)) return reply(message, badSignature);
    const change = { isAdded: record.class === 1, name: record.name, value: record.data.subarray(1).toString() };
    this.changes.push(change);
    await this.onChange(change);
    return reply(message, 0);
  }

  private isSigned(message: Buffer, start: number): boolean {
    const { name, type, data } = readRecord(message, start);
    if (type !== 250 || name !== this.key.name) return false;
    const { end } = readName(data, 0);
    const times = data.subarray(end, end + 8);
    const mac = data.subarray(end + 10, end + 10 + data.readUInt16BE(end + 8));
    const rest = data.subarray(end + 10 + mac.length + 2);
    const unsigned = Buffer.from(message.subarray(0, start));
    unsigned.writeUInt16BE(message.readUInt16BE(10) - 1, 10);
    const owner = message.subarray(start, readName(message, start).end);
    const variables = Buffer.concat([owner, Buffer.from('00ff00000000', 'hex'), data.subarray(0, end), times, rest]);
    const expected = createHmac('sha256', this.key.secret).update(unsigned).update(variables).digest();
    return Math.abs(times.readUIntBE(0, 6) - Date.now() / 1_000) < times.readUInt16BE(6) && expected.equals(mac);
  }

  /** No such record, and whose zone it is, in the authority section. */
  private soa(message: Buffer): Buffer {
    const labels = this.zone.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
    const record = Buffer.concat([...labels, Buffer.from('00000600010000000a00020000', 'hex')]);
    const answer = Buffer.concat([message, record]);
    answer.writeUInt16BE(0x84_00, 2);
    answer.writeUInt16BE(1, 8);
    return answer;
  }
}

function reply(message: Buffer, rcode: number): Buffer {
  const header = Buffer.alloc(12);
  message.copy(header, 0, 0, 2);
  header.writeUInt16BE(0xa8_00 | rcode, 2);
  return header;
}

function readRecord(message: Buffer, start: number): { name: string; type: number; class: number; data: Buffer; end: number } {
  const { name, end } = readName(message, start);
  const length = message.readUInt16BE(end + 8);
  const data = message.subarray(end + 10, end + 10 + length);
  return { name, type: message.readUInt16BE(end), class: message.readUInt16BE(end + 2), data, end: end + 10 + length };
}

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
