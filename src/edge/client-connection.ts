import type { Socket } from 'node:net';
import { findHeadEnd, refuseIncompleteHead, skipEmptyLines } from '../http1/head-end.ts';
import { parseRequestHead } from '../http1/request-head.ts';
import type { Refusal } from '../http1/refusals.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { type Answer, answerRefusal, answers } from './answers.ts';
import type { AppTarget } from './app-target.ts';
import { Backlog } from './backlog.ts';
import { ConnectionFacts, type ConnectionOrigin } from './connection-facts.ts';
import type { EdgeContext } from './context.ts';
import type { Deadline } from './deadlines.ts';
import type { ServedConnection } from './edge.ts';
import { Exchange } from './exchange.ts';
import type { Caller } from './gateways.ts';
import { writeHttp1Answer, writeHttp1Body, writeHttp1Head, writeHttp1Interim } from './http1-writer.ts';
import type { OpenCall } from './open-calls.ts';
import type { RequestClient } from './request-client.ts';
import { openTunnel } from './tunnel.ts';

/**
 * A client's connection in HTTP/1.1: requests one after another.
 *
 * Invariants:
 * - At most one exchange at a time; the next head is read when the response before it went out, and the client took it.
 * - `pending` holds what came and is not used yet: less than a head's limit and one read. While it can not be used nothing is read.
 * - After `closing` nothing that comes is looked at.
 */
export class ClientConnection implements Deadline, RequestClient, ServedConnection, OpenCall {
  deadlineAtMs = Infinity;
  readonly socket: Socket;
  readonly connection: ConnectionFacts;
  readonly protocol = 'HTTP/1.1';
  /** The client closed its direction. */
  inputEnded = false;
  private readonly edge: EdgeContext;
  private readonly backlog = new Backlog();
  private exchange: Exchange | undefined = undefined;
  private phase: 'serving' | 'closing' | 'tunnel' = 'serving';
  /** A head has begun to come. */
  private inHead = false;
  private searchFrom = 0;
  private settling = false;

  constructor(edge: EdgeContext, socket: Socket, origin: ConnectionOrigin, onClose: (connection: ServedConnection) => void) {
    this.edge = edge;
    this.socket = socket;
    this.connection = new ConnectionFacts(edge, socket, origin);
    if (origin.caller) edge.calls.add(this);
    socket
      .on('data', (bytes: Buffer) => this.receive(bytes))
      .on('end', () => this.receiveEnd())
      .on('drain', () => this.receiveDrain())
      // A client that resets its connection is no fault; `close` follows.
      .on('error', () => {})
      .on('close', () => {
        edge.deadlines.forget(this);
        this.connection.leaveTenant();
        edge.calls.delete(this);
        onClose(this);
        this.exchange?.onClientGone();
      });
    edge.deadlines.watch(this);
    this.limit(edge.limits.idleMs);
  }

  get caller(): Caller | undefined {
    return this.connection.caller;
  }

  get called(): AppTarget | undefined {
    return this.connection.called;
  }

  get pending(): Buffer | undefined {
    return this.backlog.bytes;
  }

  /** From now on, for whatever it waits for at the moment. */
  limit(ms: number): void {
    this.deadlineAtMs = this.edge.deadlines.nowMs + ms;
  }

  onDeadline(): void {
    if (this.exchange) this.exchange.onDeadline();
    else if (this.phase === 'serving' && this.inHead) new Exchange(this, this.edge).answer(answers.slowRequest);
    else this.socket.destroy();
    this.settle();
  }

  dropPending(bytes: number): void {
    this.backlog.drop(bytes);
  }

  /** Goes on as far as what came allows, then reads on or stops reading. */
  settle(): void {
    if (this.settling) return;
    this.settling = true;
    while (this.goOn());
    this.settling = false;
    this.steerReading();
  }

  sendAnswer(exchange: Exchange, answer: Answer, keep: boolean): number {
    return writeHttp1Answer(this.socket, exchange, answer, keep);
  }

  sendInterim(exchange: Exchange, head: ResponseHead): void {
    writeHttp1Interim(this.socket, exchange, head);
  }

  sendHead(exchange: Exchange, head: ResponseHead, piece: Buffer | undefined, ended: boolean): boolean {
    return writeHttp1Head(this.socket, exchange, head, piece, ended);
  }

  sendBody(exchange: Exchange, piece: Buffer | undefined, ended: boolean): boolean {
    return writeHttp1Body(this.socket, exchange, piece, ended);
  }

  switchProtocols(exchange: Exchange, following: Buffer | undefined): void {
    openTunnel(this, exchange, following);
  }

  /** The exchange is over. */
  finish(keep: boolean): void {
    const idleMs = this.exchange?.host?.tenant.limits.idleTimeoutMs ?? this.edge.limits.idleMs;
    this.exchange = undefined;
    this.inHead = false;
    if (!keep || (this.edge.closing && !this.edge.retiring) || (this.inputEnded && !this.pending)) this.closeGently();
    else this.limit(idleMs);
  }

  closeIfIdle(): void {
    if (this.inHead || this.giveWay()) return;
    // Its last response is still on its way.
    if (this.phase === 'serving' && !this.exchange) this.closeGently();
  }

  /** The answer to its next request says so. */
  announceEnd(): void {}

  giveWay(): boolean {
    const unused = this.phase !== 'tunnel' && !this.exchange && this.socket.writableLength === 0;
    if (unused) this.socket.destroy();
    return unused;
  }

  /** A reset, not an orderly end: for a body that ends with its connection that is the only sign that it is not whole. */
  cut(): void {
    this.exchange = undefined;
    // Over TLS the sign is an end without `close_notify` (RFC 8446 6.1). A Unix socket can't be reset.
    if (this.connection.tlsVersion !== '' || this.connection.caller) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Hands the socket over; answers what the client sent after its request. */
  becomeTunnel(): Buffer | undefined {
    const early = this.pending;
    this.backlog.clear();
    this.phase = 'tunnel';
    this.exchange = undefined;
    this.deadlineAtMs = Infinity;
    for (const event of ['data', 'end', 'drain']) this.socket.removeAllListeners(event);
    return early;
  }

  private receive(bytes: Buffer): void {
    if (this.phase === 'closing') return;
    this.backlog.add(bytes);
    this.settle();
  }

  private receiveEnd(): void {
    this.inputEnded = true;
    if (this.phase !== 'serving') return;
    if (!this.exchange) this.closeGently();
    else if (!this.pending) this.exchange.onClientEnd();
  }

  private receiveDrain(): void {
    this.exchange?.onClientDrain();
    this.settle();
  }

  private goOn(): boolean {
    const { pending } = this;
    if (!pending || this.phase !== 'serving') return false;
    if (!this.exchange) return !this.socket.writableNeedDrain && !this.socket.destroyed && this.readHead(pending);
    if (!this.exchange.wantsBody || this.exchange.uploadBlocked) return false;
    const taken = this.exchange.onClientData(pending);
    this.dropPending(taken);
    if (this.inputEnded && !this.pending) this.exchange?.onClientEnd();
    return taken > 0;
  }

  private readHead(received: Buffer): boolean {
    const skipped = skipEmptyLines(received);
    const bytes = skipped === 0 ? received : received.subarray(skipped);
    this.backlog.drop(skipped);
    if (bytes.length === 0) return this.waitForHead(undefined);
    const end = findHeadEnd(bytes, this.searchFrom);
    if (end === -1) return this.waitForHead(bytes);
    this.searchFrom = 0;
    const refusal = parseRequestHead(bytes, end, this.edge.requestHead);
    if (refusal) return this.refuse(refusal);
    this.backlog.drop(end);
    const exchange = new Exchange(this, this.edge);
    this.exchange = exchange;
    exchange.begin(this.edge.requestHead);
    return true;
  }

  private waitForHead(bytes: Buffer | undefined): false {
    const refusal = bytes && refuseIncompleteHead(bytes);
    if (refusal) return this.refuse(refusal);
    this.searchFrom = Math.max(0, (bytes?.length ?? 0) - 3);
    if (!this.inHead) this.limit(this.edge.limits.headMs);
    this.inHead = true;
    if (this.inputEnded) this.closeGently();
    return false;
  }

  private refuse(refusal: Refusal): false {
    new Exchange(this, this.edge).answer(answerRefusal(refusal));
    return false;
  }

  /** After an answer while more may come: closing at once would reset the connection and could destroy the answer on its way. */
  private closeGently(): void {
    this.phase = 'closing';
    this.backlog.clear();
    this.limit(this.edge.limits.clientStallMs);
    this.socket.end(() => this.limit(this.edge.limits.lingerMs));
  }

  private steerReading(): void {
    if (this.phase === 'tunnel' || this.socket.destroyed) return;
    const wanted = this.phase === 'closing' || (this.exchange ? !this.pending && !this.exchange.uploadBlocked : !this.isBackedUp());
    if (wanted !== this.socket.isPaused()) return;
    if (wanted) this.socket.resume();
    else this.socket.pause();
  }

  private isBackedUp(): boolean {
    return this.pending !== undefined && this.socket.writableNeedDrain;
  }
}
