import type { FieldEntry } from './field-entry.ts';
import { staticTable } from './static-table.ts';

/** SETTINGS_HEADER_TABLE_SIZE: we keep to the initial value, which need not be said. */
export const headerTableBytes = 4_096;
/** No entry counts for less than 32 bytes (RFC 7541 4.1). */
export const mostEntries = headerTableBytes / 32;

/**
 * What indices of the client's field blocks mean (RFC 7541 2.3).
 *
 * Invariant: the newest `count` entries are those at `newest`, `newest - 1`... around the ring; their sizes sum up to `bytes`, which is
 * at most `maxBytes`.
 */
export class DecoderTable {
  private readonly ring: (FieldEntry | undefined)[] = [];
  private newest = -1;
  private count = 0;
  private bytes = 0;
  private maxBytes = headerTableBytes;

  /** Undefined for an index that means nothing. */
  lookup(index: number): FieldEntry | undefined {
    if (index <= staticTable.length) return staticTable[index - 1];
    const age = index - staticTable.length - 1;
    return age < this.count ? this.ring[(this.newest - age) & (mostEntries - 1)] : undefined;
  }

  insert(entry: FieldEntry): void {
    this.evict(this.maxBytes - entry.size);
    // RFC 7541 4.4: one that is too large empties the table, and that is all.
    if (entry.size > this.maxBytes) return;
    this.newest = (this.newest + 1) & (mostEntries - 1);
    this.ring[this.newest] = entry;
    this.count++;
    this.bytes += entry.size;
  }

  /** A size update of the client's. False when it is over what we allow. */
  resize(maxBytes: number): boolean {
    if (maxBytes > headerTableBytes) return false;
    this.maxBytes = maxBytes;
    this.evict(maxBytes);
    return true;
  }

  private evict(downTo: number): void {
    while (this.count > 0 && this.bytes > downTo) {
      const oldest = (this.newest - --this.count) & (mostEntries - 1);
      this.bytes -= this.ring[oldest]?.size ?? 0;
      this.ring[oldest] = undefined;
    }
  }
}
