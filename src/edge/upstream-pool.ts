import type { Socket } from 'node:net';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import type { Deadlines } from './deadlines.ts';
import type { EdgeLimits } from './limits.ts';
import { UpstreamConnection, type UpstreamUser } from './upstream-connection.ts';

/** So many failures in a row, other than to connect, which is one too many by itself, put a worker aside. */
const failuresBeforeAside = 3;
const asidePolicy: BackoffPolicy = { firstMs: 250, maxMs: 8_000, healthyMs: 0 };

export interface UpstreamPoolEvents {
  /** A new one, which is connecting. */
  onConnection: (socket: Socket) => void;
  /** It is neither listed nor in use. */
  onUnused: () => void;
}

/**
 * The connections to one worker.
 *
 * Invariants:
 * - `outstanding` is the number of connections that have a user; a tunnel counts among `tunnels` only.
 * - An unlisted upstream has no idle connections, and gets no new requests.
 * - One that is aside gets one request at a time, after longer and longer pauses, until one succeeds.
 */
export class UpstreamPool {
  outstanding = 0;
  tunnels = 0;
  readonly id: string;
  readonly path: string;
  /** How many apps list it. */
  private listings = 0;
  private failures = 0;
  private asideUntilMs = -Infinity;
  private readonly idle: UpstreamConnection[] = [];
  private readonly drainWaiters = new Set<() => void>();
  private readonly deadlines: Deadlines;
  private readonly limits: EdgeLimits;
  private readonly events: UpstreamPoolEvents;

  constructor(id: string, path: string, deadlines: Deadlines, limits: EdgeLimits, events: UpstreamPoolEvents) {
    this.id = id;
    this.path = path;
    this.deadlines = deadlines;
    this.limits = limits;
    this.events = events;
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
    if (this.outstanding === 0) this.events.onUnused();
  }

  get aside(): boolean {
    return this.asideUntilMs > this.deadlines.nowMs;
  }

  /** A request failed through the app's fault; `unreachable`: there was not even a connection. */
  noteFailure(unreachable: boolean): void {
    this.failures += unreachable ? failuresBeforeAside : 1;
    this.putAside();
  }

  /** A response began. */
  noteSuccess(): void {
    this.failures = 0;
    this.asideUntilMs = -Infinity;
  }

  /** The connection that was idle for the shortest time, or a new one. */
  acquire(user: UpstreamUser, fresh: boolean): UpstreamConnection {
    const connection = (fresh ? undefined : this.takeIdle()) ?? this.open();
    connection.user = user;
    connection.deadlineAtMs = Infinity;
    this.outstanding += 1;
    // Its time aside is over, and this request is the probe.
    this.putAside();
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
  giveAway(connection: UpstreamConnection, tunnel: UpstreamUser): void {
    connection.user = tunnel;
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
    this.events.onConnection(connection.socket);
    return connection;
  }

  private putAside(): void {
    if (this.failures < failuresBeforeAside) return;
    this.asideUntilMs = this.deadlines.nowMs + backoffDelayMs(asidePolicy, this.failures - failuresBeforeAside + 1);
  }

  private noteEnd(): void {
    this.outstanding -= 1;
    if (this.outstanding > 0) return;
    for (const onDrained of this.drainWaiters) onDrained();
    if (!this.listed) this.events.onUnused();
  }
}
