import type { AppName, TenantName } from '../base/ids.ts';
import type { ScheduleRunOutcome, ScheduleRunCause } from '../protocol/schedule-calls.ts';
import type { StateDatabase } from './state-database.ts';
import { inTransaction } from './transaction.ts';

export interface ScheduleRef {
  tenant: TenantName;
  app: AppName;
  name: string;
}

/** How far a schedule was handled: a time at or before `handledMs` is never due again. Times are Unix times in ms. */
export interface ScheduleRow {
  /** Its `cron` and time zone: with others, `handledMs` says nothing. */
  timing: string;
  handledMs: number;
  /** The last run that went well or failed. */
  judged?: RunRow;
}

export interface RunRow {
  dueAtMs: number;
  cause: ScheduleRunCause;
  outcome: ScheduleRunOutcome;
  startedAtMs?: number;
  /** That it has, from when its app is awake. */
  timeoutMs?: number;
  endedAtMs?: number;
  /** Of the app's answer. */
  status?: number;
  /** From the request to its end, as the tenant's host says. */
  durationMs?: number;
  detail?: string;
}

export type RunEnd = Pick<RunRow, 'outcome' | 'status' | 'durationMs' | 'detail'> & { endedAtMs: number };
export type Claim = ScheduleRef & { timing: string; run: Pick<RunRow, 'dueAtMs' | 'cause' | 'outcome' | 'endedAtMs' | 'detail'> };

/** The schedules' part of the state store. A run is there before it begins, under the time it was due: it can't begin twice. */
export interface ScheduleRows {
  of(tenant: TenantName): (ScheduleRef & ScheduleRow)[];
  /** Of schedules that are new, or handled in another way than by a run. `listed`: those that their apps have now; of others few are kept. */
  note(rows: readonly (ScheduleRef & Pick<ScheduleRow, 'timing' | 'handledMs'>)[], listed: readonly ScheduleRef[]): void;
  /** All of them or, when it throws, none. False where there is a run of that time already. */
  claim(claims: readonly Claim[]): boolean[];
  /** False when it was not waiting. */
  begin(ref: ScheduleRef, dueAtMs: number, times: { startedAtMs: number; timeoutMs: number }): boolean;
  end(ref: ScheduleRef, dueAtMs: number, end: RunEnd): void;
  /** Of all tenants: those that wait or run. */
  open(): (ScheduleRef & RunRow)[];
  run(ref: ScheduleRef, dueAtMs: number): RunRow | undefined;
  /** The newest first. */
  history(tenant: TenantName, app: AppName, name: string | undefined, most: number): (ScheduleRef & RunRow)[];
}

const keptRuns = 100;
/** Of schedules that their app has no more: a rollback brings them back. */
const keptUnlisted = 16;

export const scheduleTables = `
  CREATE TABLE schedules (tenant TEXT NOT NULL, app TEXT NOT NULL, schedule TEXT NOT NULL, timing TEXT NOT NULL, handled_ms INTEGER NOT NULL,
    judged_ms INTEGER, PRIMARY KEY (tenant, app, schedule)) STRICT;
  CREATE TABLE schedule_runs (tenant TEXT NOT NULL, app TEXT NOT NULL, schedule TEXT NOT NULL, due_at_ms INTEGER NOT NULL,
    cause TEXT NOT NULL, outcome TEXT NOT NULL, started_at_ms INTEGER, timeout_ms INTEGER, ended_at_ms INTEGER, status INTEGER, duration_ms INTEGER, detail TEXT,
    PRIMARY KEY (tenant, app, schedule, due_at_ms)) STRICT;
  CREATE INDEX open_schedule_runs ON schedule_runs (tenant) WHERE outcome IN ('waiting', 'running');`;

const runColumns = 'r.due_at_ms, r.cause, r.outcome, r.started_at_ms, r.timeout_ms, r.ended_at_ms, r.status, r.duration_ms, r.detail';
const isOpen = `outcome IN ('waiting', 'running')`;
const isRun = 'tenant = ? AND app = ? AND schedule = ? AND due_at_ms = ?';
/** Order of rows is that in which they were written, whatever the clock said. */
const oldRuns = `DELETE FROM schedule_runs WHERE tenant = ?1 AND app = ?2 AND schedule = ?3 AND NOT ${isOpen}
  AND rowid <= (SELECT rowid FROM schedule_runs WHERE tenant = ?1 AND app = ?2 AND schedule = ?3 ORDER BY rowid DESC LIMIT 1 OFFSET ${keptRuns})
  AND due_at_ms IS NOT (SELECT judged_ms FROM schedules WHERE tenant = ?1 AND app = ?2 AND schedule = ?3)`;
const unlistedSchedules = `DELETE FROM schedules WHERE tenant = ?1 AND app = ?2 AND rowid IN (SELECT rowid FROM schedules
  WHERE tenant = ?1 AND app = ?2 AND schedule NOT IN (SELECT value FROM json_each(?3)) ORDER BY handled_ms DESC LIMIT -1 OFFSET ${keptUnlisted})`;
const unlistedRuns = `DELETE FROM schedule_runs WHERE tenant = ?1 AND app = ?2 AND NOT ${isOpen}
  AND schedule NOT IN (SELECT schedule FROM schedules WHERE tenant = ?1 AND app = ?2)`;

export function createScheduleRows(database: StateDatabase): ScheduleRows {
  const run = (sql: string, ...values: (string | number | null)[]): number => Number(database.prepare(sql).run(...values).changes);
  const all = (sql: string, ...values: (string | number)[]): Record<string, unknown>[] => database.prepare(sql).all(...values);

  function handle({ tenant, app, name }: ScheduleRef, timing: string, handledMs: number): void {
    run(
      `INSERT INTO schedules (tenant, app, schedule, timing, handled_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET timing = excluded.timing, handled_ms = excluded.handled_ms`,
      ...[tenant, app, name, timing, handledMs],
    );
  }

  function claim({ tenant, app, name, timing, run: claimed }: Claim): boolean {
    const { dueAtMs, cause, outcome, endedAtMs, detail } = claimed;
    if (cause !== 'manual') handle({ tenant, app, name }, timing, dueAtMs);
    const changes = run(
      `INSERT OR IGNORE INTO schedule_runs (tenant, app, schedule, due_at_ms, cause, outcome, ended_at_ms, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[tenant, app, name, dueAtMs, cause, outcome, endedAtMs ?? null, detail ?? null],
    );
    run(oldRuns, tenant, app, name);
    return changes > 0;
  }

  return {
    of: (tenant) =>
      all(
        `SELECT s.app, s.schedule, s.timing, s.handled_ms, ${runColumns} FROM schedules s LEFT JOIN schedule_runs r
           ON (r.tenant, r.app, r.schedule, r.due_at_ms) = (s.tenant, s.app, s.schedule, s.judged_ms) WHERE s.tenant = ?`,
        tenant,
      ).map((row) => ({
        ...{ tenant, app: String(row['app']) as AppName, name: String(row['schedule']) },
        ...{ timing: String(row['timing']), handledMs: Number(row['handled_ms']) },
        ...(row['due_at_ms'] !== null && { judged: toRun(row) }),
      })),
    note: (rows, listed) =>
      inTransaction(database, () => {
        for (const row of rows) handle(row, row.timing, row.handledMs);
        const byApp = Map.groupBy(listed, ({ tenant, app }) => `${tenant}/${app}`);
        for (const [first, ...others] of byApp.values()) {
          if (!first) continue;
          const names = JSON.stringify([first, ...others].map(({ name }) => name));
          if (run(unlistedSchedules, first.tenant, first.app, names) > 0) run(unlistedRuns, first.tenant, first.app);
        }
      }),
    claim: (claims) => inTransaction(database, () => claims.map(claim)),
    begin: ({ tenant, app, name }, dueAtMs, { startedAtMs, timeoutMs }) =>
      run(
        `UPDATE schedule_runs SET outcome = 'running', started_at_ms = ?, timeout_ms = ? WHERE ${isRun} AND outcome = 'waiting'`,
        ...[startedAtMs, timeoutMs, tenant, app, name, dueAtMs],
      ) > 0,
    end: ({ tenant, app, name }, dueAtMs, { outcome, endedAtMs, status, durationMs, detail }) =>
      inTransaction(database, () => {
        run(
          `UPDATE schedule_runs SET outcome = ?, ended_at_ms = ?, status = ?, duration_ms = ?, detail = ? WHERE ${isRun} AND ${isOpen}`,
          ...[outcome, endedAtMs, status ?? null, durationMs ?? null, detail ?? null, tenant, app, name, dueAtMs],
        );
        if (!isJudged(outcome)) return;
        run('UPDATE schedules SET judged_ms = ? WHERE tenant = ? AND app = ? AND schedule = ?', dueAtMs, tenant, app, name);
      }),
    open: () => all(`SELECT * FROM schedule_runs WHERE ${isOpen} ORDER BY rowid`).map(toRefAndRun),
    run({ tenant, app, name }, dueAtMs) {
      const [row] = all(`SELECT * FROM schedule_runs WHERE ${isRun}`, tenant, app, name, dueAtMs);
      return row && toRun(row);
    },
    history: (tenant, app, name, most) =>
      all(
        `SELECT * FROM schedule_runs WHERE tenant = ? AND app = ? ${name === undefined ? '' : 'AND schedule = ?'} ORDER BY rowid DESC LIMIT ?`,
        ...[tenant, app, ...(name === undefined ? [] : [name]), most],
      ).map(toRefAndRun),
  };
}

/** Whether a run tells how its schedule does. */
export function isJudged(outcome: ScheduleRunOutcome): boolean {
  return outcome === 'done' || isFailure(outcome);
}

export function isFailure(outcome: ScheduleRunOutcome): boolean {
  return outcome === 'failed' || outcome === 'timeout' || outcome === 'lost';
}

function toRefAndRun(row: Record<string, unknown>): ScheduleRef & RunRow {
  const [tenant, app, name] = ['tenant', 'app', 'schedule'].map((column) => String(row[column]));
  return { tenant: tenant as TenantName, app: app as AppName, name: name ?? '', ...toRun(row) };
}

function toRun(row: Record<string, unknown>): RunRow {
  const given = Object.entries(optionalColumns).filter(([, { column }]) => row[column] !== null);
  return {
    dueAtMs: Number(row['due_at_ms']),
    cause: String(row['cause']) as ScheduleRunCause,
    outcome: String(row['outcome']) as ScheduleRunOutcome,
    ...Object.fromEntries(given.map(([key, { column, read }]) => [key, read(row[column])])),
  };
}

const optionalColumns = {
  startedAtMs: { column: 'started_at_ms', read: Number },
  timeoutMs: { column: 'timeout_ms', read: Number },
  endedAtMs: { column: 'ended_at_ms', read: Number },
  status: { column: 'status', read: Number },
  durationMs: { column: 'duration_ms', read: Number },
  detail: { column: 'detail', read: String },
} satisfies Partial<Record<keyof RunRow, { column: string; read: (value: unknown) => unknown }>>;
