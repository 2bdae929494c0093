import type { RequestLimitName, RequestLimits } from '../protocol/edge.ts';
import type { AccessOutcome } from './access-entry.ts';
import { logExchange } from './exchange-log.ts';
import { type BodyReader, noBody } from '../http1/body.ts';
import type { Coding } from '../http1/accept-encoding.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { type Answer, answers } from './answers.ts';
import type { AppTarget } from './app-target.ts';
import type { Compressor } from './compressor.ts';
import type { EdgeContext } from './context.ts';
import type { EdgeLimits } from './limits.ts';
import { forward, retryAfterLoss } from './forward.ts';
import type { Quiet } from './quiet-requests.ts';
import type { RequestClient } from './request-client.ts';
import { dropFirstPiece, passRequestBody, takeFirstPiece } from './request-body.ts';
import { type PlacedRequest, RequestPlace } from './request-place.ts';
import { endOfResponse, receiveResponse } from './response.ts';
import type { HostEntry } from './route-table.ts';
import { requestSteps } from './steps.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';
import { type UpstreamFailure, upstreamFailures } from './upstream-failures.ts';
import type { UpstreamPool } from './upstream-pool.ts';
import type { UsageCounters } from './usage-tally.ts';

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
export class Exchange implements UpstreamUser, PlacedRequest {
  readonly client: RequestClient;
  readonly edge: EdgeContext;
  readonly id: string;
  method = '';
  hostName = '';
  /** In origin form, with its query. */
  path = '';
  minor = 1;
  /** What the client wants of its connection. */
  keepAlive = false;
  upgrade = false;
  /** When all of it must be over, by the clock of the deadlines. */
  endsAtMs = Infinity;
  host: HostEntry | undefined = undefined;
  target: AppTarget | undefined = undefined;
  quiet: Quiet | undefined = undefined;
  /** Of whoever it turns out to be for. */
  usage: UsageCounters;
  /** For the access log: when it began, was sent to the app, and was answered by it; -1 when that did not happen. */
  readonly startedAtMs: number;
  sentAtMs = -1;
  answeredAtMs = -1;
  status = 0;
  bytesIn = 0;
  bytesOut = 0;
  outcome: AccessOutcome = 'ok';
  /** The client's own, also behind a trusted proxy. */
  clientAddress: string;
  secure: boolean;
  /** Whole field lines that tell the app of the client. */
  clientFields: string;

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
  /** Names and values, alternating, besides those of the app. */
  readonly addedFields: string[] = [];
  /** What the client takes of what its app wants compressed. */
  coding: Coding | undefined = undefined;
  compressor: Compressor | undefined = undefined;
  /** Content without its chunks, until it is passed on; undefined when the body is passed as it came. */
  content: Buffer[] | undefined = undefined;
  /** The client does not take the response as fast as it comes. */
  downloadBlocked = false;
  upstreamReusable = false;
  /** When it began to wait for its app, by the clock of the deadlines; -1 when it did not. */
  private heldSinceMs = -1;
  private readonly place = new RequestPlace(this);
  private over = false;

  constructor(client: RequestClient, edge: EdgeContext) {
    this.client = client;
    this.edge = edge;
    this.id = edge.nextRequestId();
    this.usage = edge.routes.usage.nobody;
    this.startedAtMs = performance.now();
    this.clientFields = client.connection.clientFields;
    this.secure = client.connection.peer.proto === 'https';
    this.clientAddress = client.connection.peer.address;
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
    if (this.edge.stallGuard?.isAside(target.tenant.name)) return this.answer(answers.setAside);
    const { state } = target;
    if (state === 'ready') this.takeTurn(target);
    else if (state === 'starting') this.waitFor(target);
    else if (state === 'sleeping') this.wake(target);
    else this.answer(answers[state]);
  }

  private wake(target: AppTarget): void {
    if (this.quiet) return this.answer(this.quiet === 'path' ? answers.asleep : answers.asleepToAgents);
    this.waitFor(target);
    if (this.place.isHeld) this.edge.wakes.ask(target);
  }

  /** Until it is ready, or something else. */
  private waitFor(target: AppTarget): void {
    const { limits, deadlines } = this.edge;
    if (!this.place.hold(target, heldLimit(target.tenant.limits, limits))) return this.answer(answers.crowded);
    if (this.heldSinceMs === -1) this.heldSinceMs = deadlines.nowMs;
    this.limit(this.heldSinceMs + (target.holdMs ?? limits.holdMs) - deadlines.nowMs);
  }

  /** Sends it on now, or when another request of the tenant is over. */
  private takeTurn(target: AppTarget): void {
    if (!this.place.enter(target)) return this.answer(answers.crowded);
    if (this.place.isQueued) this.limit(this.edge.limits.queueMs);
    else if (takeFirstPiece(this)) forward(this);
  }

  /** Another request of the tenant is over, and this one has its place. */
  onAdmitted(): void {
    this.place.admit();
    this.admit();
    this.client.settle();
  }

  /** For what it waits for at the moment; its whole time may be over sooner. */
  limit(ms: number): void {
    this.client.limit(Math.min(ms, this.endsAtMs - this.edge.deadlines.nowMs));
  }

  onAppChanged(): void {
    this.place.release();
    // By another one that waited with it, and closed their connection.
    if (this.over) return;
    this.admit();
    this.client.settle();
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
    this.limit(this.flowingLimitMs);
    if (this.compressor) this.compressor.resume();
    else this.upstream?.socket.resume();
  }

  /** The client closed its direction. A request cut short can not be answered; a whole one is. */
  onClientEnd(): void {
    if (!this.requestBody.done) this.abort('client-gone');
    else if (this.responseBody) this.limit(this.edge.limits.halfClosedMs);
  }

  onClientGone(): void {
    this.outcome = 'client-gone';
    this.end(false);
  }

  onDeadline(): void {
    if (this.place.isHeld) this.answer(answers.starting);
    else if (this.place.isQueued) this.answer(answers.crowded);
    else if (this.responseBody) {
      if (this.isPastEnd) this.noteLimit('requestTimeout');
      this.abort('timeout');
    } else if (!this.requestBody.done && !this.uploadBlocked) this.answer(answers.slowRequest);
    else this.fail(this.isPastEnd ? 'slowAltogether' : 'slow');
  }

  /** Its plan's `requestTimeout` is over. */
  private get isPastEnd(): boolean {
    return this.edge.deadlines.nowMs >= this.endsAtMs;
  }

  private noteLimit(limit: RequestLimitName): void {
    const tenant = this.host?.tenant.name;
    if (tenant !== undefined) this.edge.limitCounts.note(tenant, this.target?.app ?? '', limit);
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
    if (this.responseBody) this.abort('cut');
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
    this.upstream?.pool.noteFailure(false);
    if (this.target) this.edge.reportFault(level, `${this.target.tenant.name}/${this.target.app}: ${reason} (request ${this.id})`);
    this.answer(answer);
  }

  /** The edge itself answers. A body that has not come whole by now is not waited for. */
  answer(answer: Answer): void {
    if (this.over) return;
    if (answer.limit) this.noteLimit(answer.limit);
    if (!this.requestBody.done && !this.upstream) dropFirstPiece(this);
    const keep = this.keepAlive && !answer.close && this.requestBody.done && !this.edge.closing;
    this.status = answer.status;
    this.outcome = answer.outcome;
    this.countOut(this.client.sendAnswer(this, answer, keep));
    this.end(false);
    this.client.finish(keep);
  }

  /** Between two pieces of a response. An app may be silent for as long as it likes, but not because its client sends no more. */
  get flowingLimitMs(): number {
    if (!this.requestBody.done) return this.target?.tenant.limits.tunnelIdleTimeoutMs ?? this.edge.limits.bodyStallMs;
    return this.client.inputEnded ? this.edge.limits.halfClosedMs : Infinity;
  }

  get responseTimeoutMs(): number {
    return this.target?.tenant.limits.responseTimeoutMs ?? Infinity;
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
  abort(outcome: AccessOutcome): void {
    if (this.over) return;
    this.outcome = outcome;
    this.end(false);
    this.client.cut();
  }

  /** The connections are a tunnel's now. */
  becomeTunnel(tunnel: UpstreamUser): UpstreamConnection | undefined {
    const { upstream } = this;
    if (!upstream) return undefined;
    this.head = '';
    // Copies: parts of a request's head would keep all of it in memory for hours.
    this.path = copyOf(this.path);
    this.hostName = copyOf(this.hostName);
    this.upstream = undefined;
    this.status = 101;
    this.usage.countRequest(101);
    this.answeredAtMs = performance.now();
    upstream.pool.giveAway(upstream, tunnel);
    this.place.becomeTunnel();
    return upstream;
  }

  endTunnel(): void {
    this.end(false);
  }

  countIn(bytes: number): void {
    this.bytesIn += bytes;
    this.usage.countIn(bytes);
  }

  countOut(bytes: number): void {
    this.bytesOut += bytes;
    this.usage.countOut(bytes);
  }

  /** What of the request's body came since it was called last. */
  countBody(): void {
    const bytes = this.requestBody.contentBytes - this.bytesIn;
    if (bytes > 0) this.countIn(bytes);
  }

  /** Lets go of the upstream connection. */
  detach(reusable: boolean): void {
    const { upstream } = this;
    this.upstream = undefined;
    upstream?.release(reusable);
  }

  private countRequest(): void {
    this.countBody();
    this.usage.countRequest(this.status);
  }

  /** A client of HTTP/2 can keep its stream open for a while after the end: not with a whole head in memory. */
  private dropTexts(): void {
    this.head = '';
    this.path = '';
    this.hostName = '';
    this.firstPiece = undefined;
    this.partialHead = undefined;
  }

  private end(reusable: boolean): void {
    if (this.over) return;
    this.over = true;
    if (this.status !== 101) this.countRequest();
    logExchange(this);
    this.dropTexts();
    this.compressor?.destroy();
    this.place.leave();
    this.detach(reusable);
  }
}

/** As many as could be open and queued if the app were ready. */
function heldLimit({ concurrentRequests, queuedRequests }: RequestLimits, { heldRequestsLeast, heldRequestsMost }: EdgeLimits): number {
  return Math.min(heldRequestsMost, Math.max(heldRequestsLeast, concurrentRequests + queuedRequests));
}

function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
