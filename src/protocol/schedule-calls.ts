/** Schedules: between `tenantctl` and the daemon. */
import { z } from 'zod';
import { appRef, name } from './call-values.ts';

export const scheduleCalls = {
  /** Result: ScheduleListResult. */
  'schedule-list': z.strictObject({ tenant: name.optional(), app: name.optional() }),
  /** Result: ScheduleHistoryResult. Without a name: of all schedules of the app. */
  'schedule-history': z.strictObject({ ...appRef.shape, name: name.optional(), runs: z.number().int().min(1).max(1_600) }),
  /** Result: ScheduleRunResult: with `wait`, how it ended; else that it waits or runs. */
  'schedule-run': z.strictObject({ ...appRef.shape, name, wait: z.boolean() }),
};

/** `waiting` for its turn, `running`; all others have ended. `lost`: nobody knows how it ended. `skipped`: the one before still ran. */
export type ScheduleRunOutcome = 'waiting' | 'running' | 'done' | 'failed' | 'timeout' | 'skipped' | 'missed' | 'lost';

/** `missed`: its time had come while tenantd was not there. */
export type ScheduleRunCause = 'time' | 'missed' | 'manual';

export interface ScheduleStatus {
  name: string;
  /** Absent while the app is stopped. */
  next?: string;
  /** The last one that went well or failed. */
  last?: ScheduleRun;
}

export interface ScheduleRun {
  schedule: string;
  dueAt: string;
  cause: ScheduleRunCause;
  outcome: ScheduleRunOutcome;
  startedAt?: string;
  endedAt?: string;
  /** Of the app's answer. */
  status?: number;
  durationMs?: number;
  detail?: string;
}

export interface ScheduleInfo extends ScheduleStatus {
  tenant: string;
  app: string;
  cron: string;
  timezone: string;
  path: string;
  timeoutMs: number;
  overlap: 'skip' | 'allow';
  missed: 'skip' | 'run';
  /** Waits or runs now. */
  open: ScheduleRun[];
}

export interface ScheduleListResult {
  schedules: ScheduleInfo[];
}

export interface ScheduleHistoryResult {
  /** The newest first. */
  runs: ScheduleRun[];
}

export interface ScheduleRunResult {
  run: ScheduleRun;
}
