import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Of this connection, not of the answer (RFC 9110, section 7.6.1): Node's server sets its own. */
const connectionHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection', 'te', 'trailer']);

/** Answers when all of the body was handed on; rejects when the body's stream fails. */
export async function sendResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, response.statusText, rawHeadersOf(response.headers));
  const mayHaveBody = outgoing.req.method !== 'HEAD' && ![204, 205, 304].includes(response.status);
  if (mayHaveBody && response.body) await sendBody(response.body, outgoing);
  else await response.body?.cancel();
  outgoing.end();
}

/** As a flat list: `set-cookie` may come several times, and must not be joined (RFC 6265, section 3). */
function rawHeadersOf(headers: Headers): string[] {
  return [...headers].filter(([name]) => !connectionHeaders.has(name)).flat();
}

async function sendBody(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader();
  const gone = once(outgoing, 'close').then(() => reader.cancel());
  gone.catch(() => undefined); // A source that fails while it is cancelled has no one left to tell.
  for (;;) {
    const { done, value } = await reader.read();
    if (done || outgoing.destroyed) return;
    if (!outgoing.write(value)) await Promise.race([once(outgoing, 'drain'), gone]);
  }
}
