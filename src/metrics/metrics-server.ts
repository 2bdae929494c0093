import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { metricsContentType, type MetricsSnapshot, renderMetrics } from '../protocol/metrics.ts';

export interface MetricsServerParts {
  /** Asks the daemon. */
  read: () => Promise<MetricsSnapshot>;
  nowMs: () => number;
}

/** Whoever asks within that time gets the same. */
const keepMs = 1_000;
const mostConnections = 64;
const timeoutMs = 10_000;

/** `GET /metrics`, and nothing else. What it knows everybody may know who can reach its socket. */
export function createMetricsServer({ read, nowMs }: MetricsServerParts): Server {
  let kept: { text: Promise<string>; atMs: number } | undefined;

  function text(): Promise<string> {
    if (kept && nowMs() - kept.atMs < keepMs) return kept.text;
    kept = { text: read().then(renderMetrics), atMs: nowMs() };
    return kept.text;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.split('?', 1)[0] !== '/metrics') return send(response, 404, 'Only /metrics is here.\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response.setHeader('allow', 'GET, HEAD'), 405, 'Only GET.\n');
    try {
      const metrics = await text();
      send(response.setHeader('content-type', metricsContentType), 200, metrics);
    } catch {
      // While it starts again, say. The next one asks anew.
      kept = undefined;
      send(response, 503, 'The daemon does not answer at the moment.\n');
    }
  }

  const server = createServer(
    { requestTimeout: timeoutMs, headersTimeout: timeoutMs, keepAliveTimeout: timeoutMs, maxHeaderSize: 8 << 10 },
    (request, response) => void answer(request, response),
  );
  server.maxConnections = mostConnections;
  return server;
}

function send(response: ServerResponse, status: number, text: string): void {
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.statusCode = status;
  response.setHeader('cache-control', 'no-store').end(text);
}
