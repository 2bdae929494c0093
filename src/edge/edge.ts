import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AccessLogs } from './access-log.ts';
import type { Certificates } from './certificates.ts';
import { ClientConnection } from './client-connection.ts';
import { createContext, type EdgeContext } from './context.ts';
import type { FaultLog } from './fault-log.ts';
import { Http2Client } from './http2-client.ts';
import { defaultLimits, type EdgeLimits } from './limits.ts';
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
  reportFault: FaultLog;
}

/** The proxy: listeners, connections, routes. */
export interface Edge {
  readonly routes: EdgeContext['routes'];
  readonly certificates: Certificates;
  /** Answers with the server, which tells its address. */
  listen(target: ListenOptions | { fd: number }, scheme: 'http' | 'https'): Promise<Server>;
  /** See EdgeKeyNotifications. */
  readonly setTicketKeys: (keys: Buffer) => void;
  drainUpstream(id: string, timeoutMs: number): Promise<boolean>;
  /** Stops accepting, lets open requests end, and cuts what is left after `timeoutMs`. */
  shutdown(timeoutMs: number): Promise<void>;
}

/** A client's connection as the edge ends it. */
export interface ServedConnection {
  closeIfIdle(): void;
  destroy(): void;
}

export function createEdge(options: EdgeOptions): Edge {
  const limits = { ...defaultLimits, ...options.limits };
  const context = createContext(options, limits);
  const connections = new Set<ServedConnection>();
  const servers: Server[] = [];
  const { promise: empty, resolve: settleEmpty } = Promise.withResolvers<void>();
  const tlsServer = createTlsServer({ ...context, onConnection: acceptSecure });

  function accept(socket: Socket): void {
    connections.add(new ClientConnection(context, socket, forget));
  }

  function acceptSecure(socket: TLSSocket): void {
    if (socket.alpnProtocol === 'h2') connections.add(new Http2Client(context, socket, forget));
    else accept(socket);
  }

  function forget(connection: ServedConnection): void {
    connections.delete(connection);
    if (context.closing && connections.size === 0) settleEmpty();
  }

  return {
    routes: context.routes,
    certificates: context.certificates,
    async listen(target, scheme) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        if (scheme === 'http') accept(socket);
        else tlsServer.emit('connection', socket);
      });
      server.maxConnections = limits.clientConnections;
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
