import type { TenantName } from '../base/ids.ts';
import type { Coding } from '../http1/accept-encoding.ts';
import type { CompressionShare, CompressionUser } from './compression-share.ts';
import { type Coder, compressAtOnce, openCoder } from './content-coding.ts';

/** Where the compressed content goes. None of it is called from within a call to the compressor, nor after `destroy`. */
export interface CompressorSink {
  onCompressed(bytes: Buffer): void;
  /** All was given to `onCompressed`. Nothing is called after it. */
  onCompressedEnd(): void;
  /** After a `write` that answered false. */
  onCompressorDrain(): void;
  /** Nothing is called after it. */
  onCompressorFault(error: Error): void;
}

/** What may wait to be compressed, before `write` answers false. */
const fullBytes = 64 * 1024;
/** Content that is here as a whole and no larger costs less to compress at once. */
const atOnceBytes = 8 * 1024;

/**
 * Compresses the content of one response. Make it only after `share.enter` said yes: it leaves the share by itself, when it is over.
 *
 * Invariants:
 * - One piece at a time is in the coder, with a turn of the share, which it keeps until a thread is really done with it.
 * - All that was written by then is one piece, and flushed: nothing waits for bytes that have not come yet, and many small writes
 *   in a short time cost one flush.
 * - While paused no piece is begun. Memory is bounded by two pieces of at most `fullBytes` and a write, and what they become.
 */
export class Compressor implements CompressionUser {
  private static readonly wakeUp = (compressor: Compressor): void => compressor.askForTurn();
  readonly tenant: TenantName;
  private readonly coding: Coding;
  private readonly share: CompressionShare;
  private readonly sink: CompressorSink;
  private coder: Coder | undefined = undefined;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private ended = false;
  private paused = false;
  /** `write` answered false, and `onCompressorDrain` did not follow yet. */
  private blocked = false;
  /** It waits for a turn, or has one. */
  private busy = false;
  private over = false;

  constructor(coding: Coding, tenant: TenantName, share: CompressionShare, sink: CompressorSink) {
    this.coding = coding;
    this.tenant = tenant;
    this.share = share;
    this.sink = sink;
  }

  /** Of the content, without its framing; kept until it is compressed, so not from memory that is filled again. */
  write(piece: Buffer): boolean {
    this.waiting.push(piece);
    this.waitingBytes += piece.length;
    this.blocked ||= this.waitingBytes >= fullBytes;
    this.wake();
    return !this.blocked;
  }

  /** The content is whole. */
  end(): void {
    this.ended = true;
    this.wake();
  }

  /** What is in the coder still comes out. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.wake();
  }

  /** The response is over, whatever was written. */
  destroy(): void {
    if (this.over) return;
    this.leave();
    this.waiting = [];
    this.coder?.destroy();
  }

  /** Not before all that has come in by now was written: the end too, if it is there. */
  private wake(): void {
    if (this.busy || !this.isReady()) return;
    this.busy = true;
    setImmediate(Compressor.wakeUp, this);
  }

  private isReady(): boolean {
    if (this.over || this.paused || this.coder?.writableEnded) return false;
    return this.waitingBytes > 0 || this.ended;
  }

  private askForTurn(): void {
    if (this.isReady()) this.share.ask(this);
    else this.busy = false;
  }

  run(): void {
    if (!this.isReady()) return this.finishTurn();
    const piece = this.takeWaiting();
    if (!this.coder && this.ended && piece.length <= atOnceBytes) return this.compressAtOnce(piece);
    const coder = (this.coder ??= this.openCoder());
    if (this.ended) coder.end(piece, () => this.finishTurn());
    else coder.write(piece, () => this.finishTurn());
    this.unblock();
  }

  private unblock(): void {
    if (!this.blocked) return;
    this.blocked = false;
    this.sink.onCompressorDrain();
  }

  private takeWaiting(): Buffer {
    const [first, ...others] = this.waiting;
    const piece = first && others.length === 0 ? first : Buffer.concat(this.waiting);
    this.waiting = [];
    this.waitingBytes = 0;
    return piece;
  }

  private compressAtOnce(piece: Buffer): void {
    this.sink.onCompressed(compressAtOnce[this.coding](piece));
    this.finish();
    this.finishTurn();
  }

  private openCoder(): Coder {
    const coder = openCoder[this.coding]();
    coder.on('data', (bytes: Buffer) => {
      if (!this.over) this.sink.onCompressed(bytes);
    });
    coder.on('end', () => this.finish());
    coder.on('error', (error) => this.fail(error));
    return coder;
  }

  private finishTurn(): void {
    this.busy = false;
    this.share.finish();
    this.wake();
  }

  private finish(): void {
    if (this.over) return;
    this.leave();
    this.sink.onCompressedEnd();
  }

  private fail(error: Error): void {
    if (this.over) return;
    this.leave();
    this.sink.onCompressorFault(error);
  }

  private leave(): void {
    this.over = true;
    this.share.leave(this);
  }
}
