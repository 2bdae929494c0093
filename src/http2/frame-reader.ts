import { errorCode } from './error-codes.ts';
import { flag, frameHeadBytes, frameType, maxFrameBytes, readUint31 } from './frames.ts';

export interface FrameHandler {
  /** A frame other than DATA, whose payload is `bytes[start, end)`. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
  /** A DATA frame begins; the last `padding` of its `dataBytes + padding` bytes are padding, `length` is what counts for flow control. */
  onDataFrame(flags: number, streamId: number, length: number, dataBytes: number): void;
  /** A part of its payload, padding included. */
  onPayload(bytes: Buffer, start: number, end: number): void;
  onFault(code: number, reason: string): void;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Cuts what comes into frames (RFC 9113 4.1). DATA is passed on as it comes; other frames are kept until they are whole.
 *
 * Invariant: `held` is the incomplete beginning of a frame other than DATA, never more than one frame's bytes.
 */
export class FrameReader {
  private readonly handler: FrameHandler;
  private prefaceSeen = 0;
  private payloadLeft = 0;
  private held: Buffer | undefined = undefined;
  private heldBytes = 0;
  private stopped = false;

  constructor(handler: FrameHandler) {
    this.handler = handler;
  }

  receive(bytes: Buffer): void {
    let at = this.prefaceSeen < preface.length ? this.readPreface(bytes) : 0;
    while (at < bytes.length && !this.stopped) {
      if (this.payloadLeft > 0) at = this.readPayload(bytes, at);
      else if (this.held) at = this.fill(this.held, bytes, at);
      else at = this.readFrame(bytes, at);
    }
  }

  /** What comes from now on is not looked at. */
  stop(): void {
    this.stopped = true;
    this.held = undefined;
  }

  private readPreface(bytes: Buffer): number {
    const length = Math.min(bytes.length, preface.length - this.prefaceSeen);
    if (bytes.compare(preface, this.prefaceSeen, this.prefaceSeen + length, 0, length) !== 0)
      this.handler.onFault(errorCode.protocolError, 'no HTTP/2 preface');
    this.prefaceSeen += length;
    return length;
  }

  private readPayload(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.payloadLeft);
    this.payloadLeft -= end - at;
    this.handler.onPayload(bytes, at, end);
    return end;
  }

  /** Reads one frame, or as much as there is of it; answers where the next bytes are. */
  private readFrame(bytes: Buffer, at: number): number {
    const available = bytes.length - at;
    if (available < frameHeadBytes) return this.hold(bytes, at, frameHeadBytes);
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (length > maxFrameBytes) return this.refuse(bytes, 'frame too large');
    const type = bytes[at + 3] as number;
    if (type === frameType.data) return this.beginData(bytes, at, length);
    const end = at + frameHeadBytes + length;
    if (end > bytes.length) return this.hold(bytes, at, frameHeadBytes + length);
    this.handler.onFrame(type, bytes[at + 4] as number, readUint31(bytes, at + 5), bytes, at + frameHeadBytes, end);
    return end;
  }

  private beginData(bytes: Buffer, at: number, length: number): number {
    const flags = bytes[at + 4] as number;
    const streamId = readUint31(bytes, at + 5);
    let start = at + frameHeadBytes;
    let dataBytes = length;
    if ((flags & flag.padded) !== 0) {
      if (length === 0) return this.refuse(bytes, 'padded frame without its length');
      if (start === bytes.length) return this.hold(bytes, at, frameHeadBytes + 1);
      dataBytes = length - 1 - (bytes[start++] as number);
      // RFC 9113 6.1
      if (dataBytes < 0) return this.refuse(bytes, 'padding longer than its frame', errorCode.protocolError);
    }
    this.payloadLeft = at + frameHeadBytes + length - start;
    this.handler.onDataFrame(flags, streamId, length, dataBytes);
    return start;
  }

  private hold(bytes: Buffer, at: number, byteCount: number): number {
    this.held = Buffer.allocUnsafe(byteCount);
    this.heldBytes = bytes.copy(this.held, 0, at);
    return bytes.length;
  }

  private fill(held: Buffer, bytes: Buffer, at: number): number {
    const taken = bytes.copy(held, this.heldBytes, at);
    this.heldBytes += taken;
    if (this.heldBytes === held.length) {
      this.held = undefined;
      this.readFrame(held, 0);
    }
    return at + taken;
  }

  private refuse(bytes: Buffer, reason: string, code: number = errorCode.frameSizeError): number {
    this.handler.onFault(code, reason);
    return bytes.length;
  }
}
