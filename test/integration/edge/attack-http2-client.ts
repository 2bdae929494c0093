import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { DecoderTable } from '../../../src/http2/decoder-table.ts';
import { HpackDecoder } from '../../../src/http2/hpack-decoder.ts';
import { until } from '../../support/until.ts';
import { codeName, flags, type Frame, preface, settings, type } from '../../unit/http2/peer.ts';
import { type EdgeUnderTest, host } from './edge-under-test.ts';

/** A client of HTTP/2 over TLS that sends whatever frames it is told to. */
export interface RawHttp2Client {
  socket: TLSSocket;
  send: (...frames: Buffer[]) => void;
  /** In short: `200` for the first head, `RST protocolError`, `GOAWAY enhanceYourCalm`, `closed`, in the order in which they came. */
  heard: string[];
  /** Content of all streams together. */
  dataBytes: () => number;
  /** Waits until it heard one that begins so. */
  hears: (begin: string) => Promise<void>;
  /** Waits until the request is over: its response ended, or it or the connection was refused; answers what it heard. */
  over: () => Promise<string[]>;
}

export async function connectHttp2(edge: EdgeUnderTest, ...pairs: (readonly [id: number, value: number])[]): Promise<RawHttp2Client> {
  const socket = connect({
    ...{ port: edge.securePort, host: '127.0.0.1', servername: host, rejectUnauthorized: false, ALPNProtocols: ['h2'] },
  });
  const heard: string[] = [];
  const reader = new FrameReader(heard);
  socket
    .on('data', (bytes: Buffer) => reader.read(bytes))
    .on('error', () => {})
    .on('close', () => heard.push('closed'));
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(Buffer.concat([preface, settings(...pairs)]));
  const hears = (begin: string): Promise<void> => until(() => heard.some((what) => what.startsWith(begin)), `to hear ${begin}`);
  return {
    ...{ socket, heard, hears },
    dataBytes: () => reader.dataBytes,
    send: (...frames) => void socket.write(Buffer.concat(frames)),
    async over() {
      await until(() => heard.some((what) => /^(end|RST|GOAWAY|closed)/.test(what)), 'the request is over');
      return heard;
    },
  };
}

class FrameReader {
  dataBytes = 0;
  private readonly heard: string[];
  private rest: Buffer = Buffer.alloc(0);
  private readonly decoder = new HpackDecoder(1 << 20);
  private readonly table = new DecoderTable();

  constructor(heard: string[]) {
    this.heard = heard;
  }

  read(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    while (this.rest.length >= 9) {
      const end = 9 + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) return;
      const [frameType = 0, frameFlags = 0] = this.rest.subarray(3);
      this.note({ type: frameType, flags: frameFlags, streamId: this.rest.readUInt32BE(5), payload: this.rest.subarray(9, end) });
      this.rest = this.rest.subarray(end);
    }
  }

  private note({ type: frameType, flags: frameFlags, payload }: Frame): void {
    if (frameType === type.headers) this.heard.push(this.statusOf(payload));
    if (frameType === type.data) this.dataBytes += payload.length;
    if (frameType === type.rstStream) this.heard.push(`RST ${codeName(payload.readUInt32BE(0))}`);
    if (frameType === type.goAway) this.heard.push(`GOAWAY ${codeName(payload.readUInt32BE(4))}`);
    const carriesEnd = frameType === type.headers || frameType === type.data;
    if (carriesEnd && (frameFlags & flags.endStream) !== 0) this.heard.push('end');
  }

  private statusOf(block: Buffer): string {
    let status = 'trailers';
    const add = ({ name, value }: { name: string; value: string }): void => {
      if (name === ':status') status = value;
    };
    if (!this.decoder.decode(block, 0, block.length, this.table, { add })) throw new Error('the edge wrote a malformed block');
    return status;
  }
}
