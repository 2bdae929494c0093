/** What waits to be written of all access logs together. */
export interface BufferBudget {
  usedBytes: number;
  readonly maxBytes: number;
}

export interface FullBuffer {
  bytes: Buffer;
  lines: number;
  /** What it takes of the budget, until it is given back. */
  heldBytes: number;
}

const leastBytes = 4_096;
const none = Buffer.alloc(0);

/** Lines of ASCII, kept outside of V8's heap: as strings they would live just long enough to cost a collection each. */
export class AccessBuffer {
  private readonly budget: BufferBudget;
  private memory: Buffer = none;
  /** Half of what it took the last time: little for a quiet tenant, no copying for a busy one. */
  private firstBytes = leastBytes;
  usedBytes = 0;
  lines = 0;

  constructor(budget: BufferBudget) {
    this.budget = budget;
  }

  /** False when it has no room and may not grow: then nothing was kept. */
  append(line: string, maxBytes: number): boolean {
    const end = this.usedBytes + line.length;
    if (end > this.memory.length && !this.grow(end, maxBytes)) return false;
    this.memory.write(line, this.usedBytes, 'latin1');
    this.usedBytes = end;
    this.lines++;
    return true;
  }

  /** Empties it. Whoever takes gives `heldBytes` back to the budget. */
  take(): FullBuffer {
    const { memory, lines } = this;
    const bytes = memory.subarray(0, this.usedBytes);
    this.memory = none;
    this.firstBytes = Math.max(leastBytes, memory.length / 2);
    this.usedBytes = 0;
    this.lines = 0;
    return { bytes, lines, heldBytes: memory.length };
  }

  private grow(neededBytes: number, maxBytes: number): boolean {
    let wanted = Math.max(this.firstBytes, this.memory.length * 2);
    while (wanted < neededBytes) wanted *= 2;
    const more = wanted - this.memory.length;
    if (wanted > maxBytes || this.budget.usedBytes + more > this.budget.maxBytes) return false;
    const memory = Buffer.allocUnsafeSlow(wanted);
    this.memory.copy(memory, 0, 0, this.usedBytes);
    this.memory = memory;
    this.budget.usedBytes += more;
    return true;
  }
}
