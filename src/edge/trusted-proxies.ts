import { BlockList, isIPv4 } from 'node:net';
import { canonicalAddress } from './ip-address.ts';

/** Whose word about a client's address is taken. */
export interface TrustedProxies {
  /** `address` is canonical, as everywhere in the edge. */
  trusts: (address: string) => boolean;
}

const mappedBits = 96;

/** From `edge.trustedProxies`, which was checked when it was read: `10.0.0.0/8`, `fd00::/8`, `192.0.2.1`. */
export function createTrustedProxies(cidrs: readonly string[]): TrustedProxies {
  // Apart: a BlockList takes IPv4 addresses for mapped IPv6 ones, and `::/0` would trust them all.
  const ipv4 = new BlockList();
  const ipv6 = new BlockList();
  for (const cidr of cidrs) addBlock(ipv4, ipv6, cidr);
  const any = cidrs.length > 0;
  return { trusts: (address) => any && (address.includes(':') ? ipv6.check(address, 'ipv6') : ipv4.check(address, 'ipv4')) };
}

/** A block of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) is one of IPv4. */
function addBlock(ipv4: BlockList, ipv6: BlockList, cidr: string): void {
  const [text = '', bitsText] = cidr.split('/');
  const bits = bitsText === undefined ? (isIPv4(text) ? 32 : 128) : Number(bitsText);
  const address = canonicalAddress(text) ?? text;
  if (isIPv4(text)) ipv4.addSubnet(text, bits, 'ipv4');
  else if (isIPv4(address) && bits >= mappedBits) ipv4.addSubnet(address, bits - mappedBits, 'ipv4');
  else ipv6.addSubnet(text, bits, 'ipv6');
}
