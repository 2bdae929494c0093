import { carriageReturn, lineFeed, space, targetBytes, tokenBytes } from './bytes.ts';
import { maxTargetBytes } from './limits.ts';
import { type Refusal, refusals } from './refusals.ts';

export interface RequestLine {
  method: string;
  /** As sent. */
  target: string;
  targetStart: number;
  targetEnd: number;
  /** Of HTTP/1.x. */
  minor: number;
  /** After the line's CRLF. */
  fieldsStart: number;
}

const maxMethodBytes = 32;
const versionPattern = /^HTTP\/\d\.\d$/;

/** Reads the request line at the beginning of a whole head (RFC 9112 3). */
export function parseRequestLine(bytes: Uint8Array, text: string, into: RequestLine): Refusal | undefined {
  let methodEnd = 0;
  while (tokenBytes[bytes[methodEnd] as number] === 1) methodEnd++;
  if (methodEnd === 0 || methodEnd > maxMethodBytes || bytes[methodEnd] !== space) return refusals.method;
  const start = methodEnd + 1;
  let end = start;
  while (targetBytes[bytes[end] as number] === 1) end++;
  if (end - start > maxTargetBytes) return refusals.targetTooLong;
  if (end === start || bytes[end] !== space) return refusals.target;
  into.method = text.slice(0, methodEnd);
  into.target = text.slice(start, end);
  into.targetStart = start;
  into.targetEnd = end;
  return parseVersion(bytes, text, end + 1, into);
}

function parseVersion(bytes: Uint8Array, text: string, start: number, into: RequestLine): Refusal | undefined {
  const end = start + 8;
  if (text.startsWith('HTTP/1.1\r\n', start)) into.minor = 1;
  else if (text.startsWith('HTTP/1.0\r\n', start)) into.minor = 0;
  else if (versionPattern.test(text.slice(start, end)) && bytes[end] === carriageReturn && bytes[end + 1] === lineFeed)
    return refusals.version;
  else return bytes[end] === lineFeed ? refusals.bareLineEnding : refusals.requestLine;
  into.fieldsStart = end + 2;
  return undefined;
}
