import { errorCode } from './error-codes.ts';
import { flag, readUint31 } from './frames.ts';
import type { Http2Limits } from './limits.ts';

export interface BlockHandler {
  /** A whole field block. `selfDependent`: its priority made the stream depend on itself. */
  onBlock(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean, selfDependent: boolean): void;
  onFault(code: number, reason: string): void;
  /** A frame that does nothing. */
  onUseless(): void;
}

/** A block that has not ended yet. */
interface OpenBlock {
  streamId: number;
  endStream: boolean;
  selfDependent: boolean;
  pieces: Buffer[];
  byteCount: number;
}

const priorityBytes = 5;

/** Joins HEADERS and CONTINUATION frames to field blocks (RFC 9113 4.3, 6.2, 6.10). */
export class HeaderBlocks {
  private readonly handler: BlockHandler;
  private readonly limits: Http2Limits;
  private open: OpenBlock | undefined = undefined;

  constructor(handler: BlockHandler, limits: Http2Limits) {
    this.handler = handler;
    this.limits = limits;
  }

  /** Only a CONTINUATION of the same stream may come next. */
  get openStreamId(): number {
    return this.open?.streamId ?? 0;
  }

  headers(flags: number, streamId: number, bytes: Buffer, payloadStart: number, payloadEnd: number): void {
    let start = payloadStart;
    let end = payloadEnd;
    if ((flags & flag.padded) !== 0) {
      if (start === end) return this.handler.onFault(errorCode.frameSizeError, 'padded HEADERS without a length');
      end -= bytes[start++] as number;
    }
    let selfDependent = false;
    if ((flags & flag.priority) !== 0) {
      if (payloadEnd - start < priorityBytes) return this.handler.onFault(errorCode.frameSizeError, 'HEADERS too short for its priority');
      selfDependent = readUint31(bytes, start) === streamId;
      start += priorityBytes;
    }
    if (end < start) return this.handler.onFault(errorCode.protocolError, 'padding longer than its frame');
    const endStream = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) !== 0) return this.handler.onBlock(streamId, bytes, start, end, endStream, selfDependent);
    this.open = { streamId, endStream, selfDependent, pieces: [Buffer.from(bytes.subarray(start, end))], byteCount: end - start };
  }

  /** Its stream is that of `openStreamId`. */
  continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const { open } = this;
    if (!open) return this.handler.onFault(errorCode.protocolError, 'CONTINUATION without HEADERS');
    if (start === end) this.handler.onUseless();
    open.pieces.push(Buffer.from(bytes.subarray(start, end)));
    open.byteCount += end - start;
    // CVE-2024-27316
    if (open.pieces.length > this.limits.headerBlockFrames || open.byteCount > this.limits.headerBlockBytes)
      return this.handler.onFault(errorCode.enhanceYourCalm, 'field block too long');
    if ((flags & flag.endHeaders) === 0) return;
    this.open = undefined;
    const block = Buffer.concat(open.pieces);
    this.handler.onBlock(open.streamId, block, 0, block.length, open.endStream, open.selfDependent);
  }
}
