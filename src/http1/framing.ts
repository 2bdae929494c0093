import { digitBytes } from './bytes.ts';
import type { FieldTable } from './fields.ts';
import { maxLengthDigits } from './limits.ts';
import { type Refusal, refusals } from './refusals.ts';

/** How a message says its body ends. */
export interface Framing {
  /** -1 when there is no Content-Length. */
  contentLength: number;
  chunked: boolean;
}

interface FramedHead extends Framing {
  text: string;
  minor: number;
  fields: FieldTable;
}

/** Takes one Content-Length field. A second one, even an equal one, is refused (RFC 9112 6.3 lets a recipient do so). */
export function readContentLength(bytes: Uint8Array, start: number, end: number, into: Framing): Refusal | undefined {
  if (into.contentLength !== -1) return refusals.severalContentLengths;
  if (start === end || end - start > maxLengthDigits) return refusals.contentLength;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (digitBytes[byte] === 0) return refusals.contentLength;
    length = length * 10 + (byte - 0x30);
  }
  into.contentLength = length;
  return undefined;
}

/** Tabs and blanks behind are allowed, but hide the coding from some parsers: llhttp, for one, knows no `chunked` before a tab. */
const chunkedPattern = /^: *chunked$/i;

/** Takes one Transfer-Encoding field. Only a single `chunked` is known; anything else two parsers could read differently. */
export function readTransferEncoding(head: FramedHead, index: number): Refusal | undefined {
  // RFC 9112 6.1: in an HTTP/1.0 message the framing is faulty.
  if (head.minor === 0) return refusals.transferEncodingIn10;
  const afterName = head.text.slice(head.fields.nameEnd[index], (head.fields.lineEnd[index] as number) - 2);
  if (head.chunked || !chunkedPattern.test(afterName)) return refusals.transferEncoding;
  head.chunked = true;
  return undefined;
}

/** RFC 9112 6.1: both together "ought to be handled as an error". */
export function checkFraming(framing: Framing): Refusal | undefined {
  return framing.chunked && framing.contentLength !== -1 ? refusals.bothLengths : undefined;
}
