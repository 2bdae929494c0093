import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { FaultInfo, FaultProcess } from '../protocol/fault-calls.ts';
import { createRate } from './rate.ts';
import type { FaultMarks, FaultRow, FaultRows } from './fault-rows.ts';
import { oneLine } from './fault-words.ts';

export interface FaultNote {
  tenant: TenantName;
  app?: string | undefined;
  kind: FaultInfo['kind'];
  /** How often it happened since the last note; default: once. */
  count?: number;
  /** Of the tenant's making, it may be: it is made fit to be shown here. */
  detail: string;
  /** Unix time; default: now. */
  firstAtMs?: number;
  lastAtMs?: number;
  processes?: FaultProcess[];
}

/**
 * The fault journal: who hit which limit, when, with which processes.
 *
 * Invariants:
 * - Whoever notes a fault knows whose it is from what the daemon made itself: a group, a socket, a sandbox.
 * - The same again, with less than ten minutes in between, is the same row, written no more often than every few seconds: no tenant
 *   wears the disk, or pushes out more than its own older rows.
 * - Rows hold whole counts and are written together with the marks that they were counted from: none is counted twice.
 */
export interface FaultBook {
  note(fault: FaultNote): void;
  /** Whether the same again would be a row of its own: what costs something to find out is found out then. */
  isNew(fault: FaultRef): boolean;
  /** Of the last one, however long ago. */
  lastDetail(fault: FaultRef): string | undefined;
  /** Asked at each write, of the tenants that are written. */
  setMarks(marksOf: (tenant: TenantName) => string | undefined): void;
  marksOf(tenant: TenantName): string | undefined;
  list(tenant: TenantName | undefined, sinceMs: number, most: number): FaultInfo[];
  /** It is no more; its rows are the store's affair. */
  forget(tenant: TenantName): void;
  /** The last one of each tenant that has one after that. */
  newest(sinceMs: number): Map<string, FaultInfo>;
  close(): void;
}

type FaultRef = Pick<FaultNote, 'tenant' | 'app' | 'kind'>;

interface OpenFault {
  row: FaultRow;
  writtenAtMs: number;
  isWritten: boolean;
}

const foldMs = 600_000;
const lookMs = 1_000;
/** A fault that goes on is written anew so often. */
const rewriteMs = 5_000;
const mostDetail = 300;
const mostProcesses = 8;

export function createFaultBook({ rows, log, nowMs = Date.now }: { rows: FaultRows; log: Log; nowMs?: () => number }): FaultBook {
  /** Those that may go on. Bounded by kinds and apps, and emptied by time. */
  const open = new Map<string, OpenFault>();
  const words = createRate({ burst: 20, perSecond: 0.2, nowMs });
  let currentMarks: (tenant: TenantName) => string | undefined = () => undefined;
  const timer = setInterval(() => flush(rewriteMs), lookMs).unref();

  function findOpen({ tenant, app = '', kind }: FaultRef): OpenFault | undefined {
    const key = `${tenant} ${app} ${kind}`;
    const known = open.get(key);
    if (known) return isOver(known) ? undefined : known;
    const row = rows.latest({ tenant, app, kind });
    const found = row && { row, writtenAtMs: row.lastAtMs, isWritten: true };
    if (!found || isOver(found)) return undefined;
    open.set(key, found);
    return found;
  }

  function isOver({ row }: OpenFault): boolean {
    return Math.abs(nowMs() - row.lastAtMs) >= foldMs;
  }

  function note({ tenant, app = '', kind, count = 1, ...fault }: FaultNote): void {
    const lastAtMs = Math.min(fault.lastAtMs ?? nowMs(), nowMs());
    const detail = oneLine(fault.detail, mostDetail);
    const processes = (fault.processes ?? []).slice(0, mostProcesses);
    const known = findOpen({ tenant, app, kind });
    if (known) {
      const kept = processes.length > 0 ? processes : known.row.processes;
      known.row = {
        ...known.row,
        count: known.row.count + count,
        lastAtMs: Math.max(lastAtMs, known.row.lastAtMs),
        detail,
        processes: kept,
      };
      known.isWritten = false;
      return;
    }
    // It takes the place of one before it, which may wait to be written.
    if (open.get(`${tenant} ${app} ${kind}`)?.isWritten === false) flush(0);
    const firstAtMs = Math.min(fault.firstAtMs ?? lastAtMs, lastAtMs);
    const row: FaultRow = { tenant, app, kind, firstAtMs, lastAtMs, count, detail, processes };
    open.set(`${tenant} ${app} ${kind}`, { row, writtenAtMs: -Infinity, isWritten: false });
    if (words.take()) log.warn({ tenant, ...(app !== '' && { app }), fault: kind }, detail);
  }

  /** What is new; what goes on, when that was not written for so long. */
  function flush(waitMs: number): void {
    const due = [...open.values()].filter(({ isWritten, writtenAtMs }) => !isWritten && nowMs() - writtenAtMs >= waitMs);
    try {
      if (due.length > 0)
        rows.write(
          due.map(({ row }) => row),
          marksFor(due),
        );
      for (const fault of due) Object.assign(fault, { isWritten: true, writtenAtMs: nowMs() });
    } catch (error) {
      // On a full disk, say: the next look tries again.
      if (words.take()) log.error({ error: messageOf(error) }, 'the fault journal could not be written');
    }
    for (const [key, fault] of open) if (fault.isWritten && isOver(fault)) open.delete(key);
  }

  function marksFor(due: readonly OpenFault[]): FaultMarks {
    return [...new Set(due.map(({ row }) => row.tenant))].flatMap((tenant) => {
      const marks = currentMarks(tenant);
      return marks === undefined ? [] : [[tenant, marks] as const];
    });
  }

  return {
    note,
    lastDetail: ({ tenant, app = '', kind }) => (open.get(`${tenant} ${app} ${kind}`)?.row ?? rows.latest({ tenant, app, kind }))?.detail,
    isNew: (fault) => findOpen(fault) === undefined,
    setMarks: (marksOf) => (currentMarks = marksOf),
    marksOf: (tenant) => rows.marksOf(tenant),
    list(tenant, sinceMs, most) {
      flush(lookMs);
      return rows.list(tenant, sinceMs, most).map(toInfo);
    },
    forget(tenant) {
      for (const [key, { row }] of open) if (row.tenant === tenant) open.delete(key);
    },
    newest(sinceMs) {
      flush(lookMs);
      return new Map(rows.newest(sinceMs).map((row) => [row.tenant, toInfo(row)]));
    },
    close() {
      clearInterval(timer);
      flush(0);
    },
  };
}

function toInfo({ tenant, app, kind, firstAtMs, lastAtMs, count, detail, processes }: FaultRow): FaultInfo {
  return {
    ...{ tenant, ...(app !== '' && { app }), kind },
    ...{ firstAt: new Date(firstAtMs).toISOString(), lastAt: new Date(lastAtMs).toISOString() },
    ...{ count, detail, ...(processes.length > 0 && { processes }) },
  };
}
