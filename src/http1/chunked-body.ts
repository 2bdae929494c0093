import type { BodyReader } from './body.ts';
import { carriageReturn, hexValues, lineFeed, tokenBytes, valueBytes } from './bytes.ts';
import { maxChunkExtensionBytes, maxChunkSizeDigits, maxMessageExtensionBytes } from './limits.ts';
import { TrailerSection } from './trailers.ts';

const semicolon = 0x3b;

/**
 * RFC 9112 7.1.1, without the first semicolon. Blanks that the grammar only tolerates ("bad whitespace") are refused, and so is a
 * quotation mark without another: a reader that looks for one goes on behind the line's end.
 */
const extensionPattern = (() => {
  const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
  const quoted = String.raw`"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"`;
  const extension = `${token}(?:=(?:${token}|${quoted}))?`;
  return new RegExp(`^${extension}(?:;${extension})*$`);
})();

const state = {
  size: 0,
  extension: 1,
  sizeEnd: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  last: 6,
  lastLf: 7,
  trailers: 8,
  done: 9,
  bad: 10,
} as const;

/**
 * The chunked coding (RFC 9112 7.1), read strictly: hexadecimal sizes, CRLF and nothing else, extensions well-formed and within
 * bounds. Bytes are passed on as they came; only a trailer section is written anew, without the fields that must not stand there.
 *
 * Invariant: `contentBytes` and the place in the coding are exact after each `take`, however the bytes were cut.
 */
export class ChunkedBody implements BodyReader {
  passEnd = 0;
  contentBytes = 0;
  tail = '';
  fault: string | undefined = undefined;
  private state: number = state.size;
  private sizeLeft = 0;
  private sizeDigits = 0;
  private extension = '';
  private messageExtensionBytes = 0;
  private readonly trailers = new TrailerSection();
  private readonly onContent: ((bytes: Buffer) => void) | undefined;

  /** `onContent` gets the content alone, for a receiver that knows no chunks. */
  constructor(onContent?: (bytes: Buffer) => void) {
    this.onContent = onContent;
  }

  get done(): boolean {
    return this.state === state.done;
  }

  take(bytes: Buffer): number {
    let at = 0;
    this.passEnd = 0;
    while (at < bytes.length && this.state < state.trailers)
      at = this.state === state.data ? this.takeData(bytes, at) : this.step(bytes, at);
    this.passEnd = at;
    if (this.state === state.trailers) at = this.takeTrailers(bytes, at);
    return at;
  }

  private takeData(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.sizeLeft);
    this.onContent?.(bytes.subarray(at, end));
    this.contentBytes += end - at;
    this.sizeLeft -= end - at;
    if (this.sizeLeft === 0) this.state = state.dataCr;
    return end;
  }

  /** One byte of framing. The first byte of a trailer section is left where it is. */
  private step(bytes: Buffer, at: number): number {
    const byte = bytes[at] as number;
    switch (this.state) {
      case state.size:
        this.sizeByte(byte);
        break;
      case state.extension:
        this.extensionByte(byte);
        break;
      case state.sizeEnd:
        this.expect(byte, lineFeed, this.sizeLeft === 0 ? state.last : state.data);
        break;
      case state.dataCr:
        this.expect(byte, carriageReturn, state.dataLf);
        break;
      case state.dataLf:
        this.expect(byte, lineFeed, state.size);
        this.sizeDigits = 0;
        break;
      case state.last:
        return this.endByte(byte, at);
      default:
        this.expect(byte, lineFeed, state.done);
    }
    return at + 1;
  }

  private sizeByte(byte: number): void {
    const digit = hexValues[byte] as number;
    if (digit !== 255) {
      this.sizeLeft = (this.sizeDigits === 0 ? 0 : this.sizeLeft * 16) + digit;
      if (++this.sizeDigits > maxChunkSizeDigits) this.fail('chunk size too large');
    } else if (this.sizeDigits === 0) this.fail('chunk size missing');
    else if (byte === carriageReturn) this.state = state.sizeEnd;
    else if (byte === semicolon) {
      this.state = state.extension;
      this.extension = '';
    } else this.fail('invalid chunk size');
  }

  private extensionByte(byte: number): void {
    if (byte === carriageReturn) {
      if (extensionPattern.test(this.extension)) this.state = state.sizeEnd;
      else this.fail('malformed chunk extension');
    } else if (valueBytes[byte] === 0) this.fail('control character in chunk extension');
    else if (this.extension.length === maxChunkExtensionBytes || ++this.messageExtensionBytes > maxMessageExtensionBytes)
      this.fail('chunk extensions too long');
    else this.extension += String.fromCharCode(byte);
  }

  /** After the last chunk: the empty line, or a trailer section, which begins with a field name. */
  private endByte(byte: number, at: number): number {
    if (byte === carriageReturn) this.state = state.lastLf;
    else if (tokenBytes[byte] === 1) this.state = state.trailers;
    else this.fail('chunks not ended by an empty line');
    return byte === carriageReturn ? at + 1 : at;
  }

  private expect(byte: number, expected: number, next: number): void {
    if (byte === expected) this.state = next;
    else this.fail('chunk not ended by CRLF');
  }

  private takeTrailers(bytes: Buffer, at: number): number {
    const end = this.trailers.take(bytes, at);
    if (this.trailers.fault !== undefined) this.fail(this.trailers.fault);
    else if (this.trailers.text !== undefined) {
      this.tail = this.trailers.text;
      this.state = state.done;
    }
    return end;
  }

  private fail(fault: string): void {
    this.fault = fault;
    this.state = state.bad;
  }
}
