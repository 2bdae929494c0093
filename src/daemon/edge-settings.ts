import type { DaemonConfig } from '../config/daemon-config.ts';
import type { EdgeSettings } from '../protocol/edge.ts';

/** What of tenantd.yaml an edge is started with. */
export type EdgeConfig = Pick<DaemonConfig, 'http' | 'https' | 'edge' | 'logs'>;

export function toEdgeSettings({ http, https, edge, logs }: EdgeConfig): EdgeSettings {
  const httpsPort = https?.listen[0]?.port;
  return {
    httpListeners: http.listen.length,
    httpsListeners: https?.listen.length ?? 0,
    ...(httpsPort !== undefined && { httpsPort }),
    processes: edge.processes,
    trustedProxies: edge.trustedProxies,
    proxyProtocol: edge.proxyProtocol,
    accessLogs: logs,
  };
}
