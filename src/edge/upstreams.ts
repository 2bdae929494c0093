import { join } from 'node:path';
import type { Upstream } from '../protocol/edge.ts';
import type { Deadlines } from './deadlines.ts';
import type { EdgeLimits } from './limits.ts';
import type { StallGuard } from './stall-guard.ts';
import { UpstreamPool } from './upstream-pool.ts';

/** Every upstream that an app lists, and those unlisted ones on which a request is still open. */
export class Upstreams {
  private readonly bySocket = new Map<string, UpstreamPool>();
  private readonly socketsDir: string;
  private readonly deadlines: Deadlines;
  private readonly limits: EdgeLimits;
  private readonly guard: StallGuard | undefined;

  constructor(socketsDir: string, deadlines: Deadlines, limits: EdgeLimits, guard?: StallGuard) {
    this.socketsDir = socketsDir;
    this.deadlines = deadlines;
    this.limits = limits;
    this.guard = guard;
  }

  /** Lists one more time; ends with `unlist` of the pool. By socket, not id: the one of static apps keeps its id at a new socket. */
  list(upstream: Upstream): UpstreamPool {
    const known = this.bySocket.get(upstream.socket);
    const pool = known?.id === upstream.id ? known : this.open(upstream);
    pool.list();
    return pool;
  }

  async drain(id: string, timeoutMs: number): Promise<boolean> {
    const pools = [...this.bySocket.values()].filter((pool) => pool.id === id);
    const drained = await Promise.all(pools.map((pool) => pool.drained(timeoutMs)));
    return drained.every(Boolean);
  }

  private open({ id, socket }: Upstream): UpstreamPool {
    const [tenant = ''] = socket.split('/');
    const pool: UpstreamPool = new UpstreamPool(id, join(this.socketsDir, socket), this.deadlines, this.limits, {
      onConnection: (connection) => this.guard?.own(connection, tenant),
      onUnused: () => {
        if (this.bySocket.get(socket) === pool) this.bySocket.delete(socket);
      },
    });
    this.bySocket.set(socket, pool);
    return pool;
  }
}
