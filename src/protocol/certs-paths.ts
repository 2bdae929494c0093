/** Constants between the daemon and `certs`, apart from the schemas. */

/** Where things are inside the sandbox of `certs`. */
export const certsPaths = {
  controlSocket: '/run/tenantd/certs/control.sock',
  /** The one directory that it writes: accounts, orders, keys, chains. Its own, 0700. */
  stateDir: '/var/lib/tenantd/certs',
} as const;

/** Below the state directory, readable by everybody who can get there: the root certificate of the local CA, as PEM. */
export const localCaFile = 'local-ca/root.pem';
