/**
 * Finds where a message's body ends, and passes it through unchanged. `take` is told of bytes that arrived and answers how many
 * of them belong to the message; what may be passed on of those is `bytes[0, passEnd)`, then `tail`.
 */
export interface BodyReader {
  take(bytes: Buffer): number;
  /** The message is whole. */
  readonly done: boolean;
  /** Why the body is malformed; nothing more is taken then. */
  readonly fault: string | undefined;
  readonly passEnd: number;
  /** Text (latin1) to write after what is passed: a trailer section that had to be written anew. */
  readonly tail: string;
  /** Bytes of content so far, without the framing. */
  readonly contentBytes: number;
}

export const noBody: BodyReader = Object.freeze({
  take: () => 0,
  done: true,
  fault: undefined,
  passEnd: 0,
  tail: '',
  contentBytes: 0,
});

/** A body of a length known in advance (RFC 9112 6.2). */
export class LengthBody implements BodyReader {
  passEnd = 0;
  contentBytes = 0;
  readonly tail = '';
  readonly fault = undefined;
  private readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  get done(): boolean {
    return this.contentBytes === this.length;
  }

  take(bytes: Buffer): number {
    this.passEnd = Math.min(bytes.length, this.length - this.contentBytes);
    this.contentBytes += this.passEnd;
    return this.passEnd;
  }
}

/** A response's body that ends with its connection (RFC 9112 6.3, 8). */
export class UntilCloseBody implements BodyReader {
  passEnd = 0;
  contentBytes = 0;
  readonly done = false;
  readonly tail = '';
  readonly fault = undefined;

  take(bytes: Buffer): number {
    this.passEnd = bytes.length;
    this.contentBytes += bytes.length;
    return bytes.length;
  }
}
