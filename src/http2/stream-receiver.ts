import type { Http2Stream } from './stream.ts';

/**
 * Who handles a request: the caller's object, put into `stream.receiver` by `onRequest`. Called from inside `receive`, `setWritable`
 * and `close`; may call anything of the stream and its connection.
 */
export interface StreamReceiver {
  /**
   * A piece of the request body, without padding; empty only when `ended`, which says that it is the last. The bytes are the socket's:
   * nobody writes to them again. Give them back with `stream.consumed` when they are passed on, or the client is stopped.
   */
  onData(stream: Http2Stream, bytes: Buffer, ended: boolean): void;
  /** The request ended with a trailer section: whole HTTP/1.1 field lines (latin1) without the empty line. */
  onTrailers(stream: Http2Stream, fieldLines: string): void;
  /**
   * The stream is over before its time: the client reset it, broke a rule (`code` is what it was told), or the connection ended. Once
   * a stream at most, never after its regular end and never for the caller's own `reset`. Nothing can be sent any more.
   */
  onReset(stream: Http2Stream, code: number): void;
  /** After a `sendData` that answered false: there is room again. */
  onDrain(stream: Http2Stream): void;
  /** The stream is over as it should be: nobody can hold it open any more. Instead of `onReset`, never after it. */
  onOver?(stream: Http2Stream): void;
}

/** For streams whose owner doesn't care. */
export const noReceiver: StreamReceiver = {
  onData: (stream, bytes) => stream.consumed(bytes.length),
  onTrailers: () => {},
  onReset: () => {},
  onDrain: () => {},
};
