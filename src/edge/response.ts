import { type BodyReader, LengthBody, noBody, UntilCloseBody } from '../http1/body.ts';
import { ChunkedBody } from '../http1/chunked-body.ts';
import { findHeadEnd } from '../http1/head-end.ts';
import { maxHeadBytes } from '../http1/limits.ts';
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts';
import { rewriteResponseHead } from '../http1/rewrite.ts';
import type { Exchange } from './exchange.ts';
import { writeHeadAndBody } from './socket-write.ts';
import { openTunnel } from './tunnel.ts';

const switchingProtocols = 101;
const upgradeRequired = 426;

/** Bytes of the app. */
export function receiveResponse(exchange: Exchange, bytes: Buffer): void {
  if (exchange.responseBody) passResponseBody(exchange, exchange.responseBody, bytes);
  else receiveHead(exchange, bytes);
}

/** The app closed its direction in the middle of a response, which is the end of one that has no other. */
export function endOfResponse(exchange: Exchange): void {
  if (exchange.responseBody instanceof UntilCloseBody) exchange.complete();
  else exchange.abort();
}

function receiveHead(exchange: Exchange, bytes: Buffer): void {
  const before = exchange.partialHead;
  let rest: Buffer | undefined = before ? Buffer.concat([before, bytes]) : bytes;
  exchange.partialHead = undefined;
  let searchFrom = Math.max(0, (before?.length ?? 0) - 3);
  while (rest && !exchange.responseBody) {
    const end = findHeadEnd(rest, searchFrom);
    if (end === -1) return keepPartialHead(exchange, rest);
    if (parseResponseHead(rest, end, exchange.edge.responseHead)) return exchange.fail('malformed');
    const following: Buffer | undefined = end === rest.length ? undefined : rest.subarray(end);
    const { status } = exchange.edge.responseHead;
    if (status === switchingProtocols) return switchProtocols(exchange, following);
    if (status >= 200) return beginResponse(exchange, exchange.edge.responseHead, following);
    if (++exchange.interimResponses > exchange.edge.limits.interimResponses) return exchange.fail('malformed');
    passInterim(exchange);
    rest = following;
    searchFrom = 0;
  }
}

function keepPartialHead(exchange: Exchange, bytes: Buffer): void {
  if (bytes.length > maxHeadBytes) exchange.fail('malformed');
  else exchange.partialHead = bytes;
}

/** 100 Continue, 103 Early Hints and the like. RFC 9110 15.2: HTTP/1.0 has none. */
function passInterim({ client, edge, minor }: Exchange): void {
  if (minor === 0) return;
  const fields = { contentLength: false, transferEncoding: false, upgrade: false, added: '' };
  client.socket.write(rewriteResponseHead(edge.responseHead, fields), 'latin1');
}

function switchProtocols(exchange: Exchange, following: Buffer | undefined): void {
  if (!exchange.upgrade || !exchange.requestBody.done) return exchange.fail('malformed');
  const added = `connection: upgrade\r\nx-request-id: ${exchange.id}\r\n`;
  const fields = { contentLength: false, transferEncoding: false, upgrade: true, added };
  openTunnel(exchange, rewriteResponseHead(exchange.edge.responseHead, fields), following);
}

function beginResponse(exchange: Exchange, head: ResponseHead, following: Buffer | undefined): void {
  const { client } = exchange;
  const hasBody = exchange.method !== 'HEAD' && head.status !== 204 && head.status !== 304;
  const body = hasBody ? responseBody(exchange, head) : noBody;
  decideConnections(exchange, head, body);
  // The whole of it is read before any of it is written: what is malformed at once is still a 502.
  const headText = rewriteHead(exchange, head);
  exchange.dechunked = body instanceof ChunkedBody && exchange.minor === 0;
  if (exchange.dechunked) client.socket.cork();
  if (exchange.dechunked) client.socket.write(headText, 'latin1');
  const taken = following ? body.take(following) : 0;
  if (exchange.dechunked) client.socket.uncork();
  if (body.fault !== undefined) return exchange.dechunked ? exchange.abort() : exchange.fail('malformed');
  exchange.responseBody = body;
  exchange.firstPiece = undefined;
  if (!exchange.dechunked) writeHeadAndBody(client.socket, headText + headTail(body), passable(body, following));
  advance(exchange, body, taken < (following?.length ?? 0));
}
