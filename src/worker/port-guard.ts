import { readFile } from 'node:fs/promises';

/** Where the command can be reached, or whose listener stands in its place. */
export type PortHolder = { held: 'by-us'; host: '127.0.0.1' | '::1' } | { held: 'by-another' } | { held: 'by-none' };

interface Listener {
  addressHex: string;
  port: number;
  uid: number;
}

/**
 * Who listens on a port of the tenant's network. Its apps share that network, and each has a uid of its own: a
 * listener with another uid is another app's, which must not get this one's requests.
 */
export async function findPortHolder(port: number, uid: number): Promise<PortHolder> {
  const [table4, table6] = await Promise.all([readTable('/proc/self/net/tcp'), readTable('/proc/self/net/tcp6')]);
  return judge(parseListeners(table4), parseListeners(table6), port, uid);
}

/** An IPv6 listener is reached by `::1`: whether `::` takes IPv4 too is not in the table, and 127.0.0.1 may be another's. */
export function judge(listeners4: Listener[], listeners6: Listener[], port: number, uid: number): PortHolder {
  const byIpv4 = listeners4.filter((one) => one.port === port && reachableAs127(one.addressHex));
  const byIpv6 = listeners6.filter((one) => one.port === port && reachableAsLoopback6(one.addressHex));
  if (byIpv4.length > 0 && byIpv4.every((one) => one.uid === uid)) return { held: 'by-us', host: '127.0.0.1' };
  if (byIpv6.length > 0 && byIpv6.every((one) => one.uid === uid)) return { held: 'by-us', host: '::1' };
  return { held: byIpv4.length + byIpv6.length > 0 ? 'by-another' : 'by-none' };
}

/** The listening sockets of a table of proc_pid_net(5): `sl local_address rem_address st tx:rx tr:when retrnsmt uid ...`. */
export function parseListeners(table: string): Listener[] {
  const listening = '0A';
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , uid] = line.trim().split(/\s+/);
    const [addressHex = '', portHex = ''] = local.split(':');
    return state === listening ? [{ addressHex, port: Number.parseInt(portHex, 16), uid: Number(uid) }] : [];
  });
}

/** Addresses are 32-bit words in the machine's byte order, little-endian on both machines that are supported. */
function reachableAs127(addressHex: string): boolean {
  return addressHex === '00000000' || addressHex === '0100007F';
}

function reachableAsLoopback6(addressHex: string): boolean {
  return addressHex === '0'.repeat(32) || addressHex === `${'0'.repeat(24)}01000000`;
}

async function readTable(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => ''); // Without IPv6 there is no such file.
}
