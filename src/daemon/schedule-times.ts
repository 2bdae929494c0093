import type { ScheduleSpec } from '../config/app-manifest.ts';
import { type CronFields, readCronFields } from '../config/schedule-values.ts';

export type When = Pick<ScheduleSpec, 'cron' | 'timezone'>;

/**
 * When a schedule is due, as Unix times in ms; whole minutes.
 *
 * As crontab(5) has it: with a day of the month and a day of the week given, either will do; a field that begins with `*` gives none.
 * When clocks change, a schedule of every hour goes by elapsed time: what is left out does not run, what comes twice runs twice. Of all
 * others each time comes once: right after the gap that it falls into, and the first of two.
 */
export interface DueTimes {
  after(when: When, ms: number): number | undefined;
  /** The last one at that time or before. */
  until(when: When, ms: number): number | undefined;
}

export const dueTimes: DueTimes = {
  after: ({ cron, timezone }, ms) => firstAfter(fieldsOf(cron), timezone, ms),
  until: ({ cron, timezone }, ms) => lastUntil(fieldsOf(cron), timezone, ms),
};

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** In that many years each day of a year was each day of the week. */
const mostYears = 41;

function fieldsOf(cron: string): CronFields {
  const fields = readCronFields(cron);
  if (!fields) throw new Error(`${cron} is no schedule`);
  return fields;
}

function firstAfter(fields: CronFields, timezone: string, ms: number): number | undefined {
  return fields.everyHour ? firstByElapsedTime(fields, timezone, ms) : firstByTheClock(fields, timezone, ms);
}

/** What a clock on the wall shows, each time once. */
function firstByTheClock(fields: CronFields, timezone: string, ms: number): number | undefined {
  const now = zoned(ms, timezone);
  const today = now.toPlainDate();
  for (let day = fittingDay(fields, today); day; day = fittingDay(fields, day.add({ days: 1 }))) {
    const isToday = day.equals(today);
    for (const hour of fields.hours) {
      // A time that the clock has passed was before, whatever it did.
      if (isToday && hour < now.hour) continue;
      for (const minute of fields.minutes) {
        const due = onTheClock(day.toPlainDateTime({ hour, minute }), timezone);
        if (due > ms) return due;
      }
    }
  }
  return undefined;
}

/** The first of two; the end of a gap for what falls into it. */
function onTheClock(time: Temporal.PlainDateTime, timezone: string): number {
  const first = time.toZonedDateTime(timezone, { disambiguation: 'earlier' });
  if (first.toPlainDateTime().equals(time)) return first.epochMilliseconds;
  return first.getTimeZoneTransition('next')?.epochMilliseconds ?? first.epochMilliseconds;
}

function firstByElapsedTime(fields: CronFields, timezone: string, ms: number): number | undefined {
  let atMs = Math.floor(ms / minuteMs) * minuteMs + minuteMs;
  for (;;) {
    const now = zoned(atMs, timezone);
    const today = now.toPlainDate();
    const day = fittingDay(fields, today);
    if (!day) return undefined;
    if (!day.equals(today)) atMs = day.toZonedDateTime(timezone).epochMilliseconds;
    else if (fields.minutes.includes(now.minute)) return atMs;
    else atMs = passMinutes(fields, now);
  }
}

/** To the next minute that fits; where clocks change by half an hour before that, minute by minute. */
function passMinutes({ minutes }: CronFields, now: Temporal.ZonedDateTime): number {
  const next = minutes.find((minute) => minute > now.minute) ?? 60 + (minutes[0] ?? 0);
  const then = now.add({ minutes: next - now.minute });
  return now.epochMilliseconds + (then.offset === now.offset ? next - now.minute : 1) * minuteMs;
}

/** That day, or the first one after it. */
function fittingDay(fields: CronFields, from: Temporal.PlainDate): Temporal.PlainDate | undefined {
  let day = from;
  while (day.year <= from.year + mostYears) {
    if (!fields.months.includes(day.month)) day = day.with({ day: 1 }).add({ months: 1 });
    else if (fitsDay(fields, day)) return day;
    else day = day.add({ days: 1 });
  }
  return undefined;
}

function fitsDay({ daysOfMonth, daysOfWeek, anyDayOfMonth, anyDayOfWeek }: CronFields, { day, dayOfWeek }: Temporal.PlainDate): boolean {
  const [fitsMonth, fitsWeek] = [daysOfMonth.includes(day), daysOfWeek.includes(dayOfWeek % 7)];
  return anyDayOfMonth || anyDayOfWeek ? fitsMonth && fitsWeek : fitsMonth || fitsWeek;
}

function lastUntil(fields: CronFields, timezone: string, ms: number): number | undefined {
  const isDue = (due: number | undefined): due is number => due !== undefined && due <= ms;
  const spans = [minuteMs, dayMs, 32 * dayMs, 366 * dayMs, mostYears * 366 * dayMs];
  let low = spans.map((span) => firstAfter(fields, timezone, ms - span)).find(isDue);
  if (low === undefined) return undefined;
  for (let high = ms; ;) {
    const next = firstAfter(fields, timezone, low);
    if (!isDue(next)) return low;
    const middle = firstAfter(fields, timezone, Math.floor((next + high) / 2));
    if (isDue(middle)) low = middle;
    else [low, high] = [next, Math.floor((next + high) / 2)];
  }
}

function zoned(ms: number, timezone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone);
}
