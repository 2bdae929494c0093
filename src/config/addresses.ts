import { isIP, isIPv4, isIPv6 } from 'node:net';
import { isPublicAddress } from '../base/public-address.ts';
import { parseDomainName } from './domain-name.ts';
import type { Parsed } from './values.ts';

export interface ListenAddress {
  /** An IP address, IPv6 without brackets. */
  host: string;
  port: number;
}

/** `127.0.0.1:8080`, `[::]:80` or `localhost:8080`. Port 0, "any free one", is refused: nobody could find it. */
export function parseListenAddress(text: string): Parsed<ListenAddress> {
  const parts = splitHostPort(text);
  const host = parts?.host === 'localhost' ? '127.0.0.1' : parts?.host;
  if (!parts || !host || !isIP(host))
    return { fault: { message: 'must be address:port', fix: 'write it like "127.0.0.1:8080" or "[::]:80"' } };
  if (parts.port === 0) return { fault: { message: 'must have a port other than 0', fix: 'choose a port from 1 to 65535' } };
  return { value: { host, port: parts.port } };
}

/** `127.0.0.1:8053`, or an address alone for the usual port. */
export function parseResolver(text: string): Parsed<ListenAddress> {
  return isIP(text) ? { value: { host: text, port: 53 } } : parseListenAddress(text);
}

export function parseIp(text: string): Parsed<string> {
  return isIP(text) ? { value: text } : { fault: { message: 'must be an IP address', fix: 'write it like "203.0.113.7"' } };
}

/** An IP address or a block of them: `10.0.0.0/8`, `fd00::/8`. */
export function parseIpBlock(text: string): Parsed<string> {
  const [address = '', bits, ...rest] = text.split('/');
  const maxBits = isIPv4(address) ? 32 : 128;
  const bitsFit = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= maxBits);
  // isIP allows a zone after `%`, which is a device's name.
  if (isIP(address) && !address.includes('%') && bitsFit && rest.length === 0) return { value: text };
  return { fault: { message: 'must be an IP address or a block of them', fix: 'write it like "10.0.0.0/8"' } };
}

export type EgressTarget = { host: string; port: number } | { block: string; port: number };

/** `api.stripe.com:443`, `*.example.com:443` for all names below it, or `10.20.0.5/32:5432`. */
export function parseEgressTarget(text: string): Parsed<EgressTarget> {
  const parts = splitHostPort(text);
  const fix = text === 'any' ? 'write egress: any, without a list' : 'write it like "api.example.com:443" or "10.20.0.5/32:5432"';
  const fault = { message: 'must be host:port or block:port', fix };
  if (!parts || parts.port === 0) return { fault };
  const block = parseIpBlock(parts.host);
  if ('value' in block) return { value: { block: block.value, port: parts.port } };
  const name = parseDomainName(parts.host);
  return 'value' in name ? { value: { host: name.value, port: parts.port } } : { fault };
}

/** A block of private IPv4 addresses, all of it ours: `10.213.0.0/16`. */
export function parsePrivatePool(text: string): Parsed<string> {
  const [address = '', bits = '', ...rest] = text.split('/');
  const size = 2 ** (32 - Number(bits));
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const fits = isIPv4(address) && /^\d{1,2}$/.test(bits) && Number(bits) >= 8 && Number(bits) <= 28 && number % size === 0;
  if (fits && rest.length === 0 && !isPublicAddress(address)) return { value: text };
  return { fault: { message: 'must be a block of private IPv4 addresses, /8 to /28', fix: 'write it like "10.213.0.0/16"' } };
}

/** IPv6 hosts stand in brackets (RFC 3986, 3.2.2); a block's length stands inside or after them. */
function splitHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\](\/\d{1,3})?|([^[\]:]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, inBrackets, length = '', plain = '', digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (inBrackets !== undefined && !isIPv6(inBrackets.split('/')[0] ?? '')) return undefined;
  return { host: inBrackets === undefined ? plain : `${inBrackets}${length}`, port };
}
