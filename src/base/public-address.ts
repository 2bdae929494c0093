import { BlockList, isIPv4 } from 'node:net';

/**
 * What a name, or `any`, never opens: it is no part of the public internet (IANA's registries of special-purpose addresses). The
 * blocks for documentation are not among them: nobody has them.
 */
export const closedBlocks = {
  ipv4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10', // shared by a provider's customers; some clouds' metadata
    '127.0.0.0/8',
    '168.63.129.16/32', // Azure's machine agent
    '169.254.0.0/16', // link-local; most clouds' metadata
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ],
  ipv6: [
    // All but 2000::/3: loopback, mapped and translated IPv4, unique local (some clouds' metadata), link-local, multicast.
    '::/3',
    '4000::/2',
    '8000::/1',
    '2001::/23', // protocols, Teredo among them
    '2002::/16', // 6to4: an IPv4 address, perhaps a private one
  ],
} as const;

/** One a family: a list of both takes an IPv4 address for one that is mapped into IPv6. */
const closed = { ipv4: blockList('ipv4'), ipv6: blockList('ipv6') };

function blockList(family: keyof typeof closedBlocks): BlockList {
  const list = new BlockList();
  for (const block of closedBlocks[family]) {
    const [network = '', bits] = block.split('/');
    list.addSubnet(network, Number(bits), family);
  }
  return list;
}

/** `address`: an IP address as inet_ntop(3) writes it. */
export function isPublicAddress(address: string): boolean {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  return !closed[family].check(address, family);
}
