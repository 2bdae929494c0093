import { type BodyReader, noBody } from '../http1/body.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { type Answer, answers } from './answers.ts';
import type { AppTarget, HeldRequest } from './app-target.ts';
import type { EdgeContext } from './context.ts';
import { forward, retryAfterLoss } from './forward.ts';
import type { RequestClient } from './request-client.ts';
import { passRequestBody, takeFirstPiece } from './request-body.ts';
import { endOfResponse, receiveResponse } from './response.ts';
import type { HostEntry } from './route-table.ts';
import { requestSteps } from './steps.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';
import { type UpstreamFailure, upstreamFailures } from './upstream-failures.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/**
 * How a response's body goes to the client: `framed` as the app framed it; `chunked` in chunks of our own; `content` alone, for
 * HTTP/1.0, which knows no chunks, and HTTP/2, which has frames.
 */
export type BodyForm = 'framed' | 'chunked' | 'content';

/**
 * One request and its response.
 *
 * Invariants:
 * - It ends exactly once: by a whole response, an answer of the edge, an abort of the client's connection, or as a tunnel.
 * - Once a byte of a final response went to the client, failure can only be an abort: the client must see the truncation.
 * - It has at most one upstream connection, and gives it back for reuse only if request and response both ended cleanly.
 */
export class Exchange implements UpstreamUser, HeldRequest {
  readonly client: RequestClient;
  readonly edge: EdgeContext;
  readonly id: string;
  method = '';
  minor = 1;
  /** What the client wants of its connection. */
  keepAlive = false;
  upgrade = false;
  host: HostEntry | undefined = undefined;
  target: AppTarget | undefined = undefined;
  /** As sent to the app. */
  head = '';

  requestBody: BodyReader = noBody;
  /** What of the body is sent together with the head; kept for a retry. */
  firstPiece: Buffer | undefined = undefined;
  /** All that was sent is still at hand. */
  replayable = true;
  /** The app does not take the body as fast as it comes. */
  uploadBlocked = false;

  upstream: UpstreamConnection | undefined = undefined;
  readonly unreachable: UpstreamPool[] = [];
  retried = false;

  /** A response's head that has not ended yet. */
  partialHead: Buffer | undefined = undefined;
  interimResponses = 0;
  responseBody: BodyReader | undefined = undefined;
  bodyForm: BodyForm = 'framed';
  /** Whole field lines besides those of the app. */
  addedFields = '';
  /** Content without its chunks, until it is passed on; undefined when the body is passed as it came. */
  content: Buffer[] | undefined = undefined;
  /** The client does not take the response as fast as it comes. */
  downloadBlocked = false;
  upstreamReusable = false;
  private held = false;
  private over = false;

  constructor(client: RequestClient, edge: EdgeContext) {
    this.client = client;
    this.edge = edge;
    this.id = edge.nextRequestId();
  }

  begin(head: RequestHead): void {
    for (const step of requestSteps) {
      const answer = step(this, head);
      if (answer) return this.answer(answer);
    }
    this.admit();
  }

  /** Sends it on, or lets it wait, as the app's state is. */
  admit(): void {
    const { target } = this;
    if (!target) return this.answer(answers.notFound);
    if (target.state === 'ready') return this.send();
    if (target.state !== 'starting') return this.answer(target.state === 'failed' ? answers.failed : answers.stopped);
    const { heldRequestsPerApp, holdMs } = this.edge.limits;
    if (!target.hold(this, heldRequestsPerApp)) return this.answer(answers.busy);
    this.held = true;
    this.client.limit(holdMs);
  }

  onAppChanged(): void {
    this.held = false;
    this.admit();
    this.client.settle();
  }

  private send(): void {
    if (takeFirstPiece(this)) forward(this);
  }

  get wantsBody(): boolean {
    return this.upstream !== undefined && !this.requestBody.done;
  }

  /** The client sent bytes; answers how many belong to this request. */
  onClientData(bytes: Buffer): number {
    return this.wantsBody ? passRequestBody(this, bytes) : 0;
  }

  onClientDrain(): void {
    if (!this.downloadBlocked) return;
    this.downloadBlocked = false;
    this.client.limit(this.client.inputEnded ? this.edge.limits.halfClosedMs : Infinity);
    this.upstream?.socket.resume();
  }

  /** The client closed its direction. A request cut short can not be answered; a whole one is. */
  onClientEnd(): void {
    if (!this.requestBody.done) this.abort();
    else if (this.responseBody) this.client.limit(this.edge.limits.halfClosedMs);
  }

  onClientGone(): void {
    this.end(false);
  }

  onDeadline(): void {
    if (this.held) this.answer(answers.starting);
    else if (this.responseBody) this.abort();
    else if (!this.requestBody.done && !this.uploadBlocked) this.answer(answers.slowRequest);
    else this.fail('slow');
  }

  onUpstreamData(bytes: Buffer): void {
    receiveResponse(this, bytes);
    this.client.settle();
  }

  onUpstreamEnd(): void {
    if (this.responseBody) endOfResponse(this);
    else this.lose(undefined);
    this.client.settle();
  }

  onUpstreamGone(error: Error | undefined): void {
    if (this.responseBody) this.abort();
    else this.lose(error);
    this.client.settle();
  }

  onUpstreamDrain(): void {
    this.uploadBlocked = false;
    this.client.settle();
  }

  private lose(error: Error | undefined): void {
    const failure = retryAfterLoss(this, error);
    if (failure) this.fail(failure);
  }

  /** The app failed before its response began. */
  fail(failure: UpstreamFailure): void {
    const { answer, level, reason } = upstreamFailures[failure];
    if (this.target) this.edge.reportFault(level, `${this.target.tenant.name}/${this.target.app}: ${reason} (request ${this.id})`);
    this.answer(answer);
  }

  /** The edge itself answers. A body that has not come whole by now is not waited for. */
  answer(answer: Answer): void {
    if (this.over) return;
    if (!this.requestBody.done && !this.upstream) takeFirstPieceQuietly(this);
    const keep = this.keepAlive && !answer.close && this.requestBody.done && !this.edge.closing;
    this.client.sendAnswer(this, answer, keep);
    this.end(false);
    this.client.finish(keep);
  }

  get brandName(): string | undefined {
    return this.target?.tenant.brandName ?? this.host?.tenant.brandName;
  }

  /** The response went out whole. */
  complete(): void {
    const keep = this.keepAlive;
    this.end(this.upstreamReusable && this.requestBody.done);
    this.client.finish(keep);
  }

  /** Cuts the client's connection, so that it sees that the response is not whole. */
  abort(): void {
    if (this.over) return;
    this.end(false);
    this.client.cut();
  }

  /** The connections are a tunnel's now. */
  becomeTunnel(): UpstreamConnection | undefined {
    const { upstream } = this;
    this.upstream = undefined;
    this.over = true;
    upstream?.pool.giveAway(upstream);
    return upstream;
  }

  /** Lets go of the upstream connection. */
  detach(reusable: boolean): void {
    const { upstream } = this;
    this.upstream = undefined;
    upstream?.release(reusable);
  }

  private end(reusable: boolean): void {
    this.over = true;
    if (this.held) this.target?.letGo(this);
    this.held = false;
    this.detach(reusable);
  }
}

/** A small body that is here already is read away, so that the connection can go on. */
function takeFirstPieceQuietly(exchange: Exchange): void {
  const { client, requestBody } = exchange;
  if (client.pending) client.dropPending(requestBody.take(client.pending));
}
