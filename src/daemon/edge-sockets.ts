import type { ListenAddress } from '../config/addresses.ts';
import type { ProcessIdentity } from '../privileged/processes.ts';
import { bindTcpSocket, type InheritableSocket } from '../privileged/sockets.ts';
import { takeListeningSockets } from '../privileged/take-sockets.ts';
import { firstListenerFd } from '../protocol/edge-paths.ts';
import type { ServiceManager } from './notify.ts';

/** Keeps copies of them while no daemon is there, and gave back what it had kept. */
export type SocketKeeper = Pick<ServiceManager, 'kept' | 'keepSocket' | 'dropSocket'>;

/**
 * The listening sockets of the edges, by address.
 *
 * Invariants:
 * - One that is held stays open whatever becomes of the edges, so that what waits at it waits for the next ones.
 * - What the keeper has is what is held.
 */
export class EdgeSockets {
  private readonly held = new Map<string, { address: ListenAddress; socket: InheritableSocket }>();
  private readonly perl: string;
  private readonly keeper: SocketKeeper;

  constructor(perl: string, keeper: SocketKeeper) {
    this.perl = perl;
    this.keeper = keeper;
    for (const { address, socket } of keeper.kept) this.held.set(keyOf(address), { address, socket });
  }

  /** Those at `addresses` that an edge master has, in that order from its first listener on, and that are not held yet. */
  async takeFrom(master: ProcessIdentity, addresses: readonly ListenAddress[]): Promise<void> {
    const missing = addresses.flatMap((address, index) =>
      this.held.has(keyOf(address)) ? [] : [{ fd: firstListenerFd + index, port: address.port, address }],
    );
    if (missing.length === 0) return;
    const taken = await takeListeningSockets(this.perl, master, missing);
    for (const [index, socket] of taken.entries()) {
      const address = missing[index]?.address;
      if (address) this.hold(address, socket);
    }
  }

  /** What was bound before one of them was found busy stays. */
  bind(addresses: readonly ListenAddress[]): number[] {
    return addresses.map((address) => {
      const { socket } = this.held.get(keyOf(address)) ?? this.hold(address, bindTcpSocket(address));
      return socket.fd;
    });
  }

  keepOnly(addresses: readonly ListenAddress[]): void {
    const wanted = new Set(addresses.map(keyOf));
    for (const [key, { address, socket }] of this.held) {
      if (wanted.has(key)) continue;
      socket.close();
      this.held.delete(key);
      this.keeper.dropSocket(address);
    }
  }

  private hold(address: ListenAddress, socket: InheritableSocket): { socket: InheritableSocket } {
    const held = { address, socket };
    this.held.set(keyOf(address), held);
    this.keeper.keepSocket(address, socket);
    return held;
  }
}

function keyOf({ host, port }: ListenAddress): string {
  return `${host} ${port}`;
}
