import type { Deadlines } from './deadlines.ts';
import type { EdgeLimits } from './limits.ts';
import { UpstreamConnection, type UpstreamUser } from './upstream-connection.ts';

/**
 * The connections to one worker.
 *
 * Invariants:
 * - `outstanding` is the number of connections that have a user; a tunnel counts among `tunnels` only.
 * - An unlisted upstream has no idle connections, and gets no new requests.
 */
export class UpstreamPool {
  outstanding = 0;
  tunnels = 0;
  readonly id: string;
  readonly path: string;
  /** How many apps list it. */
  private listings = 0;
  private readonly idle: UpstreamConnection[] = [];
  private readonly drainWaiters = new Set<() => void>();
  private readonly deadlines: Deadlines;
  private readonly limits: EdgeLimits;
  private readonly onUnused: () => void;

  /** `onUnused` is called when it is neither listed nor in use. */
  constructor(id: string, path: string, deadlines: Deadlines, limits: EdgeLimits, onUnused: () => void) {
    this.id = id;
    this.path = path;
    this.deadlines = deadlines;
    this.limits = limits;
    this.onUnused = onUnused;
  }

  get listed(): boolean {
    return this.listings > 0;
  }

  list(): void {
    this.listings += 1;
  }

  unlist(): void {
    this.listings -= 1;
    if (this.listed) return;
    for (const connection of this.idle.splice(0)) connection.socket.destroy();
    if (this.outstanding === 0) this.onUnused();
  }

  /** The connection that was idle for the shortest time, or a new one. */
  acquire(user: UpstreamUser, fresh: boolean): UpstreamConnection {
    const connection = (fresh ? undefined : this.takeIdle()) ?? this.open();
    connection.user = user;
    connection.deadlineAtMs = Infinity;
    this.outstanding += 1;
    return connection;
  }

  takeBack(connection: UpstreamConnection, reusable: boolean): void {
    if (reusable && this.listed && this.idle.length < this.limits.idleConnectionsPerUpstream) {
      connection.reused = true;
      connection.deadlineAtMs = this.deadlines.nowMs + this.limits.upstreamIdleMs;
      if (connection.socket.isPaused()) connection.socket.resume();
      this.idle.push(connection);
    } else connection.socket.destroy();
    this.noteEnd();
  }

  /** From now on it is a tunnel's: it lives as long as that, whatever becomes of the upstream's listing. */
  giveAway(connection: UpstreamConnection): void {
    connection.user = undefined;
    this.deadlines.forget(connection);
    this.tunnels += 1;
    connection.socket.once('close', () => (this.tunnels -= 1));
    this.noteEnd();
  }

  forget(connection: UpstreamConnection): void {
    this.deadlines.forget(connection);
    const index = this.idle.indexOf(connection);
    if (index !== -1) this.idle.splice(index, 1);
  }

  /** True when no request is open any more, false after the time limit. */
  drained(timeoutMs: number): Promise<boolean> {
    if (this.outstanding === 0) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const settle = (drained: boolean): void => {
      clearTimeout(timer);
      this.drainWaiters.delete(onDrained);
      resolve(drained);
    };
    const onDrained = (): void => settle(true);
    const timer = setTimeout(() => settle(false), timeoutMs);
    this.drainWaiters.add(onDrained);
    return promise;
  }

  private takeIdle(): UpstreamConnection | undefined {
    let connection = this.idle.pop();
    while (connection?.socket.destroyed) connection = this.idle.pop();
    return connection;
  }

  private open(): UpstreamConnection {
    const connection = new UpstreamConnection(this);
    this.deadlines.watch(connection);
    return connection;
  }

  private noteEnd(): void {
    this.outstanding -= 1;
    if (this.outstanding > 0) return;
    for (const onDrained of this.drainWaiters) onDrained();
    if (!this.listed) this.onUnused();
  }
}
