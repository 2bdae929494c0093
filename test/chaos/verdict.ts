import type { Absence, Disturbance, Ledger, LostAttempt, RequestRecord } from './ledger.ts';

export interface Failure {
  record: RequestRecord;
  why: string;
}

export interface Verdict {
  requests: number;
  failures: Failure[];
  /** Answered by a repetition (RFC 9110, 9.2.2), or lost for good because repeating it was not allowed. */
  lostWith: Record<Disturbance['kind'], number>;
  /** Of tenants that had no worker because of what was done to them. */
  excused: number;
  /** WebSockets to workers that were replaced: they are closed at the end of the drain time. */
  closedWebSockets: number;
}

/** The kernel tells a client of its dead edge at once; a busy client reads that a little later. */
const noticeMs = 1_000;

/**
 * - A connection may break only with a killed edge, or, when it was kept open and idle, with a replaced one (RFC 9112, 9.6:
 *   it may be closed at any time, and a client repeats what it sent meanwhile).
 * - A request of a tenant to which nothing was done never fails.
 * - One to which something was done may fail while it had no worker because of that: from then to its next success.
 * - Its open WebSockets may be closed with the worker that they lead to, at the end of its drain time.
 */
export function judge(ledger: Ledger, touched: ReadonlySet<string>): Verdict {
  const verdict: Verdict = {
    requests: ledger.requests,
    failures: [],
    lostWith: { 'edge-killed': 0, 'edges-replaced': 0 },
    excused: 0,
    closedWebSockets: 0,
  };
  for (const record of ledger.notable) judgeRecord(record, ledger, touched, verdict);
  return verdict;
}

function judgeRecord(record: RequestRecord, ledger: Ledger, touched: ReadonlySet<string>, verdict: Verdict): void {
  const mayBeExcused = touched.has(record.tenant) && record.isForeign !== true && wasAbsent(record, ledger.absences);
  for (const attempt of record.lost) {
    const cause = causeOf(attempt, ledger.disturbances);
    if (cause !== undefined) verdict.lostWith[cause] += 1;
    else if (mayBeExcused) verdict.excused += 1;
    else if (record.way === 'websocket' && attempt.reused && touched.has(record.tenant)) verdict.closedWebSockets += 1;
    else verdict.failures.push({ record, why: `its connection broke though no edge was killed: ${attempt.why}` });
  }
  if (record.fault === undefined) return;
  if (mayBeExcused) verdict.excused += 1;
  else verdict.failures.push({ record, why: record.fault });
}

function causeOf({ sentMs, lostMs, reused }: LostAttempt, disturbances: readonly Disturbance[]): Disturbance['kind'] | undefined {
  const overlapping = disturbances.filter(({ fromMs, toMs }) => fromMs <= lostMs && toMs + noticeMs >= sentMs);
  if (overlapping.some(({ kind }) => kind === 'edge-killed')) return 'edge-killed';
  return reused && overlapping.some(({ kind }) => kind === 'edges-replaced') ? 'edges-replaced' : undefined;
}

function wasAbsent({ tenant, sentMs, endedMs }: RequestRecord, absences: readonly Absence[]): boolean {
  return absences.some(
    (absence) => absence.tenant === tenant && absence.fromMs <= endedMs && (absence.toMs ?? Number.POSITIVE_INFINITY) >= sentMs,
  );
}
