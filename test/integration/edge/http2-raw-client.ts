import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface RawHttp2 {
  socket: TLSSocket;
  frames: { type: number; flags: number; id: number; payload: Buffer }[];
  send: (type: number, flags: number, id: number, payload?: Buffer) => void;
  closed: () => boolean;
}

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}
const str = (text: string): Buffer => {
  const n = text.length;
  const len =
    n < 127
      ? Buffer.from([n])
      : (() => {
          const out = [127];
          let r = n - 127;
          for (; r >= 128; r >>>= 7) out.push(0x80 | (r & 127));
          out.push(r);
          return Buffer.from(out);
        })();
  return Buffer.concat([len, Buffer.from(text, 'latin1')]);
};
/** Literals without indexing, but `indexed` first-time ones with. */
export const literal = (name: string, value: string, bits = 0x00): Buffer => Buffer.concat([Buffer.from([bits]), str(name), str(value)]);
export const head = (method: string, path: string, authority: string): Buffer =>
  Buffer.concat([literal(':method', method), literal(':scheme', 'https'), literal(':path', path), literal(':authority', authority)]);

export async function connectRawHttp2(
  port: number,
  servername: string,
  ca: string,
  settings = Buffer.alloc(0),
  hello = true,
): Promise<RawHttp2> {
  const socket = connect({ port, host: '127.0.0.1', servername, ca, ALPNProtocols: ['h2'] });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  const frames: RawHttp2['frames'] = [];
  let rest = Buffer.alloc(0);
  let closed = false;
  socket.on('error', () => {});
  socket.on('close', () => (closed = true));
  socket.on('end', () => (closed = true));
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      frames.push({
        type: rest[3] as number,
        flags: rest[4] as number,
        id: rest.readUInt32BE(5),
        payload: Buffer.from(rest.subarray(9, 9 + length)),
      });
      rest = rest.subarray(9 + length);
    }
  });
  if (hello) socket.write(Buffer.concat([preface, frame(4, 0, 0, settings)]));
  return { socket, frames, send: (type, flags, id, payload) => void socket.write(frame(type, flags, id, payload)), closed: () => closed };
}
