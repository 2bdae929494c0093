/** Between the launcher, the worker shim and the tenant host. */

/** Inherited by a worker: the bound Unix socket of its own, the FIFO for its reports, and a pipe with its secrets (`hand-over.ts`). */
export const workerListenerFd = 3;
export const workerReportFd = 4;
export const workerHandOverFd = 5;

/** Where a worker finds its secrets as files: in memory, and its own. */
export const secretsDir = '/run/secrets';

/** argv[2] of the shim, as JSON. Holds no secret. */
export type WorkerSettings =
  | { kind: 'node'; /** The module to run, relative to the working directory (the app's folder). */ entry: string }
  | { kind: 'command'; command: string[] };

/** Worker -> host: one JSON object a line on the report FIFO. Written by the app's own uid: believe nothing beyond this app. */
export type WorkerReport =
  | { event: 'listening' }
  /** Readable: why it can not listen, what it did instead. */
  | { event: 'note'; message: string };

/** A report line over this is dropped. Below PIPE_BUF, so that lines of several processes do not mix (pipe(7)). */
export const maxReportBytes = 4_000;
