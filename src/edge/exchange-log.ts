import type { Exchange } from './exchange.ts';

/** Tells the access log of an exchange that is over. */
export function logExchange(exchange: Exchange): void {
  const { accessLogs } = exchange.edge;
  if (!accessLogs) return;
  const { accessEntry: entry } = exchange.edge;
  const { connection, protocol } = exchange.client;
  const { target, host, sentAtMs, answeredAtMs } = exchange;
  entry.tenant = host?.tenant.name ?? '';
  entry.app = target?.app ?? '';
  entry.release = target?.release ?? '';
  entry.client = exchange.clientAddress;
  entry.method = exchange.method;
  entry.host = exchange.hostName;
  entry.target = exchange.path;
  entry.protocol = exchange.status === 101 ? 'websocket' : exchange.minor === 0 ? 'HTTP/1.0' : protocol;
  entry.tls = connection.tlsVersion;
  entry.status = exchange.status;
  entry.bytesIn = exchange.bytesIn;
  entry.bytesOut = exchange.bytesOut;
  entry.durationMs = performance.now() - exchange.startedAtMs;
  entry.appMs = answeredAtMs === -1 ? -1 : answeredAtMs - sentAtMs;
  entry.requestId = exchange.id;
  entry.outcome = exchange.outcome;
  accessLogs.record(entry);
}
