import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { ClientConnection } from './client-connection.ts';
import { createContext, type EdgeContext } from './context.ts';
import type { FaultLog } from './fault-log.ts';
import { defaultLimits, type EdgeLimits } from './limits.ts';

export interface EdgeOptions {
  socketsDir: string;
  limits?: Partial<EdgeLimits>;
  reportFault: FaultLog;
}

/** The proxy: listeners, connections, routes. */
export interface Edge {
  readonly routes: EdgeContext['routes'];
  /** Answers with the server, which tells its address. */
  listen(target: ListenOptions | { fd: number }): Promise<Server>;
  drainUpstream(id: string, timeoutMs: number): Promise<boolean>;
  /** Stops accepting, lets open requests end, and cuts what is left after `timeoutMs`. */
  shutdown(timeoutMs: number): Promise<void>;
}

export function createEdge(options: EdgeOptions): Edge {
  const limits = { ...defaultLimits, ...options.limits };
  const context = createContext(options.socketsDir, limits, options.reportFault);
  const connections = new Set<ClientConnection>();
  const servers: Server[] = [];
  const { promise: empty, resolve: settleEmpty } = Promise.withResolvers<void>();

  function accept(socket: Socket): void {
    const connection = new ClientConnection(context, socket, forget);
    connections.add(connection);
  }

  function forget(connection: ClientConnection): void {
    connections.delete(connection);
    if (context.closing && connections.size === 0) settleEmpty();
  }

  return {
    routes: context.routes,
    async listen(target) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
      server.maxConnections = limits.clientConnections;
      servers.push(server);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject).listen(target, resolve);
      await promise;
      return server;
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
      for (const connection of connections) connection.socket.destroy();
      context.deadlines.stop();
    },
  };
}
