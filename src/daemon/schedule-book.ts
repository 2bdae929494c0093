import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { ScheduleSpec } from '../config/app-manifest.ts';
import { isFailure, isJudged, type RunRow, type ScheduleRef, type ScheduleRow, type ScheduleRows } from './schedule-rows.ts';
import { dueTimes } from './schedule-times.ts';
import type { TenantPicture } from './tenant-picture.ts';

/** A schedule that an app has now. */
export interface BookedSchedule extends ScheduleRef {
  spec: ScheduleSpec;
  /** The operator did not stop the app. */
  enabled: boolean;
  handledMs: number;
  /** The first time after `handledMs`; undefined when none comes. */
  dueAtMs: number | undefined;
  judged?: RunRow;
}

/** An app that may have schedules. */
export interface SchedulingApp {
  schedules: readonly ScheduleSpec[];
  enabled: boolean;
}

/** What apps are to be asked for, how far that was handled, and how it went. */
export interface ScheduleBook {
  /** `apps`: undefined when the tenant is gone. */
  set(tenant: TenantName, apps: ReadonlyMap<AppName, SchedulingApp> | undefined): void;
  get(ref: ScheduleRef): BookedSchedule | undefined;
  all(): Iterable<BookedSchedule>;
  of(tenant: TenantName, app?: AppName): BookedSchedule[];
  handle(schedule: BookedSchedule, handledMs: number): void;
  noteEnd(ref: ScheduleRef, row: RunRow): void;
  problems(tenant: TenantName): Problem[];
}

export interface ScheduleBookParts {
  rows: Pick<ScheduleRows, 'of' | 'note'>;
  nowMs: () => number;
}

export function createScheduleBook({ rows, nowMs }: ScheduleBookParts): ScheduleBook {
  const booked = new Map<TenantName, Map<string, BookedSchedule>>();

  /** `stored` is of this schedule; `isNew`: the daemon saw the tenant without it. */
  function open(ref: ScheduleRef, spec: ScheduleSpec, enabled: boolean, stored: ScheduleRow | undefined, isNew: boolean): BookedSchedule {
    const isContinued = stored?.timing === timingOf(spec) && !isNew;
    const handledMs = isContinued ? stored.handledMs : Math.max(stored?.handledMs ?? 0, nowMs());
    const { tenant, app, name } = ref;
    const judged = stored?.judged && { judged: stored.judged };
    return { tenant, app, name, spec, enabled, handledMs, dueAtMs: dueTimes.after(spec, handledMs), ...judged };
  }

  /** Times that came while its app was stopped, or while it had others, are over. */
  function carryOn(before: BookedSchedule, spec: ScheduleSpec, enabled: boolean): BookedSchedule {
    const isSame = timingOf(before.spec) === timingOf(spec) && before.enabled === enabled;
    const handledMs = isSame ? before.handledMs : Math.max(before.handledMs, nowMs());
    return { ...before, spec, enabled, handledMs, dueAtMs: isSame ? before.dueAtMs : dueTimes.after(spec, handledMs) };
  }

  function set(tenant: TenantName, apps: ReadonlyMap<AppName, SchedulingApp> | undefined): void {
    const before = booked.get(tenant);
    if (!apps) return void booked.delete(tenant);
    const wanted = [...apps].flatMap(([app, { schedules, enabled }]) =>
      schedules.map((spec) => ({ ref: { tenant, app, name: spec.name }, spec, enabled })),
    );
    const isKnown = wanted.every(({ ref }) => before?.has(keyOf(ref)));
    const stored = new Map(isKnown ? [] : rows.of(tenant).map((row) => [keyOf(row), row]));
    const next = wanted.map(({ ref, spec, enabled }) => {
      const key = keyOf(ref);
      const old = before?.get(key);
      return old ? carryOn(old, spec, enabled) : open(ref, spec, enabled, stored.get(key), before !== undefined);
    });
    const changed = next.filter((schedule) => {
      const known = before?.get(keyOf(schedule)) ?? stored.get(keyOf(schedule));
      return known?.handledMs !== schedule.handledMs || timingIn(known) !== timingOf(schedule.spec);
    });
    if (changed.length > 0) rows.note(changed.map(toNote), next);
    booked.set(tenant, new Map(next.map((schedule) => [keyOf(schedule), schedule])));
  }

  function get(ref: ScheduleRef): BookedSchedule | undefined {
    return booked.get(ref.tenant)?.get(keyOf(ref));
  }

  return {
    set,
    get,
    *all() {
      for (const ofTenant of booked.values()) yield* ofTenant.values();
    },
    of: (tenant, app) => [...(booked.get(tenant)?.values() ?? [])].filter((schedule) => app === undefined || schedule.app === app),
    handle(schedule, handledMs) {
      schedule.handledMs = handledMs;
      schedule.dueAtMs = dueTimes.after(schedule.spec, handledMs);
    },
    noteEnd(ref, row) {
      const schedule = get(ref);
      if (schedule && isJudged(row.outcome)) schedule.judged = row;
    },
    problems: (tenant) => [...(booked.get(tenant)?.values() ?? [])].flatMap(problemOf),
  };
}

/** Undefined when nothing is wanted of the tenant, or not known yet. */
export function schedulingApps(
  picture: Pick<TenantPicture, 'desired' | 'apps' | 'isStopped'> | undefined,
): ReadonlyMap<AppName, SchedulingApp> | undefined {
  if (!picture?.desired()) return undefined;
  const desired = picture.desired();
  const isOn = (app: AppName): boolean => !desired?.suspended && desired?.config.schedules !== 'paused' && !picture.isStopped(app);
  const apps = [...picture.apps()].filter(([, { served }]) => served.manifest.schedule.length > 0);
  return new Map(apps.map(([app, { served }]) => [app, { schedules: served.manifest.schedule, enabled: isOn(app) }]));
}

/** With others, what was handled says nothing. */
export function timingOf({ cron, timezone }: Pick<ScheduleSpec, 'cron' | 'timezone'>): string {
  return `${cron} ${timezone}`;
}

function timingIn(known: ScheduleRow | BookedSchedule | undefined): string | undefined {
  return known && ('timing' in known ? known.timing : timingOf(known.spec));
}

function toNote({ tenant, app, name, spec, handledMs }: BookedSchedule) {
  return { tenant, app, name, timing: timingOf(spec), handledMs };
}

function keyOf({ app, name }: Pick<ScheduleRef, 'app' | 'name'>): string {
  return `${app}/${name}`;
}

/** Until it goes well again. */
function problemOf({ tenant, app, name, judged }: BookedSchedule): Problem[] {
  if (!judged || !isFailure(judged.outcome)) return [];
  const due = `${new Date(judged.dueAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const told = judged.detail ?? (judged.status === undefined ? '' : `its answer was ${judged.status}`);
  const why = [failureWords[judged.outcome] ?? judged.outcome, told].filter((words) => words !== '').join(': ');
  return [
    {
      ...{ code: 'TENANTD_E_SCHEDULE_FAILED', message: `${app}: the run of ${name} at ${due} ${why}`, app },
      fix: `see tenantctl schedule history ${tenant}/${app} ${name}; it is over when a run goes well`,
    },
  ];
}

const failureWords: Readonly<Record<string, string>> = { failed: 'failed', timeout: 'took too long', lost: 'is lost' };
