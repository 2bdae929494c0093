import type { Http2Context } from './context.ts';
import {
  flag,
  frameHeadBytes,
  frameType,
  initialWindowBytes,
  maxFrameBytes,
  maxWindowBytes,
  writeFrameHead,
  writeUint32,
} from './frames.ts';
import { HeadWriter } from './head-writer.ts';
import { Output } from './output.ts';
import type { FieldList, FieldSource, KeepsField } from './response-head.ts';
import type { Http2Stream } from './stream.ts';

/** What the sending half needs of its connection. */
export interface SenderOwner {
  /** There is something to flush. */
  flushSoon(): void;
  flush(): void;
  onDataSent(byteCount: number): void;
  /** The stream's last frame was written. */
  onEndSent(stream: Http2Stream): void;
}

/** With so much gathered it is written at once, to see whether the socket takes more. */
const flushBytes = 64 * 1024;

const noBytes = Buffer.alloc(0);

/**
 * The sending half of a connection.
 *
 * Invariants:
 * - `waiting` holds, once each, the streams that have queued data and room in their own window; they send a frame each in turn
 *   while the connection's window and the socket have room.
 * - While the socket is backed up no DATA is written. Heads are: their order is that of the header table.
 */
export class Sender {
  readonly output: Output;
  readonly heads: HeadWriter;
  /** The client's SETTINGS_INITIAL_WINDOW_SIZE. */
  initialWindow = initialWindowBytes;
  /** The socket takes more. */
  writable = true;
  private window = initialWindowBytes;
  private readonly waiting: Http2Stream[] = [];
  private readonly owner: SenderOwner;
  private readonly queueBytes: number;

  constructor({ slabs, limits }: Http2Context, owner: SenderOwner) {
    this.output = new Output(slabs);
    this.heads = new HeadWriter(this.output);
    this.owner = owner;
    this.queueBytes = limits.sendQueueBytes;
  }

  /** A control frame whose payload is one number. */
  numberFrame(type: number, streamId: number, value: number): void {
    const slab = this.output.reserve(frameHeadBytes + 4);
    writeFrameHead(slab.bytes, slab.at, 4, type, 0, streamId);
    writeUint32(slab.bytes, slab.at + frameHeadBytes, value);
    this.output.advance(slab, frameHeadBytes + 4);
    this.owner.flushSoon();
  }

  frame(type: number, flags: number, payload: Buffer): void {
    this.output.frame(type, flags, 0, payload, 0, payload.length);
    this.owner.flushSoon();
  }

  head<Source extends FieldSource>(
    stream: Http2Stream,
    status: number,
    source: Source | undefined,
    keeps: KeepsField<Source> | undefined,
    added: FieldList,
    ended: boolean,
  ): void {
    if (stream.responded || stream.closed) return;
    stream.responded = status >= 200;
    stream.responseEnded = ended && stream.responded;
    this.heads.head(stream.id, status, source, keeps, added, stream.responseEnded);
    this.written(stream, stream.responseEnded);
  }

  /** False when no more should come until there is room. */
  data(stream: Http2Stream, bytes: Buffer, ended: boolean): boolean {
    if (stream.closed || stream.responseEnded || !stream.responded) return true;
    stream.responseEnded = ended;
    const sent = stream.queuedBytes === 0 && this.waiting.length === 0 ? this.sendAtOnce(stream, bytes) : 0;
    if (stream.closed) return true;
    if (sent < bytes.length) this.enqueue(stream, sent === 0 ? bytes : bytes.subarray(sent));
    else if (ended && stream.queuedBytes === 0 && bytes.length === 0) this.dataFrame(stream, noBytes, 0, 0);
    stream.wantsDrain = stream.queuedBytes >= this.queueBytes;
    return !stream.wantsDrain;
  }

  trailers(stream: Http2Stream, fieldLines: string): void {
    if (stream.closed || stream.responseEnded || !stream.responded) return;
    stream.responseEnded = true;
    if (stream.queuedBytes > 0) stream.trailers = fieldLines;
    else this.sendTrailers(stream, fieldLines);
  }

  /** A client's WINDOW_UPDATE. False when that is more than a window can be (RFC 9113 6.9.1). */
  widen(stream: Http2Stream | undefined, increment: number): boolean {
    if (stream) {
      stream.sendWindow += increment;
      this.wait(stream);
    } else this.window += increment;
    if ((stream?.sendWindow ?? this.window) > maxWindowBytes) return false;
    this.sendWaiting();
    return true;
  }

  /** A new SETTINGS_INITIAL_WINDOW_SIZE changes every stream's window, below zero if need be (RFC 9113 6.9.2). */
  setInitialWindow(bytes: number, streams: Iterable<Http2Stream>): boolean {
    const change = bytes - this.initialWindow;
    this.initialWindow = bytes;
    for (const stream of streams) {
      stream.sendWindow += change;
      if (stream.sendWindow > maxWindowBytes) return false;
      this.wait(stream);
    }
    return true;
  }

  /** Sends queued data, a frame of each stream in turn, as far as windows and socket allow. */
  sendWaiting(): void {
    while (this.writable && this.window > 0 && this.waiting.length > 0) {
      const stream = this.waiting.shift() as Http2Stream;
      stream.waiting = false;
      if (stream.closed || stream.sendWindow <= 0) continue;
      this.sendQueued(stream);
      this.wait(stream);
      if (stream.wantsDrain && !stream.closed && stream.queuedBytes <= this.queueBytes / 2) {
        stream.wantsDrain = false;
        stream.receiver.onDrain(stream);
      }
    }
  }

  /** Nothing of it is sent any more. */
  drop(stream: Http2Stream): void {
    stream.queue = undefined;
    stream.queuedBytes = 0;
    stream.trailers = undefined;
  }

  private wait(stream: Http2Stream): void {
    if (stream.waiting || stream.queuedBytes === 0 || stream.sendWindow <= 0) return;
    stream.waiting = true;
    this.waiting.push(stream);
  }

  private enqueue(stream: Http2Stream, bytes: Buffer): void {
    (stream.queue ??= []).push(bytes);
    stream.queuedBytes += bytes.length;
    this.wait(stream);
  }

  /** What can go without waiting; answers how much that was. */
  private sendAtOnce(stream: Http2Stream, bytes: Buffer): number {
    let sent = 0;
    while (sent < bytes.length && this.writable && !stream.closed) {
      const end = sent + Math.min(bytes.length - sent, this.frameRoom(stream));
      if (end === sent) break;
      this.dataFrame(stream, bytes, sent, end);
      sent = end;
    }
    return sent;
  }

  private sendQueued(stream: Http2Stream): void {
    const { queue } = stream;
    const first = queue?.[0];
    if (!queue || !first) return;
    const length = Math.min(first.length, this.frameRoom(stream));
    if (length === first.length) queue.shift();
    else queue[0] = first.subarray(length);
    stream.queuedBytes -= length;
    this.dataFrame(stream, first, 0, length);
    if (stream.queuedBytes === 0 && stream.trailers !== undefined && !stream.closed) this.sendTrailers(stream, stream.trailers);
  }

  private frameRoom(stream: Http2Stream): number {
    return Math.max(0, Math.min(maxFrameBytes, stream.sendWindow, this.window));
  }

  private dataFrame(stream: Http2Stream, bytes: Buffer, from: number, to: number): void {
    const last = stream.responseEnded && stream.trailers === undefined && stream.queuedBytes === 0 && to === bytes.length;
    stream.sendWindow -= to - from;
    this.window -= to - from;
    this.owner.onDataSent(to - from);
    this.output.frame(frameType.data, last ? flag.endStream : 0, stream.id, bytes, from, to);
    this.written(stream, last);
  }

  private sendTrailers(stream: Http2Stream, fieldLines: string): void {
    stream.trailers = undefined;
    if (fieldLines === '') return this.dataFrame(stream, noBytes, 0, 0);
    this.heads.trailers(stream.id, fieldLines);
    this.written(stream, true);
  }

  private written(stream: Http2Stream, last: boolean): void {
    this.owner.flushSoon();
    if (last) this.owner.onEndSent(stream);
    if (this.output.byteCount >= flushBytes) this.owner.flush();
  }
}
