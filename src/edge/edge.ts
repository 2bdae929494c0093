import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { AddressCounts } from './address-counts.ts';
import type { AccessLogs } from './access-log.ts';
import type { Certificates } from './certificates.ts';
import { ClientConnection } from './client-connection.ts';
import { createContext, type EdgeContext } from './context.ts';
import type { FaultLog } from './fault-log.ts';
import type { Caller } from './gateways.ts';
import { Http2Client } from './http2-client.ts';
import { canonicalAddress } from './ip-address.ts';
import { defaultLimits, type EdgeLimits } from './limits.ts';
import { OpeningConnections } from './opening-connections.ts';
import type { ProxiedConnection } from './proxied-connection.ts';
import { readProxiedSocket } from './proxied-socket.ts';
import { createMissingCertificates } from './missing-certificates.ts';
import type { StallGuard } from './stall-guard.ts';
import { createTlsServer } from './tls-server.ts';
import type { WakesOptions } from './wakes.ts';

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
  /** Somebody waits for an app that sleeps. */
  tellWake?: WakesOptions['tell'];
  stallGuard?: StallGuard;
  reportFault: FaultLog;
}

/** The proxy: listeners, connections, routes. */
export interface Edge {
  readonly routes: EdgeContext['routes'];
  readonly certificates: Certificates;
  readonly challenges: EdgeContext['challenges'];
  /** Answers with the server, which tells its address. */
  listen(target: ListenOptions | { fd: number }, scheme: 'http' | 'https'): Promise<Server>;
  /** A connection of an app that calls another tenant's. */
  acceptCall(caller: Caller, socket: Socket): void;
  readonly grantUses: EdgeContext['grantUses'];
  readonly limitCounts: EdgeContext['limitCounts'];
  /** See EdgeKeyNotifications. */
  readonly contextTokens: EdgeContext['contextTokens'];
  readonly setTicketKeys: (keys: Buffer) => void;
  drainUpstream(id: string, timeoutMs: number): Promise<boolean>;
  /** As `shutdown`, but a connection that was not told of the end gets the answer to its next request. No longer accepts once it returns. */
  retire(timeoutMs: number): Promise<void>;
  /** Stops accepting, lets open requests end, and cuts what is left after `timeoutMs`; asked again, the shorter time counts. */
  shutdown(timeoutMs: number): Promise<void>;
}

/** A client's connection as the edge ends it. */
export interface ServedConnection {
  closeIfIdle(): void;
  /** As far as its protocol can say that it takes no new requests. */
  announceEnd(): void;
  /** Closes unless it serves a request; one whose head has not come whole is not served yet. */
  giveWay(): boolean;
  destroy(): void;
}

export function createEdge(options: EdgeOptions): Edge {
  const limits = { ...defaultLimits, ...options.limits };
  const context = createContext(options, limits);
  const connections = new Set<ServedConnection>();
  const callers = new AddressCounts();
  const servers: Server[] = [];
  const opening = new OpeningConnections(limits.openingConnections);
  const { promise: empty, resolve: settleEmpty } = Promise.withResolvers<void>();
  const onMissingCertificate = createMissingCertificates(options.tellMissingCertificate ?? (() => {}), () => performance.now());
  const tlsServer = createTlsServer({ ...context, onMissingCertificate, onConnection: acceptSecure });

  function accept(socket: Socket, scheme: 'http' | 'https'): void {
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    const hasHeader = options.proxyProtocol === true && context.trustedProxies.trusts(peer);
    if (scheme === 'http' && !hasHeader) return serve(socket, undefined);
    opening.add(socket);
    socket.once('close', settleIfEmpty);
    if (hasHeader) readHeader(socket, scheme, peer);
    else tlsServer.emit('connection', socket);
  }

  function readHeader(socket: Socket, scheme: 'http' | 'https', peer: string): void {
    const onRead = (proxied: ProxiedConnection): void => {
      opening.setProxied(socket, proxied);
      if (scheme === 'http') serve(socket, opening.take(socket));
      else tlsServer.emit('connection', socket);
    };
    readProxiedSocket(socket, limits.headMs, onRead, (fault) => {
      context.reportFault('warn', `a connection of the trusted proxy ${peer} was closed: ${fault}`);
    });
  }

  function acceptSecure(socket: TLSSocket): void {
    serve(socket, opening.take(socket));
  }

  function serve(socket: Socket, proxied: ProxiedConnection | undefined): void {
    if (!makeRoom(connections, limits.clientConnections)) return void socket.destroy();
    const isHttp2 = socket instanceof TLSSocket && socket.alpnProtocol === 'h2';
    const Connection = isHttp2 ? Http2Client : ClientConnection;
    connections.add(new Connection(context, socket, { proxied }, forget));
  }

  function serveCall(caller: Caller, socket: Socket): void {
    socket.once('close', () => callers.remove(caller.tenant));
    if (makeRoom(connections, limits.clientConnections)) connections.add(new ClientConnection(context, socket, { caller }, forget));
    else socket.destroy();
  }

  function forget(connection: ServedConnection): void {
    connections.delete(connection);
    settleIfEmpty();
  }

  /** Handshakes under way count while there is time for them. */
  function settleIfEmpty(): void {
    if (context.closing && connections.size === 0 && !(context.retiring && opening.size > 0)) settleEmpty();
  }

  async function end(timeoutMs: number, retiring: boolean): Promise<void> {
    context.closing = true;
    context.retiring = retiring;
    for (const server of servers.splice(0)) server.close();
    for (const connection of connections) {
      if (retiring) connection.announceEnd();
      else connection.closeIfIdle();
    }
    settleIfEmpty();
    const timer = setTimeout(settleEmpty, timeoutMs);
    await empty;
    clearTimeout(timer);
    for (const connection of connections) connection.destroy();
    context.deadlines.stop();
  }

  return {
    routes: context.routes,
    certificates: context.certificates,
    challenges: context.challenges,
    contextTokens: context.contextTokens,
    grantUses: context.grantUses,
    limitCounts: context.limitCounts,
    acceptCall(caller, socket) {
      socket.allowHalfOpen = true;
      options.stallGuard?.own(socket, caller.tenant);
      const isTaken = !options.stallGuard?.isAside(caller.tenant) && callers.tryAdd(caller.tenant, limits.callsPerTenant);
      if (isTaken) serveCall(caller, socket);
      else socket.destroy();
    },
    async listen(target, scheme) {
      const server = createServer(
        { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveProbeMs },
        (socket) => accept(socket, scheme),
      );
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
    retire: (timeoutMs) => end(timeoutMs, true),
    shutdown: (timeoutMs) => end(timeoutMs, false),
  };
}

/** A client that vanished without a word is noticed, also while an app has nothing to say to it. */
const keepAliveProbeMs = 60_000;

/** How many of the oldest connections are looked at for one that can go. */
const roomSteps = 64;

/** Over the limit an old connection that waits for a request makes room for the new one, so that idle ones never shut anybody out. */
function makeRoom(connections: Set<ServedConnection>, limit: number): boolean {
  if (connections.size < limit) return true;
  let steps = 0;
  for (const connection of connections) {
    connections.delete(connection);
    if (connection.giveWay()) return true;
    // In use: it is looked at last from now on, or some old tunnels would hide the idle connections behind them.
    connections.add(connection);
    if (++steps === roomSteps) break;
  }
  return false;
}
