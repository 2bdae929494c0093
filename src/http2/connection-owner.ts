import type { Http2Stream } from './stream.ts';

/** What a connection needs of the socket it works for. */
export interface ConnectionOwner {
  /**
   * Gives bytes to the socket; answers whether it takes more (what `socket.write` answers). After false come no more than control
   * frames and heads, until `setWritable(true)`. `more`: another call follows at once, so corking the socket saves a system call.
   */
  write(bytes: Buffer, more: boolean): boolean;
  /** A request's head is here. The owner puts a receiver into `stream.receiver`, now or before it returns to the event loop. */
  onRequest(stream: Http2Stream): void;
  /**
   * The connection is over: by a fault of the client, `close`, or `shutdown` when the last stream has ended. GOAWAY was written, every
   * open stream was told; end the socket. Called once; not after `lost`. `reason` is for logs.
   */
  onClose(code: number, reason: string): void;
}
