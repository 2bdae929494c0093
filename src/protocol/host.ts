/**
 * Between the daemon and a tenant host. The host connects to `hostControlSocket`; the directory is that tenant's alone,
 * so the connection itself proves the tenant. It proves no app: whatever a host says is capped and clamped.
 */
import { z } from 'zod';
import type { AppName, TenantName, WorkerId } from '../base/ids.ts';

export { hostPaths } from './host-paths.ts';

export interface HostSettings {
  tenant: TenantName;
  logMaxBytes: number;
  logKeep: number;
}

/** Asked every `intervalMs`; `failures` (3) in a row without 2xx or 3xx within `timeoutMs` (5,000), and the worker is replaced. */
export interface HealthSpec {
  path: string;
  intervalMs: number;
  timeoutMs?: number;
  failures?: number;
}

/** What the daemon wants of one app. */
export interface AppSpec {
  app: AppName;
  kind: 'node' | 'static' | 'command';
  desired: 'running' | 'stopped';
  /** Workers of another generation than this are to be replaced: new beside old, then the old are stopped. */
  generation: number;
  workers: number;
  /** Over `workers`: as many as there may be under load. Absent: no more than `workers`. */
  maxWorkers?: number;
  /** From a worker's start until it must listen, and its health path must have answered. */
  startTimeoutMs: number;
  /** Its health path must answer 2xx or 3xx before a worker counts as ready. */
  health?: HealthSpec;
  /** Without `health`: a ready worker that was silent for so long is hung. Default: a minute. More where it has less than one processor. */
  hungAfterMs?: number;
  /** kind static: the folder to serve, relative to the app's folder. Of another kind: what it serves until its first workers are ready. */
  staticRoot?: string;
}

/** A worker that lives now, as the daemon knows it. */
export interface WorkerInfo {
  workerId: WorkerId;
  app: AppName;
  generation: number;
  /** File name below `hostPaths.socketsDir`. */
  socket: string;
  startedAtMs: number;
  /** It was ready before this host was started. */
  ready: boolean;
}

/** Daemon -> host: requests. */
export interface HostRequests {
  /** The whole picture; sent first on every connection and after every change. `workers` holds those that live. */
  configure: { params: { settings: HostSettings; apps: AppSpec[]; workers: WorkerInfo[] }; result: null };
  /** Answered when the host has read the last of what the worker printed. */
  'worker-exited': { params: { workerId: WorkerId; exitCode: number | null; outOfMemory: boolean; detail?: string }; result: null };
  /**
   * One GET of the app by the supervisor, within `timeoutMs` from now, once a worker is ready. Answered at once; how it ended comes as
   * `schedule-ended`, also after the daemon was away. A run that this host had already is not run again; its end is told again.
   */
  'run-schedule': { params: { app: AppName; runId: string; schedule: string; path: string; timeoutMs: number }; result: null };
  'read-logs': { params: LogQuery; result: LogPage };
  /**
   * What is behind `after`, and then what comes, in `log-lines` notifications that carry `followId`, until `unfollow-logs`. With
   * `linesPerSecond` what is more is left out; else it waits in the files.
   */
  'follow-logs': {
    params: { app?: AppName; followId: number; after: LogPositions; since?: string; linesPerSecond?: number };
    result: null;
  };
  'unfollow-logs': { params: { followId: number }; result: null };
  /** Flush and close the logs, exit. Its workers are ended by the daemon. */
  shutdown: { params: Record<string, never>; result: null };
}

/** Daemon -> host: notifications. */
export interface HostNotifications {
  /** Of apps with more `maxWorkers` than `workers`, once a second while they are used: what the edge counts of each. */
  'app-load': { apps: { app: AppName; open: number; waiting: number }[] };
}

export const logLine = z.strictObject({
  time: z.iso.datetime(),
  /** In its app's log: from 1 on, without gaps. */
  position: z.number().int().positive(),
  app: z.string().max(32),
  worker: z.string().max(64),
  line: z.string().max(16_384),
});
export type LogLine = z.infer<typeof logLine>;

/** Of each app: the last line that was read. Of an app that is not in it, nothing was. There may be logs of apps that are gone. */
export const logPositions = z
  .record(z.string().max(32), z.number().int().nonnegative())
  .refine((positions) => Object.keys(positions).length <= 1_000, 'positions of more than 1,000 logs');
export type LogPositions = z.infer<typeof logPositions>;

/** Which lines: all that fit are read, the oldest first. */
export interface LogQuery {
  app?: AppName | undefined;
  /** The newest of all; absent: no such limit. */
  lines?: number | undefined;
  /** ISO 8601, UTC, both. */
  since?: string | undefined;
  until?: string | undefined;
  /** Goes on from there. */
  after?: LogPositions | undefined;
}

export const logPage = z.object({
  lines: z.array(logLine).max(10_000),
  positions: logPositions,
  /** Lines that were removed before they were read. */
  dropped: z.number().int().nonnegative(),
  /** There is another page now: ask again with `after: positions`. */
  more: z.boolean(),
});
export type LogPage = z.infer<typeof logPage>;

const workerId = z.string().regex(/^[a-z][a-z0-9-]{0,31}\.[a-z0-9]{1,12}$/) as unknown as z.ZodType<WorkerId>;
const appName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/) as unknown as z.ZodType<AppName>;

/** Host -> daemon: requests, checked by the daemon. */
export const hostCalls = {
  /** Result: WorkerInfo. Refused while the app has its full number of workers twice over, or is stopped. */
  'start-worker': z.strictObject({ app: appName }),
  /**
   * Ends it: no new requests, open ones finished (up to the app's drain time), SIGTERM, drain time, SIGKILL. Answered at once.
   * `hung`: it answers nothing, nor does it hear SIGTERM, so nothing is to be waited for but a second or two.
   */
  'stop-worker': z.strictObject({ workerId, reason: z.string().max(500), hung: z.boolean().optional() }),
  /** No new requests for it from now on; it goes on (a schedule's run), until `stop-worker` comes. Answered at once. */
  'unlist-worker': z.strictObject({ workerId }),
  /** Told until it was answered: over the daemon's restarts. `failed`: no answer, or one that is neither 2xx nor 3xx. */
  'schedule-ended': z.strictObject({
    app: appName,
    runId: z.string().max(96),
    outcome: z.enum(['done', 'failed', 'timeout']),
    status: z.number().int().optional(),
    durationMs: z.number().nonnegative().max(Number.MAX_SAFE_INTEGER),
    /** Readable, one line. */
    detail: z.string().max(500).optional(),
  }),
};

/** Host -> daemon: notifications, checked by the daemon. */
export const hostEvents = {
  hello: z.strictObject({ version: z.string().max(64) }),
  /** It listens (and its health path answered): the edge may send requests. */
  'worker-ready': z.strictObject({ workerId }),
  /** Static apps: the host serves them now. */
  'app-state': z.strictObject({
    app: appName,
    state: z.enum(['starting', 'running', 'stopped', 'failed', 'quarantined']),
    /** Of the spec that this is about. */
    generation: z.number().int().nonnegative().optional(),
    /** Failures in a row. */
    failures: z.number().int().nonnegative().optional(),
    /** Readable, one line: "exited with code 1 after 120 ms". */
    reason: z.string().max(1_000).optional(),
    code: z.enum(['TENANTD_E_APP_FAILED', 'TENANTD_E_APP_NOT_LISTENING', 'TENANTD_E_APP_MEMORY']).optional(),
    /** The last lines the worker printed. */
    lastLines: z.array(z.string().max(2_000)).max(20).optional(),
    /** Unix time in ms. */
    nextTryAtMs: z.number().int().nonnegative().optional(),
    /** Restarts after failures since the host first saw the app. */
    restarts: z.number().int().nonnegative(),
  }),
  'log-lines': z.strictObject({
    followId: z.number().int(),
    lines: z.array(logLine).max(1_000),
    dropped: z.number().int().nonnegative(),
    /** Behind these lines. */
    positions: logPositions,
  }),
  /** app.yaml, or what the kind is guessed from, changed on disk. */
  'manifest-changed': z.strictObject({ app: appName }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string().max(4096) }),
};
