import { headerTableBytes, mostEntries } from './decoder-table.ts';
import { staticTable } from './static-table.ts';

/** A field that the client's decoder holds. */
export interface TableEntry {
  /** As the caller wrote it, upper case or lower. */
  readonly name: string;
  readonly value: string;
  /** How many entries came before it. */
  readonly id: number;
}

const slots = 64;

/**
 * What the client's decoder holds of our fields, found by hash. Two fields of one slot push each other out of sight, which costs
 * bytes on the wire and nothing else; so nothing here grows, whatever is sent.
 *
 * Invariants: the live entries are those with the ids from `oldest` to `next - 1`; their sizes, in the ring, sum up to `bytes`.
 */
export class EncoderTable {
  private readonly entries: (TableEntry | undefined)[] = Array.from({ length: slots });
  private readonly sizes = new Uint16Array(mostEntries);
  /** Hashes of fields sent once, as literals. */
  private readonly seen = new Int32Array(slots);
  private oldest = 0;
  private next = 0;
  private bytes = 0;
  private maxBytes = headerTableBytes;

  /** The entry in the slot of `hash`, if it is live: the caller compares it. */
  candidate(hash: number): TableEntry | undefined {
    const entry = this.entries[hash & (slots - 1)];
    return entry !== undefined && entry.id >= this.oldest ? entry : undefined;
  }

  indexOf(entry: TableEntry): number {
    return staticTable.length + this.next - entry.id;
  }

  /** Whether a field is sent for at least the second time, near enough: what differs each time is never worth an entry. */
  returns(hash: number): boolean {
    const slot = hash & (slots - 1);
    const returns = this.seen[slot] === hash;
    this.seen[slot] = hash;
    return returns;
  }

  /** False for a field that would push out too much of the rest. */
  insert(hash: number, name: string, value: string): boolean {
    const size = name.length + value.length + 32;
    if (size > this.maxBytes / 4) return false;
    this.evict(this.maxBytes - size);
    this.entries[hash & (slots - 1)] = { name: copyOf(name), value: copyOf(value), id: this.next };
    this.sizes[this.next & (mostEntries - 1)] = size;
    this.next++;
    this.bytes += size;
    return true;
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.evict(maxBytes);
  }

  private evict(downTo: number): void {
    while (this.bytes > downTo) this.bytes -= this.sizes[this.oldest++ & (mostEntries - 1)] as number;
  }
}

/** A string cut out of a head would keep the whole head in memory. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
