import { isIP, SocketAddress } from 'node:net';

/**
 * An address in the one way in which the edge writes it (RFC 5952), so that the same client is always the same text: an IPv4 client
 * of a dual-stack listener shows as `::ffff:192.0.2.1`, a link-local one with its zone. Undefined when it is no address.
 */
export function canonicalAddress(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  if (family === 0) return undefined;
  const zone = text.indexOf('%');
  const { address } = new SocketAddress({ address: zone === -1 ? text : text.slice(0, zone), family: 'ipv6' });
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

const ipv4AndPort = /^([\d.]+):[\w.-]+$/;
const bracketedIpv6 = /^\[([^[\]]+)\](?::[\w.-]+)?$/;

/** As proxies name a node (RFC 7239 6): an address with or without a port, IPv6 with or without brackets. */
export function addressOfNode(text: string): string | undefined {
  const plain = canonicalAddress(text);
  if (plain !== undefined) return plain;
  const ipv6 = bracketedIpv6.exec(text)?.[1];
  if (ipv6 !== undefined) return isIP(ipv6) === 6 ? canonicalAddress(ipv6) : undefined;
  const ipv4 = ipv4AndPort.exec(text)?.[1];
  return ipv4 === undefined ? undefined : canonicalAddress(ipv4);
}
