import { type BodyReader, LengthBody, noBody } from '../http1/body.ts';
import { ChunkedBody } from '../http1/chunked-body.ts';
import type { Framing } from '../http1/framing.ts';
import { answers } from './answers.ts';
import { pieceOf } from './body-piece.ts';
import type { Exchange } from './exchange.ts';

export function prepareRequestBody(exchange: Exchange, { chunked, contentLength }: Framing): void {
  exchange.requestBody = requestBody(chunked, contentLength);
}

function requestBody(chunked: boolean, contentLength: number): BodyReader {
  if (chunked) return new ChunkedBody();
  return contentLength > 0 ? new LengthBody(contentLength) : noBody;
}

/** Takes what has come of the body for the first write. False when the request was answered or aborted instead. */
export function takeFirstPiece(exchange: Exchange): boolean {
  const { client, requestBody } = exchange;
  if (requestBody.done) return true;
  if (client.pending) {
    const bytes = client.pending;
    client.dropPending(requestBody.take(bytes));
    if (refuseBody(exchange)) return false;
    const piece = pieceOf(requestBody, bytes);
    exchange.firstPiece = exchange.firstPiece && piece ? Buffer.concat([exchange.firstPiece, piece]) : (piece ?? exchange.firstPiece);
  }
  if (requestBody.done || !client.inputEnded) return true;
  exchange.abort('client-gone');
  return false;
}

/** A small body that is here already is read away, so that the connection can go on. */
export function dropFirstPiece({ client, requestBody }: Exchange): void {
  if (client.pending) client.dropPending(requestBody.take(client.pending));
}

/** Passes on what belongs to the body; answers how much that is. */
export function passRequestBody(exchange: Exchange, bytes: Buffer): number {
  const { requestBody, upstream, edge } = exchange;
  const taken = requestBody.take(bytes);
  exchange.countBody();
  if (refuseBody(exchange) || !upstream) return taken;
  const piece = pieceOf(requestBody, bytes);
  if (piece) {
    exchange.replayable = false;
    exchange.firstPiece = undefined;
    exchange.uploadBlocked = !upstream.socket.write(piece);
  }
  if (!exchange.responseBody) exchange.limit(requestBody.done ? exchange.responseTimeoutMs : edge.limits.bodyStallMs);
  else if (!exchange.downloadBlocked) exchange.limit(exchange.flowingLimitMs);
  return taken;
}

/** True when the body can not go on: it is malformed, or over the tenant's limit. */
function refuseBody(exchange: Exchange): boolean {
  const { requestBody, target } = exchange;
  const tooLarge = target !== undefined && requestBody.contentBytes > target.tenant.limits.bodySizeBytes;
  if (requestBody.fault === undefined && !tooLarge) return false;
  const answer = tooLarge ? answers.bodyTooLarge : answers.malformed;
  if (exchange.responseBody) exchange.abort(answer.outcome);
  else exchange.answer(answer);
  return true;
}
