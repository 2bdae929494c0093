/** Constants between the daemon and the edge, apart from the schemas: the edge must not load those. */

/** Where the daemon's sockets are found inside the edges' sandbox. */
export const edgeControlSocket = '/run/tenantd/edge/control.sock';
export const edgeSocketsDir = '/run/tenantd/sockets';
/** Inherited by the master: the TCP listening sockets, bound by the daemon, from this descriptor on. */
export const firstListenerFd = 3;
