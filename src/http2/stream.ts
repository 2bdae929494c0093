import type { IncomingData } from './incoming-data.ts';
import type { FieldList, FieldSource, KeepsField } from './response-head.ts';
import type { Sender } from './sender.ts';
import { noReceiver, type StreamReceiver } from './stream-receiver.ts';

/** The halves of a stream's connection. */
export interface StreamConnection {
  readonly sender: Sender;
  readonly incoming: IncomingData;
  reset(stream: Http2Stream, code: number): void;
}

/**
 * One request and its response. What is sent on a stream that is over is dropped without a word, so a caller need not ask first.
 *
 * Invariants:
 * - `closed` once both directions have ended, or one side has reset it; then nothing more is sent or told.
 * - While `queuedBytes` > 0 whatever is sent next waits behind it.
 */
export class Http2Stream {
  readonly id: number;
  receiver: StreamReceiver = noReceiver;

  // The request. All text is latin1; nothing in it can end or split a line of HTTP/1.1.
  method = '';
  /** Empty for CONNECT, as is `path`. */
  scheme = '';
  /** `:authority`, or else `host`, which is not among the field lines. Not empty; checked no further. */
  authority = '';
  /** Begins with `/`, or is the `*` of OPTIONS. */
  path = '';
  /** The other fields as HTTP/1.1 lines, each with its CRLF; names in lower case, one `cookie` line (RFC 9113 8.2.3). */
  fieldLines = '';
  /** As declared, -1 when not; what comes is held to it. */
  contentLength = -1;
  /** The whole request is here. */
  requestEnded = false;
  /** The field section was over the limit: `fieldLines` is not all of it, and the answer should be 431. */
  fieldsTooLarge = false;

  // Receiving
  receivedBytes = 0;
  receiveWindow: number;
  /** Told to the receiver and not consumed. */
  unconsumed = 0;
  /** Consumed, and not given back to the client yet. */
  credit = 0;

  // Sending
  /** A final response head was sent. */
  responded = false;
  /** The caller has sent all. */
  responseEnded = false;
  /** The caller needs no more of the request: after the last of the response it is reset with NO_ERROR (RFC 9113 8.1). */
  requestUnwanted = false;
  /** The last frame was written. */
  endSent = false;
  sendWindow: number;
  queue: Buffer[] | undefined = undefined;
  queuedBytes = 0;
  trailers: string | undefined = undefined;
  wantsDrain = false;
  /** It is in the connection's queue of those that can send. */
  waiting = false;
  closed = false;

  private readonly connection: StreamConnection;

  constructor(connection: StreamConnection, id: number, receiveWindow: number, sendWindow: number) {
    this.connection = connection;
    this.id = id;
    this.receiveWindow = receiveWindow;
    this.sendWindow = sendWindow;
  }

  /**
   * Sends a head. A status below 200 is an interim response, which may come several times before the final one. Names may be in any
   * case; fields that HTTP/2 has no place for (RFC 9113 8.2.2) are left out.
   */
  respond(status: number, fields: FieldList, ended: boolean): void {
    this.connection.sender.head(this, status, undefined, undefined, fields, ended);
  }

  /** The same with what `keeps` lets through of a parsed HTTP/1.1 head, and `added`. */
  respondFrom<Source extends FieldSource>(
    status: number,
    source: Source,
    keeps: KeepsField<Source>,
    added: FieldList,
    ended: boolean,
  ): void {
    this.connection.sender.head(this, status, source, keeps, added, ended);
  }

  /** False: stop until `onDrain`. The bytes are taken all the same, and must not be written to afterwards. */
  sendData(bytes: Buffer, ended: boolean): boolean {
    return this.connection.sender.data(this, bytes, ended);
  }

  /** Ends the response with HTTP/1.1 field lines; `''` ends it without trailers. */
  sendTrailers(fieldLines: string): void {
    this.connection.sender.trailers(this, fieldLines);
  }

  /** So many bytes of `onData` were passed on: the client may send as many more. */
  consumed(byteCount: number): void {
    this.connection.incoming.consumed(this, byteCount);
  }

  /**
   * Ends the stream at once. With `noError` after a whole response whose request still comes (RFC 9113 8.1): without it such a
   * stream stays open for the rest of the request.
   */
  reset(code: number): void {
    this.connection.reset(this, code);
  }
}
