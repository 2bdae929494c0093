import { socketBacklog } from '../protocol/worker.ts';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { staticAppHeader } from '../protocol/host-paths.ts';
import { sendBestTwin, sendFile } from './static-file.ts';
import { findStaticFile } from './static-path.ts';

export interface StaticServerOptions {
  fd: number;
  /** The folder that an app serves. */
  rootOf: (app: string) => string | undefined;
  onFault: (error: unknown) => void;
}

/** Longer than the edge keeps a connection for reuse, so that it never sends a request into one that closes. */
const keepAliveTimeoutMs = 120_000;

/** Serves all static apps of the tenant on the inherited socket. This module is loaded only where there are any. */
export function startStaticServer({ fd, rootOf, onFault }: StaticServerOptions): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request, response, rootOf).catch((error: unknown) => {
      onFault(error);
      if (response.headersSent) response.destroy();
      else sendText(response, 500, 'Internal Server Error');
    });
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  server.once('error', reject);
  server.listen({ fd }, socketBacklog, () => resolve(server));
  return promise;
}

async function answer(request: IncomingMessage, response: ServerResponse, rootOf: StaticServerOptions['rootOf']): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return sendText(response, 405, 'Method Not Allowed');
  }
  const root = rootOf(String(request.headers[staticAppHeader]));
  if (root === undefined) return sendText(response, 404, 'Not Found');
  const target = await findStaticFile(root, request.url ?? '/');
  switch (target.found) {
    case 'bad-request':
      return sendText(response, 400, 'Bad Request');
    case 'folder':
      response.setHeader('location', target.location);
      return sendText(response, 301, 'Moved Permanently');
    case 'file':
      return sendBestTwin(request, response, target);
    case 'nothing':
      return sendNotFound(request, response, root);
  }
}

async function sendNotFound(request: IncomingMessage, response: ServerResponse, root: string): Promise<void> {
  const page = await findStaticFile(root, '/404.html');
  if (page.found !== 'file') return sendText(response, 404, 'Not Found');
  response.statusCode = 404;
  const options = { acceptRanges: false, cacheControl: false, etag: false, lastModified: false };
  return sendFile(request, response, { root: page.root, path: page.file.path, options });
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`${text}\n`);
}
