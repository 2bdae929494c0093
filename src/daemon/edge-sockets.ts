import type { ListenAddress } from '../config/addresses.ts';
import type { ProcessIdentity } from '../privileged/processes.ts';
import { bindTcpSocket, type InheritableSocket } from '../privileged/sockets.ts';
import { takeListeningSockets } from '../privileged/take-sockets.ts';
import { firstListenerFd } from '../protocol/edge-paths.ts';

/**
 * The listening sockets of the edges, by address.
 *
 * Invariant: one that is held stays open whatever becomes of the edges, so that what waits at it waits for the next ones.
 */
export class EdgeSockets {
  private readonly held = new Map<string, InheritableSocket>();
  private readonly perl: string;

  constructor(perl: string) {
    this.perl = perl;
  }

  /** Those at `addresses` that an edge master has, in that order from its first listener on, and that are not held yet. */
  async takeFrom(master: ProcessIdentity, addresses: readonly ListenAddress[]): Promise<void> {
    const missing = addresses.flatMap((address, index) =>
      this.held.has(keyOf(address)) ? [] : [{ fd: firstListenerFd + index, port: address.port, key: keyOf(address) }],
    );
    if (missing.length === 0) return;
    const taken = await takeListeningSockets(this.perl, master, missing);
    for (const [index, socket] of taken.entries()) this.held.set(missing[index]?.key ?? '', socket);
  }

  /** What was bound before one of them was found busy stays. */
  bind(addresses: readonly ListenAddress[]): number[] {
    return addresses.map((address) => {
      const socket = this.held.get(keyOf(address)) ?? bindTcpSocket(address);
      this.held.set(keyOf(address), socket);
      return socket.fd;
    });
  }

  keepOnly(addresses: readonly ListenAddress[]): void {
    const wanted = new Set(addresses.map(keyOf));
    for (const [key, socket] of this.held) {
      if (wanted.has(key)) continue;
      socket.close();
      this.held.delete(key);
    }
  }
}

function keyOf({ host, port }: ListenAddress): string {
  return `${host} ${port}`;
}
