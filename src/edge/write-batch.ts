import type { Socket } from 'node:net';

/**
 * Joins what one turn of the event loop writes: each socket gets its share in one system call at the turn's end. A peer that is
 * woken by the first of many writes finds the others when it comes for them, so that under load most wake nobody; and a head and
 * the pieces behind it leave together. Without load the turn is over at once.
 */
export class WriteBatch {
  private sockets: Socket[] = [];
  private readonly flushAll = (): void => this.flush();

  /** What is written to it from now on goes out at the turn's end. `end` and more than its high-water mark do not wait. */
  join(socket: Socket): void {
    if (socket.writableCorked > 0) return;
    socket.cork();
    if (this.sockets.push(socket) === 1) setImmediate(this.flushAll);
  }

  private flush(): void {
    const { sockets } = this;
    this.sockets = [];
    for (const socket of sockets) socket.uncork();
  }
}
