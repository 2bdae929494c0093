import type { Socket } from 'node:net';
import type { ProxiedConnection } from './proxied-connection.ts';

interface Opening {
  socket: Socket;
  /** What a proxy said of it. */
  proxied: ProxiedConnection | undefined;
}

/**
 * Connections that are not served yet: a PROXY header or a TLS handshake is under way. An honest one takes a moment, so over the limit
 * the oldest goes.
 *
 * Invariant: a connection is here from when it is added until it is taken, or closed.
 */
export class OpeningConnections {
  private readonly byEnds = new Map<string, Opening>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.byEnds.size;
  }

  add(socket: Socket): void {
    const ends = endsOf(socket);
    const [oldest] = this.byEnds.values();
    if (this.byEnds.size >= this.limit) oldest?.socket.destroy();
    this.byEnds.set(ends, { socket, proxied: undefined });
    socket.once('close', () => {
      if (this.byEnds.get(ends)?.socket === socket) this.byEnds.delete(ends);
    });
  }

  setProxied(socket: Socket, proxied: ProxiedConnection): void {
    const opening = this.byEnds.get(endsOf(socket));
    if (opening) opening.proxied = proxied;
  }

  /** It is served from now on. `socket` may be the TLS one of what was added. */
  take(socket: Socket): ProxiedConnection | undefined {
    const ends = endsOf(socket);
    const opening = this.byEnds.get(ends);
    this.byEnds.delete(ends);
    return opening?.proxied;
  }
}

/** Both ends: one proxy may reach two listeners of ours from one port. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
