/**
 * Between the daemon and the edge master, and, the same messages passed on, between the master and its edges.
 * The master connects to `edgeControlSocket` (edge-paths.ts); nothing else can open that directory.
 */
import { z } from 'zod';
import type { AppName, TenantName } from '../base/ids.ts';

/** What the master and each edge get as argv[2], as JSON: how they were started. */
export interface EdgeSettings {
  /** How many listening sockets were inherited, one an address of `http.listen`. */
  httpListeners: number;
  processes: number;
  /** Instead of `edgeControlSocket` and `edgeSocketsDir`, where there is no sandbox (tests). */
  controlSocket?: string;
  socketsDir?: string;
}

/** argv[3]: the daemon starts the master, and leaves it out; the master starts edges with the same argv[2]. */
export type EdgeRole = 'master' | 'edge';

export interface Upstream {
  id: string;
  /** The Unix socket's path below `edgeSocketsDir`, as `<tenant>/<file>`. Several apps of a tenant may share one. */
  socket: string;
}

/**
 * `ready`: send requests to `upstreams`. `starting`: hold requests until it is ready, for ten seconds at most, then 503.
 * `failed`: 502. `stopped`: 503.
 */
export type AppRouteState = 'ready' | 'starting' | 'failed' | 'stopped';

export interface AppRoute {
  app: AppName;
  state: AppRouteState;
  upstreams: Upstream[];
}

export interface PathRoute {
  /** Begins with `/`; matches itself and everything below it (`/api` matches `/api` and `/api/x`, not `/apix`). */
  prefix: string;
  app: AppName;
}

export type HostRoute =
  /** `host` is lower case, without port; `*.example.com` matches one label or more in front. */
  { host: string; paths: PathRoute[] } | { host: string; redirectTo: string };

/** All that the edge knows of one tenant. Replaces what it knew before, at once. */
export interface TenantRoutes {
  tenant: TenantName;
  hosts: HostRoute[];
  apps: AppRoute[];
  bodySizeBytes: number;
  /** Shown on error pages. */
  brandName?: string;
}

/** Daemon -> master -> edges: notifications. */
export interface EdgeNotifications {
  /** Begins a full picture; tenants not set before `snapshot-end` are gone then. */
  'snapshot-begin': Record<string, never>;
  'snapshot-end': Record<string, never>;
  'set-tenant': TenantRoutes;
  'remove-tenant': { tenant: TenantName };
  /** One app's state and upstreams; open requests to upstreams that are no longer listed go on. */
  'set-app': { tenant: TenantName } & AppRoute;
}

/** Daemon -> master -> edges: requests. */
export interface EdgeRequests {
  /** Answered when no request (tunnels not counted) is open at the upstream any more, or after `timeoutMs`. The upstream was unlisted before. */
  'drain-upstream': { params: { id: string; timeoutMs: number }; result: { drained: boolean } };
  /** Stop accepting, finish what is open within `timeoutMs`, then exit. */
  shutdown: { params: { timeoutMs: number }; result: null };
}

/** Master -> daemon: notifications. Checked by the daemon. */
export const edgeEvents = {
  /** First message on every connection. */
  hello: z.strictObject({ version: z.string().max(64) }),
  /** An edge ended and was started again, and the like. */
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string().max(4096) }),
};
