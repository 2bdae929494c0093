import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { plainName } from './stub-dns.ts';

export const typeA = 1;
export const typeAaaa = 28;

export interface Answered {
  rcode: number;
  truncated: boolean;
  /** Dotted, or 16 bytes in hex. */
  addresses: string[];
  ttls: number[];
  bytes: Buffer;
}

/** Asks by UDP from that address; undefined: no answer within `limitMs`. */
export async function askByUdp(asked: {
  from: string;
  to: { host: string; port: number };
  query: Buffer;
  limitMs: number;
}): Promise<Buffer | undefined> {
  const socket = createSocket('udp4').bind({ address: asked.from, port: 0 });
  await once(socket, 'listening');
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const timer = setTimeout(resolve, asked.limitMs, undefined);
  socket.on('message', (message) => resolve(message));
  socket.on('error', () => resolve(undefined));
  socket.send(asked.query, asked.to.port, asked.to.host);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** With EDNS when `maxBytes` says so. */
export function encodeQuery(name: string, type: number, maxBytes?: number): Buffer {
  const header = Buffer.from('abcd01000001000000000000', 'hex');
  const option = Buffer.from('0000290000000000000000', 'hex');
  if (maxBytes !== undefined) {
    header.writeUInt16BE(1, 10);
    option.writeUInt16BE(maxBytes, 3);
  }
  const asked = Buffer.concat([plainName(name), Buffer.from([0, type, 0, 1])]);
  return Buffer.concat([header, asked, ...(maxBytes === undefined ? [] : [option])]);
}

/** Of answers with addresses of the name that was asked for, each owner a pointer to it. */
export function readAnswered(bytes: Buffer): Answered {
  const answered: Answered = {
    rcode: bytes.readUInt16BE(2) & 15,
    truncated: (bytes.readUInt16BE(2) & 0x02_00) !== 0,
    addresses: [],
    ttls: [],
    bytes,
  };
  let at = 12;
  if (bytes.readUInt16BE(4) === 1) at = bytes.indexOf(0, 12) + 5;
  for (let left = bytes.readUInt16BE(6); left > 0; left -= 1) {
    const length = bytes.readUInt16BE(at + 10);
    const data = bytes.subarray(at + 12, at + 12 + length);
    answered.addresses.push(length === 4 ? data.join('.') : data.toString('hex'));
    answered.ttls.push(bytes.readUInt32BE(at + 6));
    at += 12 + length;
  }
  return answered;
}

/** Free for TCP, and for UDP most likely. */
export async function freeDnsPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
