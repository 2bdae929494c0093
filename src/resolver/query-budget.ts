import { TokenBucket } from './token-bucket.ts';

const queries = { perSecond: 500, burst: 1_000 };
const maxOpenQueries = 128;
/** Each is some work of the daemon's, as root; an answer is opened once in five seconds at most. */
const openings = { perSecond: 20, burst: 200 };

/** What a tenant may ask at once, and over time: one that floods gets no answers, and takes none from others. */
export class QueryBudget {
  private readonly queries: TokenBucket;
  private readonly openings: TokenBucket;
  private open = 0;

  constructor(nowMs: () => number) {
    this.queries = new TokenBucket(queries, nowMs);
    this.openings = new TokenBucket(openings, nowMs);
  }

  /** True: it may be answered; `end` is to be called then. */
  begin(): boolean {
    if (this.open >= maxOpenQueries || !this.queries.take()) return false;
    this.open += 1;
    return true;
  }

  end(): void {
    this.open -= 1;
  }

  mayOpen(): boolean {
    return this.openings.take();
  }
}
