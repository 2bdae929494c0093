import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { countingKey } from './address-counts.ts';
import type { AppTarget } from './app-target.ts';
import { callerFields, callerPeer, clientFields, type Peer, peerOf } from './client-address.ts';
import type { EdgeContext } from './context.ts';
import type { Caller } from './gateways.ts';
import type { ProxiedConnection } from './proxied-connection.ts';
import type { TenantState } from './tenant-state.ts';

/** How a connection came here, if not from its peer by TCP. */
export interface ConnectionOrigin {
  /** A proxy in front told. */
  proxied?: ProxiedConnection | undefined;
  caller?: Caller;
}

/**
 * What is known of a client's connection, whatever comes over it.
 *
 * Invariant: counted for at most one tenant, the one of its last request, until it is closed.
 */
export class ConnectionFacts {
  readonly peer: Peer;
  /** The host name that the TLS handshake named, lower case. */
  readonly serverName: string | undefined;
  /** `TLSv1.3`, say; empty without TLS. */
  readonly tlsVersion: string;
  /** Whole field lines that tell an app who its client is, unless a trusted proxy says more. */
  readonly clientFields: string;
  /** It came over the gateway of an app, which nobody else can reach. */
  readonly caller: Caller | undefined;
  /** `globex/web`, of that app. */
  readonly callerName: string | undefined;
  /** Which app the caller called last. */
  called: AppTarget | undefined = undefined;
  private tenant: TenantState | undefined = undefined;
  private key: string | undefined = undefined;

  constructor(edge: EdgeContext, socket: Socket, origin: ConnectionOrigin = {}) {
    const secure = socket instanceof TLSSocket;
    this.caller = origin.caller;
    this.callerName = origin.caller && `${origin.caller.tenant}/${origin.caller.app}`;
    this.peer = origin.caller ? callerPeer(origin.caller) : peerOf(socket, secure, edge.trustedProxies, origin.proxied);
    this.serverName = secure && typeof socket.servername === 'string' ? socket.servername.toLowerCase() : undefined;
    this.tlsVersion = secure ? (socket.getProtocol() ?? '') : '';
    this.clientFields = origin.caller ? callerFields(origin.caller) : clientFields(this.peer);
  }

  /** False when its client has as many connections to the tenant as one may have. A proxy of ours is no client. */
  enterTenant(tenant: TenantState): boolean {
    if (this.tenant === tenant || this.peer.trusted) return true;
    this.leaveTenant();
    this.key ??= countingKey(this.peer.address);
    if (!tenant.addresses.tryAdd(this.key, tenant.limits.connectionsPerAddress)) return false;
    this.tenant = tenant;
    return true;
  }

  /** The connection is closed. */
  leaveTenant(): void {
    if (this.key !== undefined) this.tenant?.addresses.remove(this.key);
    this.tenant = undefined;
  }
}
