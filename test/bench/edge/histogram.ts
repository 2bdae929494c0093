import type { LoadFigures } from './loaders.ts';

/** Durations in steps of ten microseconds, up to a second; the last step has all that took longer. */
export class Histogram {
  private readonly counts = new Uint32Array(100_000);
  private total = 0;

  add(durationMs: number): void {
    const step = Math.min(this.counts.length - 1, Math.round(durationMs * 100));
    this.counts[step] = (this.counts[step] ?? 0) + 1;
    this.total += 1;
  }

  figures(elapsedMs: number): LoadFigures {
    return {
      requests: this.total,
      requestsPerSecond: (this.total * 1_000) / elapsedMs,
      p50Ms: this.percentile(0.5),
      p99Ms: this.percentile(0.99),
    };
  }

  private percentile(share: number): number {
    let seen = 0;
    return this.counts.findIndex((count) => (seen += count) >= this.total * share) / 100;
  }
}
