import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** What a fetch handler gets as its second argument. The edge sets the headers it comes from. */
export interface FetchContext {
  tenant: string;
  app: string;
  requestId: string;
  /** Keeps the worker, when it is asked to end, until the promise has settled. */
  waitUntil(promise: Promise<unknown>): void;
}

export function contextOf(incoming: IncomingMessage, waitUntil: FetchContext['waitUntil']): FetchContext {
  return {
    tenant: header(incoming, 'x-tenantd-tenant') ?? '',
    app: header(incoming, 'x-tenantd-app') ?? '',
    requestId: header(incoming, 'x-request-id') ?? '',
    waitUntil,
  };
}

/** Throws a TypeError for what can not be a Request: a host that no URL can have, the methods TRACE and CONNECT. */
export function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const method = incoming.method ?? 'GET';
  const init: RequestInit = { method, headers: headersOf(incoming), signal };
  if (method !== 'GET' && method !== 'HEAD') {
    init.body = Readable.toWeb(incoming) as ReadableStream;
    init.duplex = 'half';
  }
  return new Request(urlOf(incoming), init);
}

/** The client's view of the address: what it sent to the edge, not what the edge sent here. */
function urlOf(incoming: IncomingMessage): URL {
  const protocol = header(incoming, 'x-forwarded-proto') === 'https' ? 'https' : 'http';
  const host = header(incoming, 'x-forwarded-host') ?? header(incoming, 'host') ?? 'localhost';
  const target = incoming.url ?? '/';
  const origin = `${protocol}://${host}`;
  // A path that begins with `//` would be read as a host if it were resolved against the origin.
  return new URL(target.startsWith('/') ? `${origin}${target}` : target === '*' ? origin : target, origin);
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  const raw = incoming.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) headers.append(raw[at] ?? '', raw[at + 1] ?? '');
  return headers;
}

function header(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
