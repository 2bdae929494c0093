import { socketBacklog } from '../protocol/worker.ts';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Bridge {
  /** Stops accepting; answers when what is open has ended. */
  close(): Promise<void>;
}

/** Passes each connection on `fd` to the address that `findTarget` gives; undefined refuses it. */
export function createBridge(
  fd: number,
  findTarget: () => Promise<{ host: string; port: number } | undefined>,
  onListening: () => void,
): Bridge {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy());
    void findTarget().then((target) => (target ? join(client, target) : client.destroy()));
  });
  server.listen({ fd }, socketBacklog, onListening);
  return { close: () => closeServer(server) };
}

/** `pipe` holds back the faster side, and passes the end of one direction on while the other goes on. */
function join(client: Socket, target: { host: string; port: number }): void {
  if (client.destroyed) return;
  const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
  const endBoth = (): void => {
    client.destroy();
    upstream.destroy();
  };
  upstream.on('error', endBoth);
  client.on('error', endBoth);
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroySoon());
  client.pipe(upstream);
  upstream.pipe(client);
}

function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}
