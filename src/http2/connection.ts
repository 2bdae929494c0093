/* The public surface; the bodies follow. */
import type { ConnectionOwner } from './connection-owner.ts';
import type { Http2Context } from './context.ts';

export declare class Http2Connection {
  /** Queues our SETTINGS. */
  constructor(context: Http2Context, owner: ConnectionOwner);
  /** How many streams are open. */
  readonly openStreams: number;
  /** Whatever the socket gave, in whatever pieces; the client's preface first. The bytes must not be written to afterwards. */
  receive(bytes: Buffer): void;
  /** The socket is backed up, or has drained. While it is backed up, stop reading from it: what is read makes more to write. */
  setWritable(writable: boolean): void;
  /** Writes what has gathered now rather than when the context's `schedule` says so. */
  flush(): void;
  /** Ends gracefully (RFC 9113 6.8): open requests are served, new ones refused after a round trip; then `onClose`. */
  shutdown(): void;
  /** Ends at once: GOAWAY, `onReset` for every stream, `onClose`. */
  close(code: number, reason: string): void;
  /** The socket is gone: every open stream is told. */
  lost(): void;
}
