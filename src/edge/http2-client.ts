import type { Socket } from 'node:net';
import { Http2Connection } from '../http2/connection.ts';
import type { ConnectionOwner } from '../http2/connection-owner.ts';
import { errorCode } from '../http2/error-codes.ts';
import type { Http2Stream } from '../http2/stream.ts';
import { ConnectionFacts, type ConnectionOrigin } from './connection-facts.ts';
import type { EdgeContext } from './context.ts';
import type { Deadline } from './deadlines.ts';
import type { ServedConnection } from './edge.ts';
import { Http2Request } from './http2-request.ts';

/**
 * A client's connection in HTTP/2: requests side by side.
 *
 * Invariants:
 * - Without an open stream it lives as long as an idle one may, whatever else the client sends.
 * - While the client does not take what waits for it nothing is read from it.
 */
export class Http2Client implements ConnectionOwner, Deadline, ServedConnection {
  deadlineAtMs = Infinity;
  private readonly edge: EdgeContext;
  private readonly socket: Socket;
  private readonly facts: ConnectionFacts;
  private readonly http2: Http2Connection;
  /** It was asked to end: `closeIfIdle`. */
  private ending = false;
  private closing = false;
  private corked = false;

  constructor(edge: EdgeContext, socket: Socket, origin: ConnectionOrigin, onClose: (connection: ServedConnection) => void) {
    this.edge = edge;
    this.socket = socket;
    this.facts = new ConnectionFacts(edge, socket, origin);
    this.http2 = new Http2Connection(edge.http2, this);
    socket
      .on('data', (bytes: Buffer) => this.receive(bytes))
      // It can not even give back what it received any more: nothing that is open could end well.
      .on('end', () => socket.destroy())
      .on('drain', () => this.receiveDrain())
      // A client that resets its connection is no fault; `close` follows.
      .on('error', () => {})
      .on('close', () => {
        edge.deadlines.forget(this);
        this.facts.leaveTenant();
        this.http2.lost();
        onClose(this);
      });
    edge.deadlines.watch(this);
    this.limit(edge.limits.idleMs);
  }

  onDeadline(): void {
    if (this.closing) this.socket.destroy();
    else if (this.http2.openStreams > 0) this.limit(this.edge.limits.idleMs);
    // It did not answer our PING, and need not: it may have no word of HTTP/2.
    else if (this.ending) this.http2.close(errorCode.noError, 'idle');
    else this.closeIfIdle();
  }

  /** Open requests are served first, but new ones are not taken any more. */
  closeIfIdle(): void {
    this.ending = true;
    this.limit(this.edge.limits.lingerMs);
    this.http2.shutdown();
  }

  announceEnd(): void {
    this.closeIfIdle();
  }

  /** At once: a shutdown takes as long as its client likes. */
  giveWay(): boolean {
    const unused = this.http2.openStreams === 0 && this.socket.writableLength === 0;
    if (!unused) return false;
    if (!this.closing) this.http2.close(errorCode.noError, 'others need the room');
    this.socket.destroy();
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }

  write(bytes: Buffer, more: boolean): boolean {
    if (more && !this.corked) this.socket.cork();
    const flowing = this.socket.write(bytes);
    if (!more && this.corked) this.socket.uncork();
    this.corked = more;
    if (!flowing) this.socket.pause();
    return flowing;
  }

  onRequest(stream: Http2Stream): void {
    this.limit(this.edge.limits.idleMs);
    const request = new Http2Request(this.edge, this.facts, stream);
    stream.receiver = request;
    request.begin();
  }

  onClose(): void {
    this.closing = true;
    this.limit(this.edge.limits.lingerMs);
    this.socket.resume().end();
  }

  private limit(ms: number): void {
    this.deadlineAtMs = this.edge.deadlines.nowMs + ms;
  }

  private receive(bytes: Buffer): void {
    // What still comes is read away, so that the client sees GOAWAY rather than a reset.
    if (!this.closing) this.http2.receive(bytes);
  }

  private receiveDrain(): void {
    this.http2.setWritable(true);
    this.socket.resume();
  }
}
