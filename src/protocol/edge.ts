/**
 * Between the daemon and the edge master, and, the same messages passed on, between the master and its edges.
 * The master connects to `edgeControlSocket` (edge-paths.ts); nothing else can open that directory.
 */
import { z } from 'zod';
import type { AppName, TenantName } from '../base/ids.ts';
import { maxReportedNames } from './edge-paths.ts';

/** What the master and each edge get as argv[2], as JSON: how they were started. */
export interface EdgeSettings {
  /** How many listening sockets were inherited, one an address of `http.listen`, and after them one an address of `https.listen`. */
  httpListeners: number;
  httpsListeners: number;
  /** Where plain http is sent to; undefined when there is no https. */
  httpsPort?: number;
  processes: number;
  /** Whose word about the client's address is taken, as CIDR blocks. */
  trustedProxies: readonly string[];
  /** Connections from trusted proxies begin with a PROXY header; those of everyone else must not. */
  proxyProtocol: boolean;
  /** By the size of one tenant's access log; undefined where none is written (tests). */
  accessLogs?: { maxBytes: number; keep: number };
  /** Instead of `edgeControlSocket`, `edgeSocketsDir` and `edgeLogsDir`, where there is no sandbox (tests). */
  controlSocket?: string;
  socketsDir?: string;
  logsDir?: string;
  gatewaysDir?: string;
  /** Another master serves: the sockets of gateways are not to be put in the place of its own before `take-calls`. */
  standby?: boolean;
}

/** argv[3]: the daemon starts the master, and leaves it out; the master starts edges with the same argv[2]. */
export type EdgeRole = 'master' | 'edge';

export interface Upstream {
  id: string;
  /** The Unix socket's path below `edgeSocketsDir`, as `<tenant>/<file>`. Several apps of a tenant may share one. */
  socket: string;
}

/**
 * `ready`: send requests to `upstreams`. `starting`: hold requests until it is ready, for `holdMs` at most, then 503.
 * `sleeping`: as `starting`, and tell the daemon with `wake-app` that somebody waits. `failed` and `quarantined`: 502. `stopped`: 503.
 */
export type AppRouteState = 'ready' | 'starting' | 'sleeping' | 'failed' | 'quarantined' | 'stopped';

/** Requests that neither wake an app nor keep it awake. While it sleeps the edge answers them: paths with 200, agents with 503. */
export interface NoWake {
  /** Whole paths, without the query. */
  paths: readonly string[];
  /** Parts of the `user-agent` field, in any case of letters. */
  agents: readonly string[];
}

export interface AppRoute {
  app: AppName;
  state: AppRouteState;
  upstreams: Upstream[];
  /** As in `x-tenantd-context` and the access log. */
  release: string;
  /** Its text answers are compressed for clients that take it. */
  compress: boolean;
  /** How long a request waits for it while it is starting or sleeping. Default: ten seconds. */
  holdMs?: number;
  /** Absent: every request wakes it. */
  noWake?: NoWake;
}

export interface PathRoute {
  /** Begins with `/`; matches itself and everything below it (`/api` matches `/api` and `/api/x`, not `/apix`). */
  prefix: string;
  app: AppName;
}

export type HostRoute =
  /** `host` is lower case, without port; `*.example.com` matches one label or more in front. */
  { host: string; paths: PathRoute[] } | { host: string; redirectTo: string };

/**
 * What a tenant's plan allows at the edge. Rates and counts are of all edges together: each keeps its equal share. 0 means no limit
 * for `requestsPerSecond`, `requestTimeoutMs` and `connectionsPerAddress`; nothing for the others.
 */
export interface RequestLimits {
  bodySizeBytes: number;
  /** Of a request's head, and of its target. */
  headSizeBytes: number;
  targetSizeBytes: number;
  requestsPerSecond: number;
  concurrentRequests: number;
  /** That may wait, for a short time, when so many are open. */
  queuedRequests: number;
  webSockets: number;
  /** Open connections of one client address to this tenant. */
  connectionsPerAddress: number;
  /** A connection without a request; a tunnel without a byte in either direction. */
  idleTimeoutMs: number;
  tunnelIdleTimeoutMs: number;
  /** From a request's end to its response's head. */
  responseTimeoutMs: number;
  /** From a request's head to its response's end. */
  requestTimeoutMs: number;
}

export interface TenantTls {
  /** Plain http goes to https for hosts that have a certificate. */
  redirect: boolean;
  /** `max-age` of Strict-Transport-Security (RFC 6797); 0 for none. */
  hstsSeconds: number;
}

/** Another tenant may call this app. */
export interface TenantGrant {
  to: TenantName;
  app: AppName;
}

/** All that the edge knows of one tenant but its certificates. Replaces what it knew before, at once. */
export interface TenantRoutes {
  tenant: TenantName;
  hosts: HostRoute[];
  apps: AppRoute[];
  limits: RequestLimits;
  tls: TenantTls;
  grants?: TenantGrant[];
  /** Shown on error pages. */
  brandName?: string;
  /** All its hosts answer 503, whatever the path; what is open goes on. */
  suspended?: boolean;
}

/** One certificate of a tenant, served for those of its names that are hosts of the tenant. */
export interface TenantCertificate {
  tenant: TenantName;
  /** One tenant's certificates are told apart by it; setting it again replaces it, and no connection notices. */
  id: string;
  /** PEM: the leaf first. */
  chain: string;
  /** PEM, not encrypted. */
  key: string;
}

/** Daemon -> master -> edges: notifications. */
export interface EdgeNotifications {
  /** Begins a full picture; tenants and certificates not set before `snapshot-end` are gone then. */
  'snapshot-begin': Record<string, never>;
  'snapshot-end': Record<string, never>;
  'set-tenant': TenantRoutes;
  'remove-tenant': { tenant: TenantName };
  /** One app's state and upstreams; open requests to upstreams that are no longer listed go on. */
  'set-app': { tenant: TenantName } & AppRoute;
  'set-certificate': TenantCertificate;
  'remove-certificate': { tenant: TenantName; id: string };
}

/** Master -> edges: notifications. Keys that all edges share; they live in the memory of the edges alone, and end with the master. */
export interface EdgeKeyNotifications {
  /** TLS session tickets (RFC 5077): 48 random bytes, in base64. Replaces the one before; tickets of that one are not taken any more. */
  'set-ticket-keys': { keys: string };
  /** The first one signs `x-tenantd-context`; all of them are published. Ed25519 private keys, PKCS #8 in base64. */
  'set-context-keys': { keys: { id: string; privateKey: string }[] };
}

/** What an edge answers to a CA for a host. One host has at most one of each type. */
export type EdgeChallenge =
  /** RFC 8555 8.3: the body of `/.well-known/acme-challenge/TOKEN`. */
  | { type: 'http-01'; host: string; token: string; keyAuthorization: string }
  /** RFC 8737: the certificate for handshakes with this name that offer the protocol `acme-tls/1`; PEM. */
  | { type: 'tls-alpn-01'; host: string; chain: string; key: string };

/** Daemon -> master -> edges: requests. */
export interface EdgeRequests {
  /** Answered when no request (tunnels not counted) is open at the upstream any more, or after `timeoutMs`. The upstream was unlisted before. */
  'drain-upstream': { params: { id: string; timeoutMs: number }; result: { drained: boolean } };
  /**
   * Each edge at which nothing of the app is open (requests, uploads, streams, tunnels), or waits, takes the app for `sleeping` from that
   * moment on. Asleep only if all did; `set-app` says afterwards how it is.
   */
  'let-sleep': { params: { tenant: TenantName; app: AppName }; result: { asleep: boolean } };
  /** Answered when every edge serves it. */
  'set-challenge': { params: EdgeChallenge; result: null };
  'remove-challenge': { params: { type: EdgeChallenge['type']; host: string }; result: null };
  /** Answered when every edge accepts, or with false when one of them ended before it did. */
  'await-accepting': { params: { timeoutMs: number }; result: { accepting: boolean } };
  /** What the next master is to know besides: shared keys and standing challenges, in no form that others need to read. */
  'hand-over': { params: Record<string, never>; result: { state: string } };
  /** Before the first snapshot: what the master before handed over. */
  'take-over': { params: { state: string }; result: null };
  /** From now on apps that call other tenants' come in by this master. */
  'take-calls': { params: Record<string, never>; result: null };
  /**
   * Stop accepting, finish what is open within `timeoutMs`, then exit. Connections that were not told of it get the answer to their next
   * request. Answered when none of the edges accepts any more.
   */
  retire: { params: { timeoutMs: number }; result: null };
  /** Stop accepting, finish what is open within `timeoutMs`, then exit. Also shortens the time of `retire`. */
  shutdown: { params: { timeoutMs: number }; result: null };
}

/** Master -> edges: requests of its own. */
export interface EdgeUseRequests {
  /** Apps of which something was open since it was asked last. */
  'take-use': { params: Record<string, never>; result: { apps: AppUse[] } };
}

/** Edges -> master -> daemon. */
export interface CertificateEvent {
  tenant: string;
  id: string;
  /** A sentence, when it can not be used. */
  problem?: string;
  /** For which hosts it can be used, else; wildcards as `*.example.com`, for one label (RFC 6125 6.4.3). */
  names?: readonly string[];
}

/** How often a grant was used since the last word on it. */
export interface GrantUse {
  /** Whose app was called. */
  tenant: string;
  app: string;
  /** Who called. */
  caller: string;
  callerApp: string;
  requests: number;
}

/** What of an app is open at the edges. */
export interface AppUse {
  tenant: string;
  app: string;
  /** Requests and tunnels at its workers. */
  open: number;
  /** Requests that wait for a place or a worker. */
  waiting: number;
}

/** Limits of a plan that the edge keeps, by their keys there. */
export const requestLimitNames = [
  ...['requestsPerSecond', 'concurrentRequests', 'connectionsPerAddress', 'webSockets', 'bodySize', 'headerSize', 'uriSize'],
  ...['responseTimeout', 'requestTimeout'],
] as const;
export type RequestLimitName = (typeof requestLimitNames)[number];

/** How often a tenant's clients hit one of them since the last word on it. Times are Unix times. */
export interface LimitHit {
  tenant: string;
  /** '' where the request had not come to one. */
  app: string;
  limit: RequestLimitName;
  count: number;
  firstAtMs: number;
  lastAtMs: number;
}

/** A tenant held up an edge again and again, the last time for `heldUpMs`. That edge has nothing to do with it for `asideMs`. */
export interface TenantStall {
  tenant: string;
  heldUpMs: number;
  asideMs: number;
}

/** Master -> daemon: notifications. Checked by the daemon. */
export const edgeEvents = {
  /** First message on every connection. */
  hello: z.strictObject({ version: z.string().max(64) }),
  /** An edge ended and was started again, and the like. */
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string().max(4096) }),
  /** A handshake for a name of a tenant that has no certificate; so many a second at most. */
  'handshake-without-certificate': z.strictObject({ name: z.string().max(255) }),
  'grant-use': z.strictObject({
    uses: z
      .array(
        z.strictObject({
          ...{ tenant: z.string().max(64), app: z.string().max(64), caller: z.string().max(64), callerApp: z.string().max(64) },
          requests: z.number().int().positive(),
        }),
      )
      .max(10_000),
  }),
  /** A request waits for an app that sleeps. Told again while one waits and the app sleeps on, so that no word that is lost matters. */
  'wake-app': z.strictObject({ tenant: z.string().max(64), app: z.string().max(64) }),
  /** Once a second: apps of which a request or tunnel was open since the last time, but for those that `noWake` names. */
  'app-use': z.strictObject({
    apps: z
      .array(
        z.strictObject({
          ...{ tenant: z.string().max(64), app: z.string().max(64) },
          /** Requests and tunnels that are open at its workers now, and requests that wait for a place or a worker. */
          ...{ open: z.number().int().nonnegative(), waiting: z.number().int().nonnegative() },
        }),
      )
      .max(10_000),
  }),
  /** Once a second, of those that were hit. */
  'limit-hits': z.strictObject({
    hits: z
      .array(
        z.strictObject({
          ...{ tenant: z.string().max(64), app: z.string().max(64), limit: z.enum(requestLimitNames) },
          ...{ count: z.number().int().positive(), firstAtMs: z.number().nonnegative(), lastAtMs: z.number().nonnegative() },
        }),
      )
      .max(10_000),
  }),
  'tenant-stall': z.strictObject({
    tenant: z.string().max(64),
    heldUpMs: z.number().nonnegative(),
    asideMs: z.number().positive().max(86_400_000),
  }),
  /** Whether a certificate that was set can be used; once for each edge and each time it is set. */
  certificate: z.strictObject({
    tenant: z.string().max(64),
    id: z.string().max(256),
    problem: z.string().max(1024).optional(),
    names: z.array(z.string().max(255)).max(maxReportedNames).optional(),
  }),
};
