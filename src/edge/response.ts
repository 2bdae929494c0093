import { type BodyReader, LengthBody, noBody, UntilCloseBody } from '../http1/body.ts';
import { ChunkedBody } from '../http1/chunked-body.ts';
import { findHeadEnd } from '../http1/head-end.ts';
import { maxHeadBytes } from '../http1/limits.ts';
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts';
import { rewriteResponseHead } from '../http1/rewrite.ts';
import { pieceOf } from './body-piece.ts';
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
  const body = responseBody(exchange, head);
  const endsWithConnection = body instanceof UntilCloseBody;
  exchange.upstreamReusable = !endsWithConnection && !head.close && (head.minor === 1 || head.keepAlive);
  exchange.keepAlive &&= !endsWithConnection && !exchange.content && exchange.requestBody.done && !exchange.edge.closing;
  const headText = rewriteHead(exchange, head);
  // The first of the body is read before the head is written: what is malformed at once is still a 502.
  const taken = following ? body.take(following) : 0;
  if (body.fault !== undefined) return exchange.fail('malformed');
  exchange.responseBody = body;
  exchange.firstPiece = undefined;
  const piece = following && responsePiece(exchange, body, following);
  const flowing = writeHeadAndBody(exchange.client.socket, headText, piece);
  advance(exchange, body, flowing, taken === (following?.length ?? 0));
}

/** RFC 9112 6.3. */
function responseBody(exchange: Exchange, head: ResponseHead): BodyReader {
  if (exchange.method === 'HEAD' || head.status === 204 || head.status === 304) return noBody;
  if (head.chunked) return exchange.minor === 0 ? dechunkedBody(exchange) : new ChunkedBody();
  if (head.contentLength === -1) return new UntilCloseBody();
  return head.contentLength === 0 ? noBody : new LengthBody(head.contentLength);
}

/** HTTP/1.0 knows no chunks: the client gets the content alone, and the connection's end as the body's. */
function dechunkedBody(exchange: Exchange): BodyReader {
  const content: Buffer[] = [];
  exchange.content = content;
  return new ChunkedBody((bytes) => content.push(bytes));
}

function rewriteHead(exchange: Exchange, head: ResponseHead): string {
  const upgrade = head.status === upgradeRequired;
  const connection = upgrade ? 'upgrade' : exchange.connectionField(exchange.keepAlive);
  return rewriteResponseHead(head, {
    // RFC 9110 8.6, RFC 9112 6.1: a 204 has neither.
    contentLength: head.status !== 204,
    transferEncoding: head.status !== 204 && exchange.minor === 1,
    upgrade,
    added: `x-request-id: ${exchange.id}\r\n${connection === undefined ? '' : `connection: ${connection}\r\n`}`,
  });
}

function passResponseBody(exchange: Exchange, body: BodyReader, bytes: Buffer): void {
  const taken = body.take(bytes);
  if (body.fault !== undefined) return exchange.abort();
  const piece = responsePiece(exchange, body, bytes);
  const flowing = piece === undefined || exchange.client.socket.write(piece);
  advance(exchange, body, flowing, taken === bytes.length);
}

function responsePiece(exchange: Exchange, body: BodyReader, bytes: Buffer): Buffer | undefined {
  return exchange.content ? Buffer.concat(exchange.content.splice(0)) : pieceOf(body, bytes);
}

/** `clean`: the app sent nothing beyond the response's end; a connection that holds more is not used again. */
function advance(exchange: Exchange, body: BodyReader, flowing: boolean, clean: boolean): void {
  const { client, edge, upstream } = exchange;
  if (body.done) {
    exchange.upstreamReusable &&= clean;
    return exchange.complete();
  }
  exchange.downloadBlocked = !flowing;
  if (!flowing) upstream?.socket.pause();
  const openEnded = client.inputEnded ? edge.limits.halfClosedMs : Infinity;
  client.limit(flowing ? openEnded : edge.limits.clientStallMs);
}
