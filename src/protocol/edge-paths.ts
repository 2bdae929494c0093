/** Constants between the daemon and the edge, apart from the schemas: the edge must not load those. */

/** Where the daemon's sockets are found inside the edges' sandbox. */
export const edgeControlSocket = '/run/tenantd/edge/control.sock';
export const edgeSocketsDir = '/run/tenantd/sockets';
/** Where apps call what other tenants grant them: `<tenant>/<app>/`, which that app alone finds as `gatewayDir` in its sandbox. */
export const edgeGatewaysDir = '/run/tenantd/gateways';
export const gatewayDir = '/run/tenantd/gateway';
export const gatewaySocket = 'http.sock';
/** There, the host of another tenant's app is `<app>.<tenant>.internal`. */
export const grantedHostSuffix = '.internal';
/** Of one certificate. */
export const maxReportedNames = 1_000;
/** Where the edges write access logs: a folder for each tenant, and one for requests of no tenant, which no tenant can be called. */
export const edgeLogsDir = '/var/log/tenantd';
export const strangersLogsFolder = '-';
/** Inherited by the master: the TCP listening sockets, bound by the daemon, from this descriptor on: those of http, then those of https. */
export const firstListenerFd = 3;
/** The largest tenant that its files can describe: 64 apps with 64 routes and 64 workers each. */
export const maxRouteFrameBytes = 16 << 20;

/** Of `usage`: so many fit into one frame. */
export const maxUsageRows = 2_000;
/** The first digits of a status, and 0. */
export const statusClasses = 6;
