import { DaemonLink } from '../protocol/daemon-link.ts';
import { metricsListenerFd, metricsPaths } from '../protocol/metrics-paths.ts';
import type { MetricsSnapshot } from '../protocol/metrics.ts';
import { createMetricsServer } from './metrics-server.ts';

/** Some thousand tenants are one frame. */
const maxFrameBytes = 64 << 20;

const { controlSocket, listenerFd } = JSON.parse(process.argv[2] ?? '{}') as { controlSocket?: string; listenerFd?: number };
// Its reader ends with the daemon: what is printed then is lost, and no reason to end.
process.stderr.on('error', () => {});
const link = new DaemonLink({
  ...{ controlSocket: controlSocket ?? metricsPaths.controlSocket, maxFrameBytes, handlers: {}, onLost: () => {} },
});
const server = createMetricsServer({
  read: async () => (await link.request('snapshot', {})) as MetricsSnapshot,
  nowMs: () => performance.now(),
});
server.listen({ fd: listenerFd ?? metricsListenerFd });

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    link.close();
    process.exit(0);
  });
