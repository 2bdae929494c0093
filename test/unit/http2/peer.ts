import { Http2Connection } from '../../../src/http2/connection.ts';
import type { ConnectionOwner } from '../../../src/http2/connection-owner.ts';
import { Http2Context } from '../../../src/http2/context.ts';
import { DecoderTable } from '../../../src/http2/decoder-table.ts';
import { errorCode } from '../../../src/http2/error-codes.ts';
import { HpackDecoder } from '../../../src/http2/hpack-decoder.ts';
import { defaultHttp2Limits, type FloodRates, type Http2Limits } from '../../../src/http2/limits.ts';
import type { Http2Stream } from '../../../src/http2/stream.ts';
import type { StreamReceiver } from '../../../src/http2/stream-receiver.ts';

export const type = {
  ...{ data: 0, headers: 1, priority: 2, rstStream: 3, settings: 4, pushPromise: 5, ping: 6, goAway: 7, windowUpdate: 8, continuation: 9 },
} as const;
export const flags = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface Frame {
  type: number;
  flags: number;
  streamId: number;
  payload: Buffer;
}

export function frame(frameType: number, frameFlags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = frameType;
  head[4] = frameFlags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

export function settings(...pairs: (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [index, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return frame(type.settings, 0, 0, payload);
}

/** Fields as literals that enter no table (RFC 7541 6.2.2). */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** A string (RFC 7541 5.2) as it is, without Huffman coding. */
export function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 7), Buffer.from(value, 'latin1')]);
}

/** RFC 7541 5.1; `first` has the bits before the prefix. */
export function integer(value: number, prefixBits: number, first = 0): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([first | value]);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 | (rest % 128));
  return Buffer.from([...bytes, rest]);
}

export const get = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
  [':path', '/'],
] as const;
export const post = [[':method', 'POST'], ...get.slice(1)] as const;

export function headers(streamId: number, fields: readonly (readonly [string, string])[] = get, ended = true): Buffer {
  return frame(type.headers, flags.endHeaders | (ended ? flags.endStream : 0), streamId, block(fields));
}

export function data(streamId: number, payload: string | Buffer, ended = false): Buffer {
  return frame(type.data, ended ? flags.endStream : 0, streamId, Buffer.from(payload));
}

export const codeName = (code: number): string =>
  Object.entries(errorCode).find(([, value]) => value === code)?.[0] ?? `unknown code ${code}`;

type LimitsUnderTest = Partial<Omit<Http2Limits, 'floods'>> & { floods?: Partial<FloodRates> };

/** A client that writes what it likes to a connection, and all that it hears back. */
export class Peer implements ConnectionOwner, StreamReceiver {
  readonly connection: Http2Connection;
  readonly streams: Http2Stream[] = [];
  /** What receivers were told, as text. */
  readonly told: string[] = [];
  closed: string | undefined = undefined;
  nowMs = 1_000;
  /** Whether the socket takes more. */
  flowing = true;
  writes = 0;
  /** Gives back what comes at once. */
  consumes = true;
  onStream: (stream: Http2Stream) => void = () => {};
  private heard: Buffer = Buffer.alloc(0);
  private readonly decoder = new HpackDecoder(100_000);
  private readonly table = new DecoderTable();

  /** `greet`: has sent its preface and SETTINGS, and read those of the server. */
  constructor(limits: LimitsUnderTest = {}, greet = true) {
    const { floods, ...others } = limits;
    const context = new Http2Context({
      limits: { ...defaultHttp2Limits, ...others, floods: { ...defaultHttp2Limits.floods, ...floods } },
      nowMs: () => this.nowMs,
      schedule: () => {},
    });
    this.connection = new Http2Connection(context, this);
    if (!greet) return;
    this.send(preface, settings());
    this.hear();
  }

  send(...frames: Buffer[]): this {
    for (const bytes of frames) this.connection.receive(bytes);
    return this;
  }

  /** The frames since the last time. */
  hear(): Frame[] {
    this.connection.flush();
    const frames: Frame[] = [];
    let at = 0;
    while (at < this.heard.length) {
      const end = at + 9 + this.heard.readUIntBE(at, 3);
      const [frameType = 0, frameFlags = 0] = this.heard.subarray(at + 3);
      frames.push({
        type: frameType,
        flags: frameFlags,
        streamId: this.heard.readUInt32BE(at + 5),
        payload: this.heard.subarray(at + 9, end),
      });
      at = end;
    }
    this.heard = Buffer.alloc(0);
    return frames;
  }

  /** The same in short, such as `RST 1 cancel`. */
  hearText(): string[] {
    return this.hear().map((heard) => this.describe(heard));
  }

  /** The fields of a block of the server, which must be read in order. */
  decode(bytes: Buffer): string[] {
    const fields: string[] = [];
    const intact = this.decoder.decode(bytes, 0, bytes.length, this.table, { add: ({ name, value }) => fields.push(`${name}: ${value}`) });
    if (!intact) throw new Error('the server wrote a malformed block');
    return fields;
  }

  stream(index = -1): Http2Stream {
    const stream = this.streams.at(index);
    if (!stream) throw new Error('no such stream');
    return stream;
  }

  write(bytes: Buffer): boolean {
    this.writes++;
    this.heard = Buffer.concat([this.heard, bytes]);
    return this.flowing;
  }

  onRequest(stream: Http2Stream): void {
    this.streams.push(stream);
    stream.receiver = this;
    this.onStream(stream);
  }

  onClose(code: number, reason: string): void {
    if (this.closed !== undefined) throw new Error('closed twice');
    this.closed = `${codeName(code)}: ${reason}`;
  }

  onData(stream: Http2Stream, bytes: Buffer, ended: boolean): void {
    this.told.push(`data ${stream.id} ${bytes.length < 40 ? bytes.toString('latin1') : bytes.length}${ended ? ' end' : ''}`);
    if (this.consumes) stream.consumed(bytes.length);
  }

  onTrailers(stream: Http2Stream, fieldLines: string): void {
    this.told.push(`trailers ${stream.id} ${fieldLines}`);
  }

  onReset(stream: Http2Stream, code: number): void {
    this.told.push(`reset ${stream.id} ${codeName(code)}`);
  }

  onDrain(stream: Http2Stream): void {
    this.told.push(`drain ${stream.id}`);
  }

  private describe({ type: frameType, flags: frameFlags, streamId, payload }: Frame): string {
    const end = (frameFlags & flags.endStream) !== 0 ? ' end' : '';
    switch (frameType) {
      case type.data:
        return `DATA ${streamId} ${payload.length < 40 ? payload.toString('latin1') : payload.length}${end}`;
      case type.headers:
        return `HEADERS ${streamId} ${this.decode(payload).join(', ')}${end}`;
      case type.rstStream:
        return `RST ${streamId} ${codeName(payload.readUInt32BE(0))}`;
      case type.settings:
        return `SETTINGS${(frameFlags & flags.ack) !== 0 ? ' ack' : ''}`;
      case type.ping:
        return `PING${(frameFlags & flags.ack) !== 0 ? ' ack' : ''} ${payload.toString('latin1')}`;
      case type.goAway:
        return `GOAWAY ${payload.readUInt32BE(0)} ${codeName(payload.readUInt32BE(4))}`;
      case type.windowUpdate:
        return `WINDOW ${streamId} +${payload.readUInt32BE(0)}`;
      default:
        return `frame ${frameType} on ${streamId}`;
    }
  }
}
