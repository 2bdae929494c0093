import { frameHeadBytes, writeFrameHead } from './frames.ts';
import type { Slab, Slabs } from './slabs.ts';

/** From here on a payload is passed on as it is rather than copied: the second buffer of a system call costs about as much. */
const copyBytes = 4 * 1024;

/**
 * What a connection has to send: frames, gathered until the flush.
 *
 * Invariant: the bytes to send are those of `ready`, then `slab.bytes[start, slab.at)`.
 */
export class Output {
  /** All that waits for the flush. */
  byteCount = 0;
  private readonly slabs: Slabs;
  private slab: Slab | undefined = undefined;
  private start = 0;
  private readonly ready: Buffer[] = [];

  constructor(slabs: Slabs) {
    this.slabs = slabs;
  }

  /** Room for `byteCount` bytes, to be written from `at` on; `advance` says how many of them came to be used. */
  reserve(byteCount: number): Slab {
    if (this.slab && this.slab.bytes.length - this.slab.at >= byteCount) return this.slab;
    this.release();
    const slab = this.slabs.take(byteCount);
    this.slab = slab;
    this.start = slab.at;
    return slab;
  }

  advance(slab: Slab, byteCount: number): void {
    slab.at += byteCount;
    this.byteCount += byteCount;
  }

  /** A frame with the payload `bytes[from, to)`. */
  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    const copies = length < copyBytes;
    const slab = this.reserve(copies ? frameHeadBytes + length : frameHeadBytes);
    writeFrameHead(slab.bytes, slab.at, length, type, flags, streamId);
    if (copies && length > 0) bytes.copy(slab.bytes, slab.at + frameHeadBytes, from, to);
    this.advance(slab, copies ? frameHeadBytes + length : frameHeadBytes);
    if (copies) return;
    this.seal();
    this.ready.push(bytes.subarray(from, to));
    this.byteCount += length;
  }

  /** Writes all of it; answers what the last `write` did. */
  flush(to: { write(bytes: Buffer, more: boolean): boolean }): boolean {
    this.release();
    this.byteCount = 0;
    const { ready } = this;
    const last = ready.length - 1;
    let flowing = true;
    for (let index = 0; index <= last; index++) flowing = to.write(ready[index] as Buffer, index < last);
    ready.length = 0;
    return flowing;
  }

  discard(): void {
    this.release();
    this.ready.length = 0;
    this.byteCount = 0;
  }

  private seal(): void {
    const { slab } = this;
    if (!slab || slab.at === this.start) return;
    this.ready.push(slab.bytes.subarray(this.start, slab.at));
    this.start = slab.at;
  }

  private release(): void {
    this.seal();
    if (this.slab) this.slabs.giveBack(this.slab);
    this.slab = undefined;
  }
}
