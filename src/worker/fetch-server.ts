import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { contextOf, toRequest } from './fetch-request.ts';
import { sendResponse } from './fetch-response.ts';
import type { FetchHandler } from './run-entry.ts';

/** Serves `export default { fetch }`. `pending` holds what handlers gave to `waitUntil`. */
export function serveFetch(handler: FetchHandler, pending: Set<Promise<unknown>>): void {
  const server = createServer((incoming, outgoing) => void answer(handler, incoming, outgoing, pending));
  server.listen();
}

async function answer(
  handler: FetchHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  pending: Set<Promise<unknown>>,
): Promise<void> {
  const client = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) client.abort();
  });
  const request = readRequest(incoming, client.signal);
  if (!request) return void outgoing.writeHead(400).end();
  try {
    const context = contextOf(incoming, (promise) => keep(pending, promise));
    const response = await handler(request, context);
    if (!(response instanceof Response)) throw new TypeError('fetch() did not answer with a Response');
    await sendResponse(response, outgoing);
  } catch (error) {
    // A handler that fails because its client left has nothing to report.
    if (!client.signal.aborted) fail(outgoing, error);
  }
}

function readRequest(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  try {
    return toRequest(incoming, signal);
  } catch {
    return undefined; // Not a URL, or a method that the Fetch standard forbids: the client's fault, answered with 400.
  }
}

function keep(pending: Set<Promise<unknown>>, promise: Promise<unknown>): void {
  const settled = Promise.resolve(promise)
    .catch((error: unknown) => console.error(error))
    .finally(() => pending.delete(settled));
  pending.add(settled);
}

function fail(outgoing: ServerResponse, error: unknown): void {
  console.error(error);
  if (outgoing.headersSent) outgoing.destroy();
  else outgoing.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end('Internal Server Error\n');
}
