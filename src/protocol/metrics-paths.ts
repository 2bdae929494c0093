/** Where things are inside the sandbox of the process `metrics`: apart from the schemas. */
export const metricsPaths = { controlSocket: '/run/tenantd/metrics/control.sock' } as const;
/** The socket that it serves on: bound by the daemon. */
export const metricsListenerFd = 3;
