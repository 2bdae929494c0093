import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { AccessLogs } from './access-log.ts';
import type { Certificates } from './certificates.ts';
import { ClientConnection } from './client-connection.ts';
import { createContext, type EdgeContext } from './context.ts';
import type { FaultLog } from './fault-log.ts';
import { Http2Client } from './http2-client.ts';
import { canonicalAddress } from './ip-address.ts';
import { defaultLimits, type EdgeLimits } from './limits.ts';
import type { ProxiedConnection } from './proxied-connection.ts';
import { readProxiedSocket } from './proxied-socket.ts';
import { createMissingCertificates } from './missing-certificates.ts';
import { createTlsServer } from './tls-server.ts';

export interface EdgeOptions {
  socketsDir: string;
  limits?: Partial<EdgeLimits>;
  /** Where plain http is sent to; undefined when there is no https. */
  httpsPort?: number | undefined;
  trustedProxies?: readonly string[];
  /** Every connection of a trusted proxy begins with a PROXY header. */
  proxyProtocol?: boolean;
  /** Of how many edges this is one: each has its equal share of what a tenant may do. */
  processes?: number;
  accessLogs?: AccessLogs | undefined;
  /** Of a tenant's host for which a client came, and there was no certificate. */
  tellMissingCertificate?: (host: string) => void;
  reportFault: FaultLog;
}

/** The proxy: listeners, connections, routes. */
export interface Edge {
  readonly routes: EdgeContext['routes'];
  readonly certificates: Certificates;
  readonly challenges: EdgeContext['challenges'];
  /** Answers with the server, which tells its address. */
  listen(target: ListenOptions | { fd: number }, scheme: 'http' | 'https'): Promise<Server>;
  /** See EdgeKeyNotifications. */
  readonly contextTokens: EdgeContext['contextTokens'];
  readonly setTicketKeys: (keys: Buffer) => void;
  drainUpstream(id: string, timeoutMs: number): Promise<boolean>;
  /** Stops accepting, lets open requests end, and cuts what is left after `timeoutMs`. */
  shutdown(timeoutMs: number): Promise<void>;
}

/** A client's connection as the edge ends it. */
export interface ServedConnection {
  closeIfIdle(): void;
  /** Closes unless it serves a request; one whose head has not come whole is not served yet. */
  giveWay(): boolean;
  destroy(): void;
}

export function createEdge(options: EdgeOptions): Edge {
  const limits = { ...defaultLimits, ...options.limits };
  const context = createContext(options, limits);
  const connections = new Set<ServedConnection>();
  const servers: Server[] = [];
  /** What proxies said of connections on which TLS begins. */
  const handshakes = new Map<string, ProxiedConnection>();
  const { promise: empty, resolve: settleEmpty } = Promise.withResolvers<void>();
  const onMissingCertificate = createMissingCertificates(options.tellMissingCertificate ?? (() => {}), () => performance.now());
  const tlsServer = createTlsServer({ ...context, onMissingCertificate, onConnection: acceptSecure });

  function accept(socket: Socket, scheme: 'http' | 'https'): void {
    if (!makeRoom(connections, limits.clientConnections)) return void socket.destroy();
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    if (!options.proxyProtocol || !context.trustedProxies.trusts(peer)) begin(socket, scheme, undefined);
    else
      readProxiedSocket(
        socket,
        limits.headMs,
        (proxied) => begin(socket, scheme, proxied),
        (fault) => refuseProxied(peer, fault),
      );
  }

  function refuseProxied(peer: string, fault: string): void {
    context.reportFault('warn', `a connection of the trusted proxy ${peer} was closed: ${fault}`);
  }

  function begin(socket: Socket, scheme: 'http' | 'https', proxied: ProxiedConnection | undefined): void {
    if (scheme === 'http') return serve(socket, proxied);
    if (proxied) {
      const endpoints = endpointsOf(socket);
      handshakes.set(endpoints, proxied);
      socket.once('close', () => handshakes.delete(endpoints));
    }
    tlsServer.emit('connection', socket);
  }

  function acceptSecure(socket: TLSSocket): void {
    serve(socket, handshakes.get(endpointsOf(socket)));
  }

  function serve(socket: Socket, proxied: ProxiedConnection | undefined): void {
    const isHttp2 = socket instanceof TLSSocket && socket.alpnProtocol === 'h2';
    const Connection = isHttp2 ? Http2Client : ClientConnection;
    connections.add(new Connection(context, socket, proxied, forget));
  }

  function forget(connection: ServedConnection): void {
    connections.delete(connection);
    if (context.closing && connections.size === 0) settleEmpty();
  }

  return {
    routes: context.routes,
    certificates: context.certificates,
    challenges: context.challenges,
    contextTokens: context.contextTokens,
    async listen(target, scheme) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accept(socket, scheme));
      // Those that have not got through their handshake count too.
      server.maxConnections = 2 * limits.clientConnections;
      servers.push(server);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject).listen(target, resolve);
      await promise;
      return server;
    },
    setTicketKeys: (keys) => {
      tlsServer.setTicketKeys(keys);
    },
    drainUpstream: (id, timeoutMs) => context.upstreams.drain(id, timeoutMs),
    async shutdown(timeoutMs) {
      context.closing = true;
      for (const server of servers) server.close();
      for (const connection of connections) connection.closeIfIdle();
      if (connections.size === 0) settleEmpty();
      const timer = setTimeout(settleEmpty, timeoutMs);
      await empty;
      clearTimeout(timer);
      for (const connection of connections) connection.destroy();
      context.deadlines.stop();
    },
  };
}

/** How many of the oldest connections are looked at for one that can go. */
const roomSteps = 64;

/** Over the limit an old connection that waits for a request makes room for the new one, so that idle ones never shut anybody out. */
function makeRoom(connections: ReadonlySet<ServedConnection>, limit: number): boolean {
  if (connections.size < limit) return true;
  let steps = 0;
  for (const connection of connections) {
    if (connection.giveWay()) return true;
    if (++steps === roomSteps) break;
  }
  return false;
}

/** Both ends: one proxy may reach two listeners of ours from one port. */
function endpointsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
