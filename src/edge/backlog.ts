const leastBytes = 1_024;

/**
 * Bytes that came and wait, as one buffer. Joining all that waits with each new piece would make a client that sends single bytes
 * cost the square of what it sends.
 *
 * Invariant: `memory[start, end)` waits. What was handed out is not written to again: pieces are put behind `end`.
 */
export class Backlog {
  private memory: Buffer | undefined = undefined;
  private start = 0;
  private end = 0;

  /** All of it; undefined when nothing waits. */
  get bytes(): Buffer | undefined {
    const { memory, start, end } = this;
    return memory && (start === 0 && end === memory.length ? memory : memory.subarray(start, end));
  }

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    if (!this.memory) {
      this.memory = piece;
      this.end = piece.length;
      return;
    }
    if (this.end + piece.length > this.memory.length) this.grow(piece.length);
    piece.copy(this.memory, this.end);
    this.end += piece.length;
  }

  /** The first `byteCount` bytes wait no longer. */
  drop(byteCount: number): void {
    this.start += byteCount;
    if (this.start >= this.end) this.clear();
  }

  clear(): void {
    this.memory = undefined;
    this.start = 0;
    this.end = 0;
  }

  private grow(byteCount: number): void {
    const waiting = this.end - this.start;
    const larger = Buffer.allocUnsafeSlow(Math.max(leastBytes, 2 * waiting, waiting + byteCount));
    this.memory?.copy(larger, 0, this.start, this.end);
    this.memory = larger;
    this.start = 0;
    this.end = waiting;
  }
}
