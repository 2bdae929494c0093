import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Http2Connection } from '../../../src/http2/connection.ts';
import type { ConnectionOwner } from '../../../src/http2/connection-owner.ts';
import { Http2Context } from '../../../src/http2/context.ts';
import { defaultHttp2Limits, type Http2Limits } from '../../../src/http2/limits.ts';
import type { Http2Stream } from '../../../src/http2/stream.ts';
import { noReceiver, type StreamReceiver } from '../../../src/http2/stream-receiver.ts';

/** One connection of a client, as an edge would serve it. */
class Served implements ConnectionOwner {
  readonly connection: Http2Connection;
  /** Why it ended. */
  closed: string | undefined = undefined;
  private readonly socket: Socket;
  private readonly server: EngineServer;

  constructor(socket: Socket, context: Http2Context, server: EngineServer) {
    this.socket = socket;
    this.server = server;
    this.connection = new Http2Connection(context, this);
    socket
      .on('data', (bytes: Buffer) => this.connection.receive(bytes))
      .on('drain', () => {
        this.connection.setWritable(true);
        socket.resume();
      })
      .on('end', () => socket.destroy())
      .on('error', () => {})
      .on('close', () => this.connection.lost());
  }

  write(bytes: Buffer, more: boolean): boolean {
    if (more && this.socket.writableCorked === 0) this.socket.cork();
    const flowing = this.socket.write(bytes);
    if (!more && this.socket.writableCorked > 0) this.socket.uncork();
    if (!flowing) this.socket.pause();
    return flowing;
  }

  onRequest(stream: Http2Stream): void {
    const [, kind = '', argument = ''] = stream.path.split('/');
    if (kind === 'bytes') new Download(Number(argument)).begin(stream);
    else if (kind === 'hold') this.server.hold(stream);
    else if (kind === 'hints') answerWithHints(stream);
    else stream.receiver = kind === 'echo' ? new Echo(stream) : new Count(stream, this.server);
  }

  onClose(_: number, reason: string): void {
    this.closed = reason;
    this.socket.resume().end();
  }
}

function answerWithHints(stream: Http2Stream): void {
  stream.respond(103, ['Link', '</a.css>; rel=preload'], false);
  stream.respond(200, ['x-fields', JSON.stringify(stream.fieldLines), 'set-cookie', 'a=1', 'set-cookie', 'b=2'], true);
}

/** Sends back what comes, as fast as the client takes it; trailers too. */
class Echo implements StreamReceiver {
  /** Sent, and not yet given back to the client, while it takes nothing. */
  private blockedBytes = 0;
  private blocked = false;

  constructor(stream: Http2Stream) {
    stream.respond(200, ['content-type', 'application/octet-stream'], stream.requestEnded);
  }

  onData(stream: Http2Stream, bytes: Buffer, ended: boolean): void {
    this.blocked = !stream.sendData(bytes, ended);
    if (this.blocked) this.blockedBytes += bytes.length;
    else stream.consumed(bytes.length);
  }

  onDrain(stream: Http2Stream): void {
    stream.consumed(this.blockedBytes);
    this.blockedBytes = 0;
  }

  onTrailers(stream: Http2Stream, fieldLines: string): void {
    stream.sendTrailers(fieldLines);
  }

  onReset(): void {}
}

/** Sends bytes that count up, as fast as the client takes them. */
class Download implements StreamReceiver {
  private sent = 0;
  private readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  begin(stream: Http2Stream): void {
    stream.receiver = this;
    stream.respond(200, ['Content-Length', String(this.length)], this.length === 0);
    this.onDrain(stream);
  }

  onDrain(stream: Http2Stream): void {
    while (this.sent < this.length) {
      const piece = countedBytes(this.sent, Math.min(50_000, this.length - this.sent));
      this.sent += piece.length;
      if (!stream.sendData(piece, this.sent === this.length)) return;
    }
  }

  onData(): void {}
  onTrailers(): void {}
  onReset(): void {}
}

/** Answers how much came. */
class Count implements StreamReceiver {
  private received = 0;
  private readonly server: EngineServer;

  constructor(stream: Http2Stream, server: EngineServer) {
    this.server = server;
    if (stream.requestEnded) this.answer(stream);
  }

  onData(stream: Http2Stream, bytes: Buffer, ended: boolean): void {
    this.received += bytes.length;
    stream.consumed(bytes.length);
    if (ended) this.answer(stream);
  }

  onTrailers(stream: Http2Stream): void {
    this.answer(stream);
  }

  onReset(_: Http2Stream, code: number): void {
    this.server.resets.push(code);
  }

  onDrain(): void {}

  private answer(stream: Http2Stream): void {
    stream.respond(200, ['Content-Type', 'text/plain', 'Server', 'engine', 'x-path', stream.path], false);
    stream.sendData(Buffer.from(String(this.received)), true);
  }
}

export function countedBytes(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (from + index) % 251));
}

/** Serves HTTP/2 without TLS on 127.0.0.1. */
export class EngineServer {
  /** Streams of `/hold`. */
  readonly held: Http2Stream[] = [];
  readonly resets: number[] = [];
  readonly served: Served[] = [];
  private readonly server: Server;

  private constructor(limits: Http2Limits) {
    const context = new Http2Context({ limits, nowMs: () => performance.now(), schedule: (flush) => void setImmediate(flush) });
    this.server = createServer({ noDelay: true }, (socket) => this.served.push(new Served(socket, context, this)));
  }

  static async listen(limits: Partial<Http2Limits> = {}): Promise<EngineServer> {
    const server = new EngineServer({ ...defaultHttp2Limits, ...limits });
    await new Promise<void>((resolve) => void server.server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** Leaves the answer to the test. */
  hold(stream: Http2Stream): void {
    stream.receiver = { ...noReceiver, onReset: (_, code) => void this.resets.push(code) };
    this.held.push(stream);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => void this.server.close(() => resolve()));
  }
}
