import type { LimitHit, RequestLimitName } from '../protocol/edge.ts';

/** What is told at once fits into one frame of the channel. */
const mostHitsTold = 2_000;
/** Of a master whose daemon is away: tenants, their apps and limits, each once. */
const mostHitsKept = 50_000;

/** Which limits of tenants were hit since they were told last, and how often. Bounded by apps and limits, and by a number. */
export class LimitCounts {
  private readonly hits = new Map<string, LimitHit>();

  note(tenant: string, app: string, limit: RequestLimitName): void {
    const nowMs = Date.now();
    this.add([{ tenant, app, limit, count: 1, firstAtMs: nowMs, lastAtMs: nowMs }]);
  }

  add(hits: readonly LimitHit[]): void {
    for (const hit of hits) {
      const key = `${hit.tenant} ${hit.app} ${hit.limit}`;
      const known = this.hits.get(key);
      if (known) {
        known.count += hit.count;
        known.firstAtMs = Math.min(known.firstAtMs, hit.firstAtMs);
        known.lastAtMs = Math.max(known.lastAtMs, hit.lastAtMs);
      } else if (this.hits.size < mostHitsKept) this.hits.set(key, { ...hit });
    }
  }

  /** What is too much for one time comes first the next. */
  take(): LimitHit[] {
    const taken = [...this.hits].slice(0, mostHitsTold);
    for (const [key] of taken) this.hits.delete(key);
    return taken.map(([, hit]) => hit);
  }
}
