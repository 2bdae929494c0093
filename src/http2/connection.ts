import { announceEnd, announceLimits } from './announce.ts';
import type { ConnectionOwner } from './connection-owner.ts';
import type { Http2Context } from './context.ts';
import { receiveControl, receiveForClosed } from './control-frames.ts';
import { errorCode } from './error-codes.ts';
import { FloodGuard, type FloodKind } from './flood-guard.ts';
import { type FrameHandler, FrameReader } from './frame-reader.ts';
import { faultOf } from './frame-rules.ts';
import { flag, frameType, lastPossibleStreamId } from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { IncomingData } from './incoming-data.ts';
import { Requests } from './requests.ts';
import { Sender } from './sender.ts';
import type { Http2Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** DATA frames of less are hardly worth their own. */
const usefulDataBytes = 128;
/** Tells the answer to the PING of a shutdown. */
const roundTripMark = Buffer.from('shutdown', 'latin1');

/**
 * The server's side of an HTTP/2 connection (RFC 9113), apart from its socket: bytes in, bytes out, and requests to the owner.
 *
 * Invariants:
 * - A connection error closes it at once: nothing that comes afterwards is looked at, nothing after GOAWAY is sent.
 * - Every open stream is in `streams`; if it ends before its time its receiver is told once, unless the receiver did it.
 */
export class Http2Connection implements FrameHandler {
  readonly context: Http2Context;
  readonly owner: ConnectionOwner;
  readonly sender: Sender;
  readonly incoming: IncomingData;
  readonly streams = new StreamTable();
  private readonly reader: FrameReader;
  private readonly blocks: HeaderBlocks;
  private readonly floods: FloodGuard;
  /** `draining`: a shutdown was announced; `refusing`: and a round trip later. */
  private phase: 'open' | 'draining' | 'refusing' | 'closed' = 'open';
  private settingsSeen = false;
  private flushAwaited = false;
  /** Written while the socket was backed up. */
  private unsentBytes = 0;

  /** Queues our SETTINGS. */
  constructor(context: Http2Context, owner: ConnectionOwner) {
    this.context = context;
    this.owner = owner;
    this.sender = new Sender(context, this);
    this.incoming = new IncomingData(this, context.limits);
    this.reader = new FrameReader(this);
    this.blocks = new HeaderBlocks(new Requests(this), context.limits);
    this.floods = new FloodGuard(context.limits.floods, context.nowMs);
    announceLimits(this.sender, context.limits);
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** Whatever the socket gave, in whatever pieces; the client's preface first. The bytes must not be written to afterwards. */
  receive(bytes: Buffer): void {
    this.reader.receive(bytes);
  }

  /** The socket is backed up, or has drained. While it is backed up, stop reading from it: what is read makes more to write. */
  setWritable(writable: boolean): void {
    this.sender.writable = writable;
    if (!writable) return;
    this.unsentBytes = 0;
    this.sender.sendWaiting();
  }

  /** Writes what has gathered now rather than when the context's `schedule` says so. */
  flush(): void {
    this.flushAwaited = false;
    const { sender } = this;
    if (sender.output.byteCount === 0) return;
    if (!sender.writable) this.unsentBytes += sender.output.byteCount;
    if (!sender.output.flush(this.owner)) sender.writable = false;
    // CVE-2019-9512, 9515: answers that nobody reads.
    if (this.unsentBytes > this.context.limits.unsentBytes) this.close(errorCode.enhanceYourCalm, 'answers are not read');
  }

  /** Ends gracefully (RFC 9113 6.8): open requests are served, new ones refused after a round trip; then `onClose`. */
  shutdown(): void {
    if (this.phase !== 'open') return;
    this.phase = 'draining';
    announceEnd(this.sender, lastPossibleStreamId, errorCode.noError);
    this.sender.frame(frameType.ping, 0, roundTripMark);
  }

  /** Ends at once: GOAWAY, `onReset` for every stream, `onClose`. */
  close(code: number, reason: string): void {
    if (this.phase === 'closed') return;
    announceEnd(this.sender, this.streams.lastServedId, code);
    this.phase = 'closed';
    this.flush();
    this.abandon(code === errorCode.noError ? errorCode.cancel : code);
    this.owner.onClose(code, reason);
  }

  /** The socket is gone: every open stream is told. */
  lost(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.sender.output.discard();
    this.abandon(errorCode.cancel);
  }

  /** The caller resets a stream, and is not told. */
  reset(stream: Http2Stream, code: number): void {
    if (stream.closed) return;
    this.sendReset(stream.id, code);
    this.remove(stream);
  }

  // What follows is for the parts.

  /** New requests are no longer taken. */
  get refusing(): boolean {
    return this.phase === 'refusing';
  }

  openStream(id: number): Http2Stream | undefined {
    return this.streams.get(id);
  }

  flushSoon(): void {
    if (this.flushAwaited || this.phase === 'closed') return;
    this.flushAwaited = true;
    this.context.flushSoon(this);
  }

  /** Counts against a flood. False when it was too much, and the connection is closed. */
  charge(kind: FloodKind, cost: number): boolean {
    if (this.floods.allows(kind, cost)) return true;
    this.close(errorCode.enhanceYourCalm, `too many: ${kind}`);
    return false;
  }

  onUseless(cost: number): void {
    this.charge('uselessFrames', cost);
  }

  onFault(code: number, reason: string): void {
    this.close(code, reason);
  }

  onStray(streamId: number): void {
    receiveForClosed(this, streamId);
  }

  /**
   * A stream error of the client's (RFC 9113 5.4.2). An idle stream can not be reset, nor can stream 0: there it is a connection error.
   */
  refuse(streamId: number, code: number, reason: string): void {
    const stream = this.streams.get(streamId);
    if (streamId === 0 || this.streams.stateOf(streamId) === 'idle') return this.close(code, reason);
    this.sendReset(streamId, code);
    if (stream) {
      this.remove(stream);
      stream.receiver.onReset(stream, code);
    }
    // CVE-2025-8671
    this.charge('faults', 1);
  }

  onRequestEnd(stream: Http2Stream): void {
    if (stream.endSent) this.complete(stream);
  }

  /** Clients may well answer DATA with an update of two windows, and measure the round trip by it. */
  onDataSent(byteCount: number): void {
    const earned = Math.min(1, byteCount / usefulDataBytes);
    this.floods.makeUp('windowUpdates', 2 * earned);
    this.floods.makeUp('pings', earned);
  }

  onEndSent(stream: Http2Stream): void {
    stream.endSent = true;
    if (stream.requestEnded) this.complete(stream);
    else if (stream.requestUnwanted) {
      this.reset(stream, errorCode.noError);
      stream.receiver.onOver?.(stream);
    }
  }

  remove(stream: Http2Stream): void {
    this.streams.remove(stream);
    this.sender.drop(stream);
    this.incoming.release(stream);
    if (this.phase === 'refusing' && this.streams.size === 0) this.close(errorCode.noError, 'shut down');
  }

  /** An answer to a PING. After that of a shutdown the client has heard of it, so what it sends now is not served. */
  onRoundTrip(mark: Buffer): void {
    if (this.phase !== 'draining' || !mark.equals(roundTripMark)) return;
    this.phase = 'refusing';
    if (this.streams.size === 0) this.close(errorCode.noError, 'shut down');
    else announceEnd(this.sender, this.streams.lastServedId, errorCode.noError);
  }

  onDataFrame(flags: number, streamId: number, length: number, dataBytes: number): void {
    if (!this.isInOrder(frameType.data, flags, streamId)) return;
    if (streamId === 0) this.close(errorCode.protocolError, 'DATA on stream 0');
    else this.incoming.begin(flags, streamId, length, dataBytes);
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    this.incoming.payload(bytes, start, end);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (!this.isInOrder(type, flags, streamId)) return;
    const fault = faultOf(type, flags, streamId, end - start);
    if (fault) return this.close(fault.code, fault.reason);
    switch (type) {
      case frameType.headers:
        return this.blocks.headers(flags, streamId, bytes, start, end);
      case frameType.continuation:
        return this.blocks.continuation(flags, bytes, start, end);
      default:
        receiveControl(this, type, flags, streamId, bytes, start, end);
    }
  }

  /** RFC 9113 3.4: SETTINGS come first; 6.10: nothing comes between the frames of a field block. */
  private isInOrder(type: number, flags: number, streamId: number): boolean {
    const { openStreamId } = this.blocks;
    if (!this.settingsSeen) {
      this.settingsSeen = type === frameType.settings && (flags & flag.ack) === 0;
      if (!this.settingsSeen) this.close(errorCode.protocolError, 'no SETTINGS at first');
    } else if (openStreamId !== 0 && (type !== frameType.continuation || streamId !== openStreamId))
      this.close(errorCode.protocolError, 'a field block was interrupted');
    return this.phase !== 'closed';
  }

  /** Both directions ended as they should. */
  private complete(stream: Http2Stream): void {
    if (stream.closed) return;
    this.floods.makeUp('resets', 1);
    this.floods.makeUp('priorities', 1);
    this.floods.makeUp('windowUpdates', 2);
    this.remove(stream);
    stream.receiver.onOver?.(stream);
  }

  private abandon(code: number): void {
    this.reader.stop();
    for (const stream of this.streams.removeAll()) {
      this.sender.drop(stream);
      stream.receiver.onReset(stream, code);
    }
  }

  private sendReset(streamId: number, code: number): void {
    this.streams.rememberReset(streamId);
    this.sender.numberFrame(frameType.rstStream, streamId, code);
  }
}
