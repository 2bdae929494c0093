import { errorCode } from './error-codes.ts';
import { flag, frameType } from './frames.ts';
import type { Http2Limits } from './limits.ts';
import type { Sender } from './sender.ts';
import type { Http2Stream } from './stream.ts';

/** What the receiving half needs of its connection. */
export interface IncomingOwner {
  readonly sender: Sender;
  openStream(id: number): Http2Stream | undefined;
  /** DATA for a stream that isn't open. */
  onStray(streamId: number): void;
  close(code: number, reason: string): void;
  /** Resets a stream for a fault of the client's. */
  refuse(streamId: number, code: number, reason: string): void;
  onUseless(cost: number): void;
  onRequestEnd(stream: Http2Stream): void;
}

const noBytes = Buffer.alloc(0);

/**
 * Request bodies and their flow control (RFC 9113 6.9).
 *
 * Invariant: a window plus what is not consumed plus what is consumed and not given back yet is the window's full size, for each
 * stream whose request still comes, and for the connection. So the client has never more than that in our memory.
 */
export class IncomingData {
  private readonly owner: IncomingOwner;
  private readonly limits: Http2Limits;
  private window: number;
  private credit = 0;
  /** Of the frame that is coming. */
  private stream: Http2Stream | undefined = undefined;
  private dataLeft = 0;
  private ends = false;

  constructor(owner: IncomingOwner, limits: Http2Limits) {
    this.owner = owner;
    this.limits = limits;
    this.window = limits.connectionWindowBytes;
  }

  /** A frame begins: `length` counts for flow control, the last part of it, over `dataBytes`, is padding. */
  begin(flags: number, streamId: number, length: number, dataBytes: number): void {
    this.stream = undefined;
    this.window -= length;
    if (this.window < 0) return this.owner.close(errorCode.flowControlError, 'more DATA than the connection window');
    const stream = this.owner.openStream(streamId);
    if (!stream) {
      this.giveBack(length);
      return this.owner.onStray(streamId);
    }
    const fault = this.accept(stream, flags, length, dataBytes);
    if (fault !== undefined) return this.owner.refuse(streamId, fault, 'DATA out of place');
    this.stream = stream;
    this.dataLeft = dataBytes;
    this.ends = (flags & flag.endStream) !== 0;
    if (dataBytes > 0) return;
    if (this.ends) this.deliver(stream, noBytes, true);
    // CVE-2019-9518
    else this.owner.onUseless(1);
  }

  payload(bytes: Buffer, start: number, end: number): void {
    const { stream } = this;
    const length = Math.min(this.dataLeft, end - start);
    if (!stream || stream.closed || length === 0) return;
    this.dataLeft -= length;
    this.deliver(stream, bytes.subarray(start, start + length), this.ends && this.dataLeft === 0);
  }

  consumed(stream: Http2Stream, byteCount: number): void {
    const bytes = Math.min(byteCount, stream.unconsumed);
    stream.unconsumed -= bytes;
    this.giveBackTo(stream, bytes);
    this.giveBack(bytes);
  }

  /** The stream is over: what its receiver did not consume no longer counts. */
  release(stream: Http2Stream): void {
    this.giveBack(stream.unconsumed);
    stream.unconsumed = 0;
  }

  /** Accounts for a frame; answers the stream error that it makes. */
  private accept(stream: Http2Stream, flags: number, length: number, dataBytes: number): number | undefined {
    this.giveBack(length - dataBytes);
    stream.unconsumed += dataBytes;
    if (stream.requestEnded) return errorCode.streamClosed;
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) return errorCode.flowControlError;
    stream.receivedBytes += dataBytes;
    if (!fitsLength(stream, (flags & flag.endStream) !== 0)) return errorCode.protocolError;
    this.giveBackTo(stream, length - dataBytes);
    return undefined;
  }

  private deliver(stream: Http2Stream, bytes: Buffer, last: boolean): void {
    stream.requestEnded = last;
    stream.receiver.onData(stream, bytes, last);
    if (last) this.owner.onRequestEnd(stream);
  }

  private giveBackTo(stream: Http2Stream, bytes: number): void {
    if (stream.requestEnded || stream.closed) return;
    stream.credit += bytes;
    if (stream.credit < this.limits.streamWindowBytes / 2) return;
    this.owner.sender.numberFrame(frameType.windowUpdate, stream.id, stream.credit);
    stream.receiveWindow += stream.credit;
    stream.credit = 0;
  }

  private giveBack(bytes: number): void {
    this.credit += bytes;
    if (this.credit < this.limits.connectionWindowBytes / 2) return;
    this.owner.sender.numberFrame(frameType.windowUpdate, 0, this.credit);
    this.window += this.credit;
    this.credit = 0;
  }
}

/** RFC 9113 8.1.1: a body as long as its Content-Length says. */
export function fitsLength({ contentLength, receivedBytes }: Http2Stream, ended: boolean): boolean {
  return contentLength === -1 || (ended ? receivedBytes === contentLength : receivedBytes <= contentLength);
}
