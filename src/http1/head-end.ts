import { carriageReturn, lineFeed, tokenBytes } from './bytes.ts';
import { maxHeadBytes, maxTargetBytes, requestLineSlackBytes } from './limits.ts';
import { type Refusal, refusals } from './refusals.ts';

const emptyLine = Buffer.from('\r\n\r\n', 'latin1');

/** The offset after a head's empty line, or -1 when it has not come yet. `from` is where to look from. */
export function findHeadEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(emptyLine, from);
  return at === -1 ? -1 : at + emptyLine.length;
}

/**
 * RFC 9112 2.2: a server should ignore an empty line before the request line, such as old clients send after a body. They are not
 * counted, so that the result does not depend on how the bytes were cut; whoever sends no head is ended by its deadline.
 */
export function skipEmptyLines(bytes: Uint8Array): number {
  let at = 0;
  while (bytes[at] === carriageReturn && bytes[at + 1] === lineFeed) at += 2;
  return at;
}

/** What is wrong already with a request head that has not ended yet; `undefined` when more may make it good. */
export function refuseIncompleteHead(bytes: Buffer): Refusal | undefined {
  if (bytes.length === 1 && bytes[0] === carriageReturn) return undefined;
  // A TLS handshake on the plain port, say, shows in its first byte.
  if (tokenBytes[bytes[0] as number] === 0) return refusals.method;
  const firstLine = bytes.indexOf(lineFeed);
  if ((firstLine === -1 ? bytes.length : firstLine) > maxTargetBytes + requestLineSlackBytes) return refusals.targetTooLong;
  if (bytes.length > maxHeadBytes) return refusals.headTooLarge;
  if (firstLine !== -1 && (firstLine === 0 || bytes[firstLine - 1] !== carriageReturn)) return refusals.bareLineEnding;
  return undefined;
}
