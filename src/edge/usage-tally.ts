import type { EdgeUsage } from '../protocol/edge-usage.ts';

/**
 * What is used of one app, or of a tenant outside of its apps, since it was told last. It counts for requests that outlive the app's
 * place in the route table, too.
 */
export class UsageCounters {
  private bytesIn = 0;
  private bytesOut = 0;
  private requests = [0, 0, 0, 0, 0, 0];
  private isNoted = false;
  private readonly tally: UsageTally;
  private readonly tenant: string;
  private readonly app: string;

  constructor(tally: UsageTally, tenant: string, app: string) {
    this.tally = tally;
    this.tenant = tenant;
    this.app = app;
  }

  /** 0: nothing was answered. */
  countRequest(status: number): void {
    const statusClass = Math.min(5, Math.trunc(status / 100));
    this.requests[statusClass] = (this.requests[statusClass] ?? 0) + 1;
    if (!this.isNoted) this.note();
  }

  countIn(bytes: number): void {
    this.bytesIn += bytes;
    if (!this.isNoted) this.note();
  }

  countOut(bytes: number): void {
    this.bytesOut += bytes;
    if (!this.isNoted) this.note();
  }

  take(): EdgeUsage {
    const { tenant, app, requests, bytesIn, bytesOut } = this;
    this.requests = [0, 0, 0, 0, 0, 0];
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.isNoted = false;
    return { tenant, app, requests, bytesIn, bytesOut };
  }

  private note(): void {
    this.isNoted = true;
    this.tally.note(this);
  }
}

/** Everything that an edge counts. Bounded by the apps that are routed, or have something open. */
export class UsageTally {
  /** Of requests of which nobody knows whose they are: not told. */
  readonly nobody = new UsageCounters(this, '', '');
  private readonly changed = new Set<UsageCounters>();

  note(counters: UsageCounters): void {
    if (counters !== this.nobody) this.changed.add(counters);
  }

  /** What was counted since it was asked last, `limit` of them at most: what is too much for one time comes first the next. */
  take(limit: number): EdgeUsage[] {
    const taken = [...this.changed].slice(0, limit);
    for (const counters of taken) this.changed.delete(counters);
    return taken.map((counters) => counters.take());
  }
}
