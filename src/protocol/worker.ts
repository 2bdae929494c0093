/** Between the launcher, the worker shim and the tenant host. */

/** Inherited by a worker: the bound Unix socket of its own, the FIFO for its reports, and a pipe with its secrets (`hand-over.ts`). */
export const workerListenerFd = 3;
export const workerReportFd = 4;
export const workerHandOverFd = 5;

/**
 * Connections that wait to be accepted. TCP lets a client whose turn has not come try again; a Unix socket refuses it (EAGAIN): so as
 * many as the kernel takes (net.core.somaxconn), for all who were held while an app was asleep.
 */
export const socketBacklog = 4_096;

/** Where a worker finds its secrets as files: in memory, and its own. */
export const secretsDir = '/run/secrets';

/** argv[2] of the shim, as JSON. Holds no secret. */
export type WorkerSettings =
  | {
      kind: 'node';
      /** The module to run, relative to the working directory (the app's folder). */
      entry: string;
      /** Its heartbeat comes once a second, and says how busy it is. */
      reportLoad?: true;
    }
  | { kind: 'command'; command: string[] };

/** Worker -> host: one JSON object a line on the report FIFO. Written by the app's own uid: believe nothing beyond this app. */
export type WorkerReport =
  | { event: 'listening' }
  /** It listened, and does not any more: no request can reach it. Readable. */
  | { event: 'deaf'; message: string }
  /** kind node: its event loop turns. With `reportLoad`: the share of the last second that it was busy, and how late this is. */
  | { event: 'beat'; busy?: number; lateMs?: number }
  /** Readable: why it can not listen, what it did instead. */
  | { event: 'note'; message: string };

/** Between two heartbeats: an idle app is woken no more often than that. With `reportLoad` every `loadBeatMs`. */
export const beatMs = 15_000;
export const loadBeatMs = 1_000;

/** A report line over this is dropped. Below PIPE_BUF, so that lines of several processes do not mix (pipe(7)). */
export const maxReportBytes = 4_000;
