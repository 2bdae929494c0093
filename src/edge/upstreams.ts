import { join } from 'node:path';
import type { Upstream } from '../protocol/edge.ts';
import type { Deadlines } from './deadlines.ts';
import type { EdgeLimits } from './limits.ts';
import { UpstreamPool } from './upstream-pool.ts';

/** Every upstream that an app lists, and those unlisted ones on which a request is still open. */
export class Upstreams {
  private readonly bySocket = new Map<string, UpstreamPool>();
  private readonly socketsDir: string;
  private readonly deadlines: Deadlines;
  private readonly limits: EdgeLimits;

  constructor(socketsDir: string, deadlines: Deadlines, limits: EdgeLimits) {
    this.socketsDir = socketsDir;
    this.deadlines = deadlines;
    this.limits = limits;
  }

  /** Lists one more time; ends with `unlist`. By socket, not id: a host's static apps keep their id when the host is started anew. */
  list(upstream: Upstream): UpstreamPool {
    const known = this.bySocket.get(upstream.socket);
    const pool =
      known?.id === upstream.id ? known : new UpstreamPool(upstream.id, join(this.socketsDir, upstream.socket), this.deadlines, this.limits);
    this.bySocket.set(upstream.socket, pool);
    pool.list();
    return pool;
  }

  unlist(pool: UpstreamPool): void {
    pool.unlist();
    this.sweep();
  }

  async drain(id: string, timeoutMs: number): Promise<boolean> {
    const pools = [...this.bySocket.values()].filter((pool) => pool.id === id);
    const drained = await Promise.all(pools.map((pool) => pool.drained(timeoutMs)));
    this.sweep();
    return drained.every(Boolean);
  }

  private sweep(): void {
    for (const [socket, pool] of this.bySocket) if (!pool.listed && pool.outstanding === 0) this.bySocket.delete(socket);
  }
}
