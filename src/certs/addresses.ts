import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Not reachable from the internet, or not as themselves (RFC 6890; carrier NAT: RFC 6598). */
const notPublic = makeBlockList([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16'],
  ...['198.18.0.0/15', '224.0.0.0/3', '::/127', '64:ff9b:1::/48', 'fc00::/7', 'fe80::/10', 'ff00::/8'],
]);

/** https://www.cloudflare.com/ips/: what a name points to when its orange cloud is on. */
const cloudflare = makeBlockList([
  ...['173.245.48.0/20', '103.21.244.0/22', '103.22.200.0/22', '103.31.4.0/22', '141.101.64.0/18', '108.162.192.0/18', '190.93.240.0/20'],
  ...['188.114.96.0/20', '197.234.240.0/22', '198.41.128.0/17', '162.158.0.0/15', '104.16.0.0/13', '104.24.0.0/14', '172.64.0.0/13'],
  ...['131.0.72.0/22', '2400:cb00::/32', '2606:4700::/32', '2803:f800::/32', '2405:b500::/32', '2405:8100::/32', '2a06:98c0::/29'],
  '2c0f:f248::/32',
]);

/** Of the machine's own interfaces. Behind a NAT there are none, and what a name must point to is not known. */
export function findPublicAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((interfaces) => interfaces ?? [])
    .filter(({ internal, address }) => !internal && !isIn(notPublic, address))
    .map(({ address }) => address);
}

/** The name of the proxy service that an address belongs to. */
export function proxyOf(address: string): string | undefined {
  return isIn(cloudflare, address) ? 'Cloudflare' : undefined;
}

/** One spelling an address, so that two can be compared. */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true;
  return isIPv6(a) && isIPv6(b) && isIn(makeBlockList([`${b}/128`]), a);
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function makeBlockList(blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = '', bits] = block.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}
