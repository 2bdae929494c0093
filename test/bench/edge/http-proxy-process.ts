// The npm package http-proxy as its readme shows it, with what the other proxies do too: pooled connections, fields, a log.
import { randomUUID } from 'node:crypto';
import { createWriteStream, readFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import httpProxy from 'http-proxy';
import type { HttpProxySettings } from './http-proxy.ts';
import { listenAddress, pooledConnections } from './proxy.ts';

const settings = JSON.parse(process.argv[2] ?? '') as HttpProxySettings;
const log = createWriteStream(settings.logFile);
const agent = new Agent({ keepAlive: true, maxSockets: pooledConnections, maxFreeSockets: pooledConnections });
const target = { socketPath: settings.upstream, host: 'localhost', port: 80 };
const proxy = httpProxy.createProxyServer({ target, agent, xfwd: true, ws: true });

proxy.on('error', (error) => process.stderr.write(`${error.stack}\n`));

function serve(request: IncomingMessage, response: ServerResponse): void {
  const startMs = performance.now();
  const id = randomUUID();
  request.headers['x-request-id'] = id;
  response.once('finish', () => writeLog(request, response, id, performance.now() - startMs));
  proxy.web(request, response);
}

function writeLog(request: IncomingMessage, response: ServerResponse, id: string, durationMs: number): void {
  const line = {
    time: new Date().toISOString(),
    client: request.socket.remoteAddress,
    method: request.method,
    host: request.headers.host,
    path: request.url,
    status: response.statusCode,
    bytes: Number(response.getHeader('content-length') ?? 0),
    ms: durationMs,
    id,
    tls: (request.socket as TLSSocket).getProtocol?.(),
  };
  log.write(`${JSON.stringify(line)}\n`);
}

function listen(server: Server, port: number): void {
  server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head));
  server.listen(port, listenAddress);
}

const http = createServer(serve);
const https = createTlsServer({ cert: readFileSync(settings.chainFile), key: readFileSync(settings.keyFile) }, serve);
for (const server of [http, https]) server.keepAliveTimeout = 3_600_000;
listen(http, settings.httpPort);
listen(https, settings.httpsPort);
