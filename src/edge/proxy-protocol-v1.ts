import { isIPv4, isIPv6 } from 'node:net';
import { canonicalAddress } from './ip-address.ts';
import type { Endpoint, ProxyHeaderRead } from './proxied-connection.ts';

export const v1Prefix = Buffer.from('PROXY ');

/** With its CRLF: the specification's bound, from the longest line there can be. */
const maxLineBytes = 107;
const lineEnd = '\r\n';

/** `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`, CRLF. `bytes` begin like it. */
export function readProxyHeaderV1(bytes: Buffer): ProxyHeaderRead {
  const text = bytes.toString('latin1', 0, maxLineBytes);
  const end = text.indexOf(lineEnd);
  if (end === -1) return bytes.length < maxLineBytes ? { done: false } : { fault: 'the line of the PROXY header does not end' };
  const headerBytes = end + lineEnd.length;
  const [, family = '', ...parts] = text.slice(0, end).split(' ');
  // What follows UNKNOWN is to be ignored.
  if (family === 'UNKNOWN') return { done: true, headerBytes, connection: { secure: false } };
  const source = readEndpoint(family, parts[0], parts[2]);
  const destination = readEndpoint(family, parts[1], parts[3]);
  if (!source || !destination || parts.length !== 4) return { fault: 'a PROXY header with invalid addresses' };
  return { done: true, headerBytes, connection: { source, destination, secure: false } };
}

function readEndpoint(family: string, address = '', portText = ''): Endpoint | undefined {
  const fits = (family === 'TCP4' && isIPv4(address)) || (family === 'TCP6' && isIPv6(address) && !address.includes('%'));
  const port = /^(0|[1-9]\d{0,4})$/.test(portText) ? Number(portText) : Infinity;
  const canonical = fits && port <= 65_535 ? canonicalAddress(address) : undefined;
  return canonical === undefined ? undefined : { address: canonical, port };
}
