import type { Caller } from './gateways.ts';
import type { ProxiedConnection } from './proxied-connection.ts';
import { canonicalAddress } from './ip-address.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** A client, and how it reached the first server that we believe. */
export interface Client {
  /** Canonical, without a port. */
  address: string;
  proto: 'http' | 'https';
  port: number;
}

/** The other end of a connection. */
export interface Peer extends Client {
  /** It may say for whom it speaks: forwarded-client.ts. */
  readonly trusted: boolean;
}

interface Endpoints {
  remoteAddress?: string | undefined;
  localPort?: number | undefined;
}

/**
 * Who is connected: whom the PROXY header names, if there was one. A header that names nobody (LOCAL, UNKNOWN) makes nobody
 * trusted: a proxy that speaks the PROXY protocol leaves what clients say in their fields as it is.
 */
export function peerOf(socket: Endpoints, secure: boolean, proxies: TrustedProxies, proxied?: ProxiedConnection): Peer {
  const address = canonicalAddress(proxied?.source?.address ?? socket.remoteAddress ?? '') ?? 'unknown';
  return {
    address,
    proto: secure || proxied?.secure ? 'https' : 'http',
    port: proxied?.destination?.port ?? socket.localPort ?? (secure ? 443 : 80),
    trusted: (!proxied || proxied.source !== undefined) && proxies.trusts(address),
  };
}

/** An app of another tenant: it has a name instead of an address. */
export function callerPeer({ tenant, app }: Caller): Peer {
  return { address: `${tenant}/${app}`, proto: 'http', port: 80, trusted: false };
}

/** "unknown" as in RFC 7239 6: an address that is none could be taken for the machine's own. */
export function callerFields({ tenant, app }: Caller): string {
  return `x-tenantd-caller: ${tenant}/${app}\r\n${clientFields({ address: 'unknown', proto: 'http', port: 80 })}`;
}

/** The field lines that tell an app who its client is. One address, not the chain of proxies: what is left of it nobody vouches for. */
export function clientFields({ address, proto, port }: Client): string {
  return `x-forwarded-for: ${address}\r\nx-forwarded-proto: ${proto}\r\nx-forwarded-port: ${port}\r\n`;
}
