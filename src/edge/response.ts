import { type BodyReader, LengthBody, noBody, UntilCloseBody } from '../http1/body.ts';
import { ChunkedBody } from '../http1/chunked-body.ts';
import { findHeadEnd } from '../http1/head-end.ts';
import { maxHeadBytes } from '../http1/limits.ts';
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts';
import { answers } from './answers.ts';
import { pieceOf } from './body-piece.ts';
import type { Compressor } from './compressor.ts';
import type { Exchange } from './exchange.ts';
import { planCompression } from './response-compression.ts';

const switchingProtocols = 101;

/** Bytes of the app. */
export function receiveResponse(exchange: Exchange, bytes: Buffer): void {
  if (exchange.responseBody) passResponseBody(exchange, exchange.responseBody, bytes);
  else receiveHead(exchange, bytes);
}

/** The app closed its direction in the middle of a response, which is the end of one that has no other. */
export function endOfResponse(exchange: Exchange): void {
  if (!(exchange.responseBody instanceof UntilCloseBody)) return exchange.abort('cut');
  if (exchange.compressor) return endCompressed(exchange, exchange.compressor);
  exchange.client.sendBody(exchange, undefined, true, '');
  exchange.complete();
}

function endCompressed(exchange: Exchange, compressor: Compressor): void {
  exchange.detach(false);
  compressor.end();
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
    exchange.client.sendInterim(exchange, exchange.edge.responseHead);
    rest = following;
    searchFrom = 0;
  }
}

function keepPartialHead(exchange: Exchange, bytes: Buffer): void {
  if (bytes.length > maxHeadBytes) exchange.fail('malformed');
  else exchange.partialHead = bytes;
}

function switchProtocols(exchange: Exchange, following: Buffer | undefined): void {
  if (!exchange.upgrade || !exchange.requestBody.done) exchange.fail('malformed');
  // Others that asked before it was answered were faster.
  else if (!exchange.target?.tenant.mayOpenTunnel) exchange.answer(answers.tunnelsTaken);
  else exchange.client.switchProtocols(exchange, following);
}

function beginResponse(exchange: Exchange, head: ResponseHead, following: Buffer | undefined): void {
  planCompression(exchange, head);
  const body = responseBody(exchange, head);
  const endsWithConnection = body instanceof UntilCloseBody;
  exchange.upstreamReusable = !endsWithConnection && !head.close && (head.minor === 1 || head.keepAlive);
  exchange.keepAlive &&= keepsConnection(exchange, endsWithConnection);
  // The first of the body is read before the head is written: what is malformed at once is still a 502.
  const taken = following ? body.take(following) : 0;
  if (body.fault !== undefined) return exchange.fail('malformed');
  exchange.responseBody = body;
  exchange.firstPiece = undefined;
  exchange.status = head.status;
  exchange.answeredAtMs = performance.now();
  exchange.upstream?.pool.noteSuccess();
  const piece = following && responsePiece(exchange, body, following);
  const clean = taken === (following?.length ?? 0);
  const { client, compressor } = exchange;
  if (compressor) {
    client.sendHead(exchange, head, undefined, false, '');
    return compress(exchange, compressor, piece, clean);
  }
  countPassed(exchange, piece, body.contentBytes);
  advance(exchange, body, client.sendHead(exchange, head, piece, body.done, trailersOf(exchange, body)), clean);
}

/** Towards HTTP/1.0 and for a body that has no other end, the connection's end is the body's. */
function keepsConnection({ client, compressor, edge, minor, content, requestBody }: Exchange, endsWithConnection: boolean): boolean {
  if (client.protocol === 'HTTP/2') return true;
  const needsEnd = (endsWithConnection && !compressor) || (content !== undefined && minor === 0);
  return !needsEnd && requestBody.done && !edge.closing;
}

/** RFC 9112 6.3. */
function responseBody(exchange: Exchange, head: ResponseHead): BodyReader {
  if (exchange.method === 'HEAD' || head.status === 204 || head.status === 304) return noBody;
  if (head.chunked) return exchange.bodyForm === 'framed' ? new ChunkedBody() : dechunkedBody(exchange);
  if (head.contentLength === -1) return new UntilCloseBody();
  return head.contentLength === 0 ? noBody : new LengthBody(head.contentLength);
}

function dechunkedBody(exchange: Exchange): BodyReader {
  const content: Buffer[] = [];
  exchange.content = content;
  return new ChunkedBody((bytes) => content.push(bytes));
}

function passResponseBody(exchange: Exchange, body: BodyReader, bytes: Buffer): void {
  const before = body.contentBytes;
  const taken = body.take(bytes);
  if (body.fault !== undefined) return exchange.abort('cut');
  const piece = responsePiece(exchange, body, bytes);
  const clean = taken === bytes.length;
  if (exchange.compressor) return compress(exchange, exchange.compressor, piece, clean);
  countPassed(exchange, piece, body.contentBytes - before);
  advance(exchange, body, exchange.client.sendBody(exchange, piece, body.done, trailersOf(exchange, body)), clean);
}

/** The access log has it as it was framed; what is billed is the same for every client. */
function countPassed(exchange: Exchange, piece: Buffer | undefined, contentBytes: number): void {
  exchange.bytesOut += piece?.length ?? 0;
  if (contentBytes > 0) exchange.usage.countOut(contentBytes);
}

/** The rest is the compressor's, which has its own time; the app's connection is free as soon as it has said all. */
function compress(exchange: Exchange, compressor: Compressor, piece: Buffer | undefined, clean: boolean): void {
  const flowing = piece === undefined || compressor.write(piece);
  if (exchange.responseBody?.done) {
    compressor.end();
    exchange.detach(exchange.upstreamReusable && clean && exchange.requestBody.done);
  } else if (!flowing) exchange.upstream?.socket.pause();
  if (!exchange.downloadBlocked) exchange.limit(exchange.flowingLimitMs);
}

function responsePiece({ content }: Exchange, body: BodyReader, bytes: Buffer): Buffer | undefined {
  if (!content) return pieceOf(body, bytes);
  const [only, ...more] = content.splice(0);
  return only && more.length > 0 ? Buffer.concat([only, ...more]) : only;
}

/** Field lines for a client that does not get the app's own framing. */
function trailersOf({ content }: Exchange, body: BodyReader): string {
  return content && body.done && body.tail !== '' ? body.tail.slice(0, -2) : '';
}

/** `clean`: the app sent nothing beyond the response's end; a connection that holds more is not used again. */
function advance(exchange: Exchange, body: BodyReader, flowing: boolean, clean: boolean): void {
  const { edge, upstream } = exchange;
  if (body.done) {
    exchange.upstreamReusable &&= clean;
    return exchange.complete();
  }
  exchange.downloadBlocked = !flowing;
  if (!flowing) upstream?.socket.pause();
  exchange.limit(flowing ? exchange.flowingLimitMs : edge.limits.clientStallMs);
}
