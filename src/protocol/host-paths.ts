/** Constants between the daemon and a tenant host, apart from the schemas: the host must not load those. */

/** Where things are inside the host's sandbox. */
export const hostPaths = {
  controlSocket: '/run/tenantd/control/control.sock',
  /** Sockets of this tenant's workers, `<file>` as in `WorkerInfo.socket`. The host may connect, not change them. */
  socketsDir: '/run/tenantd/sockets',
  /** Two FIFOs a worker: `<workerId>.out` (what it prints) and `<workerId>.report` (lines of WorkerReport). */
  pipesDir: '/run/tenantd/pipes',
  appsDir: '/apps',
  logsDir: '/var/log/tenantd',
} as const;

/** Inherited by the host: the bound Unix socket on which it serves the tenant's static apps. */
export const staticListenerFd = 3;
/**
 * The edge says which static app a request is for in this header (any copy of a client's was removed). Its listener is
 * reachable by the edge alone.
 */
export const staticAppHeader = 'x-tenantd-app';
