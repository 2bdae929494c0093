import { readSettings, setting, settingBytes } from './client-settings.ts';
import type { ConnectionOwner } from './connection-owner.ts';
import type { Http2Context } from './context.ts';
import { DecoderTable } from './decoder-table.ts';
import { errorCode } from './error-codes.ts';
import { FloodGuard, type FloodKind } from './flood-guard.ts';
import { FrameReader } from './frame-reader.ts';
import { faultOf } from './frame-rules.ts';
import { flag, frameType, initialWindowBytes, lastPossibleStreamId, readUint31, writeUint32 } from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { fitsLength, IncomingData } from './incoming-data.ts';
import { Sender } from './sender.ts';
import { Http2Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const noBytes = Buffer.alloc(0);
/** Tells the answer to our own PING from others. */
const roundTripMark = Buffer.from('shutdown', 'latin1');
const tinyIncrementBytes = 1024;

/**
 * The server's side of an HTTP/2 connection (RFC 9113), apart from its socket: bytes in, bytes out, and requests to the owner.
 *
 * Invariants:
 * - A connection error closes it at once: nothing that comes afterwards is looked at, nothing more than GOAWAY is sent.
 * - The field blocks of all streams are decoded, also of those that are refused: the header table depends on each.
 * - Each open stream is in `streams`; its receiver learns exactly once if it ends before its time.
 */
export class Http2Connection {
  /** For its streams. */
  readonly sender: Sender;
  readonly incoming: IncomingData;
  private readonly context: Http2Context;
  private readonly owner: ConnectionOwner;
  private readonly reader: FrameReader;
  private readonly blocks: HeaderBlocks;
  private readonly streams = new StreamTable();
  private readonly headerTable = new DecoderTable();
  private readonly floods: FloodGuard;
  /** `draining`: GOAWAY announced; `refusing`: and what comes now is not served. */
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
    this.blocks = new HeaderBlocks(this, context.limits);
    this.floods = new FloodGuard(context.limits.floods, context.nowMs);
    this.sendSettings();
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
    // CVE-2019-9512, 9515: answers that a client doesn't read.
    if (this.unsentBytes > this.context.limits.unsentBytes) this.close(errorCode.enhanceYourCalm, 'answers are not read');
  }

  /** Ends gracefully (RFC 9113 6.8): open requests are served, new ones ignored after a round trip; then `onClose`. */
  shutdown(): void {
    if (this.phase !== 'open') return;
    this.phase = 'draining';
    this.sendGoAway(lastPossibleStreamId, errorCode.noError);
    this.sender.frame(frameType.ping, 0, roundTripMark);
  }

  /** Ends at once: GOAWAY, `onReset` for every stream, `onClose`. */
  close(code: number, reason: string): void {
    if (this.phase === 'closed') return;
    this.sendGoAway(this.streams.lastId, code);
    this.flush();
    this.end(code === errorCode.noError ? errorCode.cancel : code);
    this.owner.onClose(code, reason);
  }

  /** The socket is gone: every open stream is told. */
  lost(): void {
    if (this.phase !== 'closed') this.end(errorCode.cancel);
  }

  /** By the caller: it is not told. */
  reset(stream: Http2Stream, code: number): void {
    if (stream.closed) return;
    this.sendReset(stream.id, code);
    this.remove(stream);
  }

  // For the parts

  openStream(id: number): Http2Stream | undefined {
    return this.streams.get(id);
  }

  flushSoon(): void {
    if (this.flushAwaited) return;
    this.flushAwaited = true;
    this.context.flushSoon(this);
  }

  onFault(code: number, reason: string): void {
    this.close(code, reason);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const fault = faultOf(type, flags, streamId, end - start);
    if (fault) return this.close(fault.code, fault.reason);
    if (!this.isInOrder(type, flags, streamId)) return;
    switch (type) {
      case frameType.headers:
        return this.blocks.headers(flags, streamId, bytes, start, end);
      case frameType.continuation:
        return this.blocks.continuation(flags, bytes, start, end);
      case frameType.priority:
        return this.onPriority(streamId, bytes, start, end);
      case frameType.rstStream:
        return this.onRstStream(streamId, readUint31(bytes, start));
      case frameType.settings:
        return this.onSettings(flags, bytes, start, end);
      case frameType.ping:
        return this.onPing(flags, bytes, start, end);
      case frameType.windowUpdate:
        return this.onWindowUpdate(streamId, readUint31(bytes, start));
      default:
        // GOAWAY too: a server that opens no streams has nothing to do about it.
        return this.onUseless(1);
    }
  }
}
