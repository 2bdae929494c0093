import type { TenantName } from '../base/ids.ts';
import type { ScheduleSpec } from '../config/app-manifest.ts';
import type { ScheduleRunCause } from '../protocol/schedule-calls.ts';
import { dueTimes } from './schedule-times.ts';

/** What decides whether a schedule is due. Times are Unix times in ms. */
export interface PlannedSchedule {
  spec: Pick<ScheduleSpec, 'cron' | 'timezone' | 'overlap' | 'missed'>;
  /** A time at or before that is never due again. */
  handledMs: number;
  /** The first one after `handledMs`; undefined when none comes. */
  dueAtMs: number | undefined;
}

/** Its runs that have not ended. */
export interface OpenCount {
  waiting: number;
  running: number;
}

export type Verdict =
  | { do: 'wait' }
  /** The clock was far ahead when it was last handled: from now on, what comes after now is due. */
  | { do: 'start-over' }
  | { do: 'run'; dueAtMs: number; cause: Extract<ScheduleRunCause, 'time' | 'missed'> }
  /** To be remembered, not run. */
  | { do: 'pass'; dueAtMs: number; outcome: 'skipped' | 'missed' };

/** Later than that, tenantd was not there, or the clock was wrong. A restart of the daemon takes less. */
export const punctualMs = 60_000;
/** A clock that was set back by less runs into the times that were handled, and nothing is due until they are over. As cron does. */
export const mostSetBackMs = 3 * 3_600_000;

/** What is to become of a schedule now. Of several times that have come, the last one counts for all of them. */
export function judgeSchedule({ spec, handledMs, dueAtMs: nextMs }: PlannedSchedule, open: () => OpenCount, nowMs: number): Verdict {
  if (handledMs - nowMs > mostSetBackMs) return { do: 'start-over' };
  if (nextMs === undefined || nextMs > nowMs) return { do: 'wait' };
  const dueAtMs = lastDue(spec, nextMs, nowMs);
  const isLate = nowMs - dueAtMs > punctualMs;
  if (isLate && spec.missed === 'skip') return { do: 'pass', dueAtMs, outcome: 'missed' };
  return isBusy(spec, open()) ? { do: 'pass', dueAtMs, outcome: 'skipped' } : { do: 'run', dueAtMs, cause: isLate ? 'missed' : 'time' };
}

/** Mostly the one that was waited for. */
function lastDue(spec: PlannedSchedule['spec'], nextMs: number, nowMs: number): number {
  const following = dueTimes.after(spec, nextMs);
  return following === undefined || following > nowMs ? nextMs : (dueTimes.until(spec, nowMs) ?? nextMs);
}

/** Never two that wait, whatever may overlap: there is an end to what is remembered. */
export function isBusy({ overlap }: Pick<ScheduleSpec, 'overlap'>, { waiting, running }: OpenCount): boolean {
  return waiting > 0 || (running > 0 && overlap === 'skip');
}

/** A run that has not ended. Times are of a clock that nobody sets. */
export interface OpenRun {
  tenant: TenantName;
  phase: 'waiting' | 'running';
  /** Before that it does not begin. */
  readyAtMs: number;
  /** When it began, while it runs. */
  startedAtMs: number;
}

/** Beginning is what costs: a sandbox, a start, the first page. What runs for long gives its place to another. */
const startsAtOnce = 8;
const startHoldMs = 30_000;
const mostOfTenant = 4;

/** Those that may begin now, in order; and when to look again, if time alone will let another begin. */
export function pickStarts<Run extends OpenRun>(open: Iterable<Run>, nowMs: number): { starts: Run[]; lookAtMs: number | undefined } {
  const waiting: Run[] = [];
  const heldUntil: number[] = [];
  const ofTenant = new Map<TenantName, number>();
  const count = (tenant: TenantName): number => ofTenant.get(tenant) ?? 0;
  for (const run of open) {
    if (run.phase === 'waiting') waiting.push(run);
    else {
      ofTenant.set(run.tenant, count(run.tenant) + 1);
      if (run.startedAtMs + startHoldMs > nowMs) heldUntil.push(run.startedAtMs + startHoldMs);
    }
  }
  const starts: Run[] = [];
  const later: number[] = [];
  for (const run of waiting) {
    if (count(run.tenant) >= mostOfTenant) continue;
    if (run.readyAtMs > nowMs) later.push(run.readyAtMs);
    else if (heldUntil.length + starts.length >= startsAtOnce) later.push(Math.min(...heldUntil, nowMs + startHoldMs));
    else {
      starts.push(run);
      ofTenant.set(run.tenant, count(run.tenant) + 1);
    }
  }
  return { starts, lookAtMs: later.reduce<number | undefined>((least, at) => Math.min(least ?? at, at), undefined) };
}

const spreadOfEachMs = 100;
const mostSpreadMs = 60_000;

/** A thousand that are due at once begin within a minute, in no order; a few begin at once. */
export function spreadMs(dueAtOnce: number, random: () => number): number {
  return Math.floor(random() * Math.min(mostSpreadMs, (dueAtOnce - 1) * spreadOfEachMs));
}
