import { colon, digitBytes, hostNameBytes, ipLiteralBytes } from './bytes.ts';

/** A host as a request names it. `host` is lower case, without a trailing dot; an IPv6 literal keeps its brackets. */
export interface Authority {
  host: string;
  /** As sent, without the colon; empty when there is none. */
  port: string;
}

const maxHostBytes = 255;
const maxPort = 65_535;
const dot = 0x2e;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Reads `text[start, end)`, the same bytes as `bytes[start, end)`, as `host[:port]` (RFC 3986 3.2) into `into`; false when it is none. */
export function parseAuthority(bytes: Uint8Array, text: string, start: number, end: number, into: Authority): boolean {
  const hostEnd = bytes[start] === openBracket ? ipLiteralEnd(bytes, start, end) : nameEnd(bytes, start, end);
  if (hostEnd === start || hostEnd - start > maxHostBytes || !isPort(bytes, hostEnd, end)) return false;
  const named = bytes[hostEnd - 1] === dot ? hostEnd - 1 : hostEnd;
  if (named === start) return false;
  into.host = text.slice(start, named).toLowerCase();
  into.port = text.slice(hostEnd + 1, end);
  return true;
}

function nameEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && hostNameBytes[bytes[at] as number] === 1) at++;
  return at;
}

/** The offset after the closing bracket; `start` when it is not a literal. */
function ipLiteralEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start + 1;
  while (at < end && ipLiteralBytes[bytes[at] as number] === 1) at++;
  return at > start + 1 && bytes[at] === closeBracket && at < end ? at + 1 : start;
}

function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  if (bytes[start] !== colon || end - start > 6) return false;
  let port = 0;
  for (let at = start + 1; at < end; at++) {
    if (digitBytes[bytes[at] as number] === 0) return false;
    port = port * 10 + (bytes[at] as number) - 0x30;
  }
  return port <= maxPort;
}
