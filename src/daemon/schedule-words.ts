import type { ScheduleInfo, ScheduleRun, ScheduleStatus } from '../protocol/schedule-calls.ts';
import type { BookedSchedule } from './schedule-book.ts';
import type { RunRow } from './schedule-rows.ts';

/** As `status` and `tenantctl schedule` are told of schedules. */
export function toScheduleStatus({ name, enabled, dueAtMs, judged }: BookedSchedule): ScheduleStatus {
  return {
    name,
    ...(enabled && dueAtMs !== undefined && { next: new Date(dueAtMs).toISOString() }),
    ...(judged && { last: toScheduleRun(name, judged) }),
  };
}

export function toScheduleInfo(schedule: BookedSchedule, open: readonly { row: RunRow }[]): ScheduleInfo {
  const { tenant, app, name, spec } = schedule;
  const { cron, timezone, path, timeoutMs, overlap, missed } = spec;
  const running = open.map(({ row }) => toScheduleRun(name, row));
  return { tenant, app, ...toScheduleStatus(schedule), cron, timezone, path, timeoutMs, overlap, missed, open: running };
}

export function toScheduleRun(schedule: string, run: RunRow): ScheduleRun {
  const { dueAtMs, cause, outcome, startedAtMs, endedAtMs, status, durationMs, detail } = run;
  return {
    ...{ schedule, dueAt: new Date(dueAtMs).toISOString(), cause, outcome },
    ...(startedAtMs !== undefined && { startedAt: new Date(startedAtMs).toISOString() }),
    ...(endedAtMs !== undefined && { endedAt: new Date(endedAtMs).toISOString() }),
    ...(status !== undefined && { status }),
    ...(durationMs !== undefined && { durationMs }),
    ...(detail !== undefined && { detail }),
  };
}
