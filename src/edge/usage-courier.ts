import { maxUsageRows } from '../protocol/edge-paths.ts';
import type { EdgeUsage } from '../protocol/edge-usage.ts';

interface Batch {
  number: number;
  usage: EdgeUsage[];
  isOnItsWay: boolean;
}

export interface UsageCourierOptions {
  /** Settles when it is written down for good; rejects when nobody can tell. */
  deliver: (batch: { number: number; usage: EdgeUsage[] }) => Promise<unknown>;
  isConnected: () => boolean;
}

/** Not answered yet; what is counted beyond that is joined until there is an answer. */
const mostBatches = 20;

/**
 * Brings what the edges counted to the daemon, over its restarts.
 *
 * Invariants:
 * - A batch keeps its number and its content until it is answered; numbers grow. So what is delivered twice can be known as such.
 * - What waits is bounded by the apps that there are, however long the daemon is away.
 */
export class UsageCourier {
  private readonly options: UsageCourierOptions;
  /** By tenant and app: not in a batch yet. */
  private counted = new Map<string, EdgeUsage>();
  private readonly batches: Batch[] = [];
  private number = 0;
  private onEmpty: (() => void)[] = [];

  constructor(options: UsageCourierOptions) {
    this.options = options;
  }

  add(usage: readonly EdgeUsage[]): void {
    for (const row of usage) {
      const key = `${row.tenant} ${row.app}`;
      const known = this.counted.get(key);
      this.counted.set(key, known ? sumOf(known, row) : row);
    }
  }

  /** Sends what there is, and again what was not answered. */
  tell(): void {
    if (!this.options.isConnected()) return;
    while (this.counted.size > 0 && this.batches.length < mostBatches) this.batches.push(this.nextBatch());
    for (const batch of this.batches) if (!batch.isOnItsWay) this.send(batch);
  }

  /** Settles when all is written down, or after `timeoutMs`. Somebody has to go on telling meanwhile. */
  async settled(timeoutMs: number): Promise<void> {
    if (this.isEmpty()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.onEmpty.push(resolve);
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  private isEmpty(): boolean {
    return this.batches.length === 0 && this.counted.size === 0;
  }

  private nextBatch(): Batch {
    const entries = [...this.counted].slice(0, maxUsageRows);
    for (const [key] of entries) this.counted.delete(key);
    this.number += 1;
    return { number: this.number, usage: entries.map(([, row]) => row), isOnItsWay: false };
  }

  private send(batch: Batch): void {
    batch.isOnItsWay = true;
    const { number, usage } = batch;
    this.options.deliver({ number, usage }).then(
      () => this.forget(batch),
      // The daemon is gone, or could not write it: it is sent again.
      () => (batch.isOnItsWay = false),
    );
  }

  private forget(batch: Batch): void {
    this.batches.splice(this.batches.indexOf(batch), 1);
    if (this.isEmpty()) for (const settle of this.onEmpty.splice(0)) settle();
  }
}

function sumOf(one: EdgeUsage, other: EdgeUsage): EdgeUsage {
  return {
    ...{ tenant: one.tenant, app: one.app },
    requests: one.requests.map((requests, index) => requests + (other.requests[index] ?? 0)),
    bytesIn: one.bytesIn + other.bytesIn,
    bytesOut: one.bytesOut + other.bytesOut,
  };
}
