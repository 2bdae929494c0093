/** A connection that broke before its response was whole. */
export interface LostAttempt {
  sentMs: number;
  lostMs: number;
  why: string;
  /** The connection had carried a request before. */
  reused: boolean;
}

/** A request, with its repetitions; times are of performance.now(). */
export interface RequestRecord {
  tenant: string;
  /** How it was sent: `https new`, say. */
  way: string;
  sentMs: number;
  endedMs: number;
  lost: LostAttempt[];
  /** Why it failed in the end. */
  fault?: string;
  /** Another tenant's answer: nothing excuses it. */
  isForeign?: boolean;
}

/** A time in which a tenant may be without any worker, because of what was done to it. */
export interface Absence {
  tenant: string;
  why: string;
  fromMs: number;
  /** From when on a success ends it; undefined while what was done goes on. */
  endsAfterMs: number | undefined;
  toMs: number | undefined;
}

/** What was done to all. */
export interface Disturbance {
  kind: 'edge-killed' | 'edges-replaced';
  fromMs: number;
  toMs: number;
}

/** Requests of the last minutes are kept whole, for the surroundings of a failure. */
const recentRecords = 20_000;

/** All that was asked, answered, and done meanwhile. */
export class Ledger {
  requests = 0;
  readonly requestsOf = new Map<string, number>();
  readonly recent: RequestRecord[] = [];
  /** Failed, or answered by a repetition. */
  readonly notable: RequestRecord[] = [];
  readonly absences: Absence[] = [];
  readonly disturbances: Disturbance[] = [];
  readonly steps: { atMs: number; time: string; text: string }[] = [];

  add(record: RequestRecord): void {
    this.requests += 1;
    this.requestsOf.set(record.tenant, (this.requestsOf.get(record.tenant) ?? 0) + 1);
    this.recent.push(record);
    if (this.recent.length > 2 * recentRecords) this.recent.splice(0, recentRecords);
    if (record.fault !== undefined || record.lost.length > 0) this.notable.push(record);
    if (record.fault === undefined) this.endAbsences(record);
  }

  /** Gives what ends it: from then on, the first success does. */
  beginAbsence(tenant: string, why: string): () => void {
    const absence: Absence = { tenant, why, fromMs: performance.now(), endsAfterMs: undefined, toMs: undefined };
    this.absences.push(absence);
    return () => (absence.endsAfterMs = performance.now());
  }

  disturb(kind: Disturbance['kind']): () => void {
    const disturbance: Disturbance = { kind, fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY };
    this.disturbances.push(disturbance);
    return () => (disturbance.toMs = performance.now());
  }

  step(text: string): void {
    this.steps.push({ atMs: performance.now(), time: new Date().toISOString(), text });
  }

  private endAbsences({ tenant, sentMs, endedMs }: RequestRecord): void {
    for (const absence of this.absences) {
      if (absence.tenant !== tenant || absence.toMs !== undefined || absence.endsAfterMs === undefined) continue;
      if (sentMs >= absence.endsAfterMs) absence.toMs = endedMs;
    }
  }
}
