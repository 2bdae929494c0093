import { fieldKind } from '../http1/field-kinds.ts';
import { type Refusal, refusals } from '../http1/refusals.ts';
import { parseRequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { errorCode } from '../http2/error-codes.ts';
import type { Http2Stream } from '../http2/stream.ts';
import type { StreamReceiver } from '../http2/stream-receiver.ts';
import { type Answer, answerRefusal } from './answers.ts';
import { Backlog } from './backlog.ts';
import type { ConnectionFacts } from './connection-facts.ts';
import type { EdgeContext } from './context.ts';
import type { Deadline } from './deadlines.ts';
import { renderAnswer } from './error-page.ts';
import { Exchange } from './exchange.ts';
import type { RequestClient } from './request-client.ts';

const lineEnd = Buffer.from('\r\n');
const noTrailers = '';

/**
 * One stream of HTTP/2. The exchange sees its request as HTTP/1.1 would frame it: as a head that goes through the same strict parser,
 * and a body of a known length or in chunks.
 *
 * Invariants:
 * - What came and was not passed on is at most the stream's window; it is given back when `pending` is empty.
 * - Watched by the deadlines as long as the client can hold it open.
 */
export class Http2Request implements RequestClient, StreamReceiver, Deadline {
  deadlineAtMs = Infinity;
  readonly connection: ConnectionFacts;
  readonly protocol = 'HTTP/2';
  /** Only a connection can be half closed: what is missing from a stream's end the engine has reset already. */
  readonly inputEnded = false;
  private readonly edge: EdgeContext;
  private readonly stream: Http2Stream;
  private readonly exchange: Exchange;
  private readonly chunked: boolean;
  private backlog: Backlog | undefined = undefined;
  /** Of what came, not yet given back to the client's window. */
  private unconsumedBytes = 0;
  private over = false;
  private settling = false;

  constructor(edge: EdgeContext, connection: ConnectionFacts, stream: Http2Stream) {
    this.edge = edge;
    this.connection = connection;
    this.stream = stream;
    this.chunked = !stream.requestEnded && stream.contentLength === -1;
    this.exchange = new Exchange(this, edge);
    this.exchange.bodyForm = 'content';
    edge.deadlines.watch(this);
  }

  get pending(): Buffer | undefined {
    return this.backlog?.bytes;
  }

  begin(): void {
    const refusal = this.parseHead();
    if (refusal) this.exchange.answer(answerRefusal(refusal));
    else this.exchange.begin(this.edge.requestHead);
  }

  limit(ms: number): void {
    this.deadlineAtMs = this.edge.deadlines.nowMs + ms;
  }

  onDeadline(): void {
    if (!this.over) this.exchange.onDeadline();
    else this.stream.reset(errorCode.cancel);
    if (this.over && this.stream.closed) this.edge.deadlines.forget(this);
  }

  dropPending(bytes: number): void {
    this.backlog?.drop(bytes);
    if (this.pending) return;
    this.stream.consumed(this.unconsumedBytes);
    this.unconsumedBytes = 0;
  }

  settle(): void {
    if (this.settling) return;
    this.settling = true;
    while (this.goOn());
    this.settling = false;
  }

  sendAnswer(exchange: Exchange, answer: Answer): number {
    const { status, fields, content } = renderAnswer(answer, exchange.id, exchange.brandName);
    const headOnly = exchange.method === 'HEAD';
    this.stream.respond(status, fields.flat(), headOnly);
    if (headOnly) return 0;
    this.stream.sendData(content, true);
    return content.length;
  }

  sendInterim(_: Exchange, head: ResponseHead): void {
    this.stream.respondFrom(head.status, head, keepsInterimField, [], false);
  }

  sendHead(exchange: Exchange, head: ResponseHead, piece: Buffer | undefined, ended: boolean, trailers: string): boolean {
    const added = ['x-request-id', exchange.id, ...exchange.addedFields];
    const bodyless = ended && piece === undefined && trailers === noTrailers;
    this.stream.respondFrom(head.status, head, keepsField, added, bodyless);
    return bodyless || this.sendBody(exchange, piece, ended, trailers);
  }

  sendBody(_: Exchange, piece: Buffer | undefined, ended: boolean, trailers: string): boolean {
    const { stream } = this;
    if (!ended) return piece === undefined || stream.sendData(piece, false);
    if (trailers === noTrailers) return stream.sendData(piece ?? Buffer.alloc(0), true);
    if (piece) stream.sendData(piece, false);
    stream.sendTrailers(trailers);
    return true;
  }

  /** No request of HTTP/2 asks for it (RFC 9113 8.6). */
  switchProtocols(exchange: Exchange): void {
    exchange.fail('malformed');
  }

  finish(): void {
    this.over = true;
    this.dropPending(this.pending?.length ?? 0);
    const { stream } = this;
    // RFC 9113 8.1: the client need not send the rest.
    stream.requestUnwanted = true;
    if (stream.endSent) stream.reset(errorCode.noError);
    if (stream.closed) this.edge.deadlines.forget(this);
    else this.limit(this.edge.limits.clientStallMs);
  }

  cut(): void {
    this.over = true;
    this.edge.deadlines.forget(this);
    this.stream.reset(errorCode.internalError);
  }

  onData(stream: Http2Stream, bytes: Buffer, ended: boolean): void {
    if (this.over) return stream.consumed(bytes.length);
    this.unconsumedBytes += bytes.length;
    this.take(this.chunked ? chunk(bytes, ended ? '0\r\n\r\n' : '') : bytes);
  }

  onTrailers(_: Http2Stream, fieldLines: string): void {
    if (this.over) return;
    this.take(this.chunked ? Buffer.from(`0\r\n${fieldLines}\r\n`, 'latin1') : Buffer.alloc(0));
  }

  onReset(): void {
    this.edge.deadlines.forget(this);
    if (this.over) return;
    this.over = true;
    this.exchange.onClientGone();
  }

  onOver(): void {
    this.edge.deadlines.forget(this);
  }

  onDrain(): void {
    if (!this.over) this.exchange.onClientDrain();
    this.settle();
  }

  private parseHead(): Refusal | undefined {
    const { method, path, authority, fieldLines, fieldsTooLarge } = this.stream;
    // Has neither path nor a place behind a reverse proxy.
    if (method === 'CONNECT') return refusals.methodNotAllowed;
    if (fieldsTooLarge) return refusals.headTooLarge;
    const framing = this.chunked ? 'transfer-encoding: chunked\r\n' : '';
    const head = Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n${fieldLines}${framing}\r\n`, 'latin1');
    this.stream.fieldLines = '';
    return parseRequestHead(head, head.length, this.edge.requestHead);
  }

  private take(bytes: Buffer): void {
    (this.backlog ??= new Backlog()).add(bytes);
    this.settle();
  }

  private goOn(): boolean {
    const { exchange } = this;
    if (this.over || !exchange.wantsBody || exchange.uploadBlocked) return false;
    const { pending } = this;
    if (!pending) return false;
    const taken = exchange.onClientData(pending);
    this.dropPending(taken);
    return taken > 0;
  }
}

/** What belongs to a connection has no place here (RFC 9113 8.2.2). */
const connectionKinds: ReadonlySet<number> = new Set([
  ...[fieldKind.connection, fieldKind.transferEncoding, fieldKind.upgrade, fieldKind.hop, fieldKind.requestId],
]);

function keepsField(head: ResponseHead, index: number): boolean {
  const kind = head.fields.kind[index] as number;
  if (kind === fieldKind.contentLength) return head.status !== 204;
  return kind === fieldKind.plain ? !isListed(head, index) : !connectionKinds.has(kind);
}

function keepsInterimField(head: ResponseHead, index: number): boolean {
  return head.fields.kind[index] === fieldKind.plain && !isListed(head, index);
}

function isListed({ listed, text, fields }: ResponseHead, index: number): boolean {
  return listed?.has(text.slice(fields.nameStart[index], fields.nameEnd[index]).toLowerCase()) === true;
}

/** RFC 9112 7.1. An empty chunk would end the body too soon. */
function chunk(bytes: Buffer, end: string): Buffer {
  if (bytes.length === 0) return Buffer.from(end);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, lineEnd, Buffer.from(end)]);
}
