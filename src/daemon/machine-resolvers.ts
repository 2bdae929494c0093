import { Resolver } from 'node:dns';
import { isIPv6 } from 'node:net';
import type { DnsAddress } from '../protocol/resolver.ts';

/** Of the machine, as /etc/resolv.conf names them now. */
export function machineResolvers(): DnsAddress[] {
  return new Resolver().getServers().map(splitServer);
}

/** `address`, `address:port` or `[address]:port`: Node leaves out the usual port. */
export function splitServer(server: string): DnsAddress {
  if (isIPv6(server)) return { host: server, port: 53 };
  const [, host = server, port = '53'] = /^\[?(.*?)\]?:(\d+)$/.exec(server) ?? [];
  return { host, port: Number(port) };
}
