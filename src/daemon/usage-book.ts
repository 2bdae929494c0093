import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { noUsage, type UsageFigures, usageFigureNames } from '../protocol/usage-calls.ts';
import { hourMs, type UsageChange, type UsageMark, type UsageRows } from './usage-rows.ts';

export interface UsageBookParts {
  rows: Pick<UsageRows, 'marks' | 'write' | 'notice'>;
  log: Log;
  nowMs: () => number;
}

/**
 * What was used, on its way into the database.
 *
 * Invariants:
 * - What a counter brought (`growthOf`) and how far it was counted go into one transaction: both are noted in one turn, after one `begin`.
 * - It belongs to the hour in which that was; while nothing can be written, to the one in which it could be last. So what waits is bounded
 *   by the apps that there are.
 */
export class UsageBook {
  private readonly parts: UsageBookParts;
  private readonly marks: Map<string, UsageMark>;
  private changes = new Map<string, UsageChange>();
  private changedMarks = new Set<string>();
  private forgotten = new Map<string, UsageMark>();
  private hour = 0;
  private failure = '';
  private written = Promise.withResolvers<void>();
  private readonly totals = new Map<string, UsageChange>();

  constructor(parts: UsageBookParts) {
    this.parts = parts;
    this.marks = new Map(parts.rows.marks().map((mark) => [keyOf(mark.tenant, mark.source), mark]));
  }

  /** What is noted from here on, in the same turn, is written in one transaction, as of this moment. */
  begin(atMs = this.parts.nowMs()): void {
    const hour = Math.floor(atMs / hourMs);
    if (hour !== this.hour) this.write();
    if (!this.isWaiting()) this.hour = hour;
  }

  add(tenant: string, app: string, used: Partial<UsageFigures>): void {
    for (const map of [this.changes, this.totals]) {
      const key = keyOf(tenant, app);
      const change = map.get(key) ?? { tenant, app, figures: { ...noUsage } };
      for (const name of usageFigureNames) change.figures[name] += used[name] ?? 0;
      map.set(key, change);
    }
  }

  markOf(tenant: string, source: string): UsageMark | undefined {
    return this.marks.get(keyOf(tenant, source));
  }

  mark(tenant: string, source: string, value: number): void {
    const key = keyOf(tenant, source);
    this.marks.set(key, { tenant, source, value, atMs: this.parts.nowMs() });
    this.changedMarks.add(key);
    this.forgotten.delete(key);
  }

  /** What a counter brought since it was seen last: all of it when that was never, or it began anew. */
  growthOf(tenant: string, source: string, value: number): number {
    const before = this.markOf(tenant, source)?.value;
    if (before === value) return 0;
    this.mark(tenant, source, value);
    return before !== undefined && value > before ? value - before : value;
  }

  /** The counter is gone. */
  forget(tenant: string, source: string): void {
    const key = keyOf(tenant, source);
    const mark = this.marks.get(key);
    if (!mark) return;
    this.marks.delete(key);
    this.changedMarks.delete(key);
    this.forgotten.set(key, mark);
  }

  allMarks(): UsageMark[] {
    return [...this.marks.values()];
  }

  /** Since the daemon started. */
  totalOf(tenant: string, app: string): UsageFigures {
    return this.totals.get(keyOf(tenant, app))?.figures ?? noUsage;
  }

  forgetTotals(isKnown: (tenant: string) => boolean): void {
    for (const [key, { tenant }] of this.totals) if (!isKnown(tenant)) this.totals.delete(key);
  }

  /** Settles when all that was noted until now is written. */
  untilWritten(): Promise<void> {
    return this.isWaiting() ? this.written.promise : Promise.resolve();
  }

  /** In one transaction. What can't be written waits for the next time. */
  write(): void {
    if (!this.isWaiting()) return;
    try {
      const marks = [...this.changedMarks].flatMap((key) => this.marks.get(key) ?? []);
      this.parts.rows.write(this.hour, this.changes.values(), marks, this.forgotten.values());
    } catch (error) {
      if (this.failure === '')
        this.parts.log.error({ error: messageOf(error) }, 'what tenants used can not be written: this is tried again');
      this.failure = messageOf(error);
      return;
    }
    this.failure = '';
    this.changes = new Map();
    this.changedMarks = new Set();
    this.forgotten = new Map();
    this.written.resolve();
    this.written = Promise.withResolvers();
  }

  problems(): Problem[] {
    const { notice } = this.parts.rows;
    const fix = 'make room on the disk of stateDir; see the log of the daemon';
    return [
      ...(notice === undefined ? [] : [stateProblem(notice, 'nothing need be done; it goes with the next start of tenantd')]),
      ...(this.failure === '' ? [] : [stateProblem(`what tenants used can not be written: ${this.failure}`, fix)]),
    ];
  }

  private isWaiting(): boolean {
    return this.changes.size + this.changedMarks.size + this.forgotten.size > 0;
  }
}

function stateProblem(message: string, fix: string): Problem {
  return { code: 'TENANTD_E_STATE', message, fix };
}

/** Neither names nor sources have a space at their beginning or end; of names none has one. */
function keyOf(tenant: string, what: string): string {
  return `${tenant} ${what}`;
}
