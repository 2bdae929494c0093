import { connect, type Socket } from 'node:net';
import type { Deadline } from './deadlines.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/** Who has a connection for the moment. */
export interface UpstreamUser {
  onUpstreamData(bytes: Buffer): void;
  /** The app closed its direction. */
  onUpstreamEnd(): void;
  onUpstreamGone(error: Error | undefined): void;
  onUpstreamDrain(): void;
}

/**
 * What all connections are read into, one read after another: a buffer for each read would cost more than the copy out of it. Nothing
 * is left in it when a read has been told.
 */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * One connection to a worker's Unix socket.
 *
 * Invariants:
 * - With a user it counts as outstanding at its pool, without one it is idle there or destroyed.
 * - Anything that comes while it is idle destroys it: bytes beyond a response's end must never meet the next request.
 */
export class UpstreamConnection implements Deadline {
  deadlineAtMs = Infinity;
  readonly socket: Socket;
  readonly pool: UpstreamPool;
  user: UpstreamUser | undefined = undefined;
  connected = false;
  /** It carried a request before. */
  reused = false;
  private error: Error | undefined = undefined;

  constructor(pool: UpstreamPool) {
    this.pool = pool;
    this.socket = connect({
      path: pool.path,
      allowHalfOpen: true,
      onread: { buffer: readBuffer, callback: (byteCount) => this.receive(Buffer.from(readBuffer.subarray(0, byteCount))) },
    });
    this.socket
      .on('connect', () => (this.connected = true))
      .on('end', () => this.receiveEnd())
      .on('drain', () => this.user?.onUpstreamDrain())
      .on('error', (error) => (this.error = error))
      .on('close', () => this.receiveClose());
  }

  /** Gives it back. Only a connection whose response and request both ended cleanly is `reusable`. */
  release(reusable: boolean): void {
    this.user = undefined;
    this.pool.takeBack(this, reusable && !this.socket.destroyed);
  }

  onDeadline(): void {
    if (!this.user) this.socket.destroy();
  }

  private receive(bytes: Buffer): true {
    if (this.user) this.user.onUpstreamData(bytes);
    else this.socket.destroy();
    return true;
  }

  private receiveEnd(): void {
    if (this.user) this.user.onUpstreamEnd();
    else this.socket.destroy();
  }

  private receiveClose(): void {
    this.pool.forget(this);
    this.user?.onUpstreamGone(this.error);
  }
}
