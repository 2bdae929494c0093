import type { Parsed } from './values.ts';

interface Field {
  least: number;
  most: number;
  /** Other ways to write the numbers from `least` on. */
  names: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const minuteField: Field = { least: 0, most: 59, names: [] };
const hourField: Field = { least: 0, most: 23, names: [] };
const dayField: Field = { least: 1, most: 31, names: [] };
const monthField: Field = { least: 1, most: 12, names: months };
/** 7 is Sunday, as 0. */
const weekdayField: Field = { least: 0, most: 7, names: days };

/** The numbers that each field stands for; `*` where it begins with one, as crontab(5) tells fields apart. */
export interface CronFields {
  minutes: readonly number[];
  hours: readonly number[];
  daysOfMonth: readonly number[];
  months: readonly number[];
  daysOfWeek: readonly number[];
  /** The hour is `*`. */
  everyHour: boolean;
  anyDayOfMonth: boolean;
  anyDayOfWeek: boolean;
}

const form = { message: 'must be five fields as in crontab', fix: 'write it like "0 7 * * *"' };
const never = { message: 'must be a time that comes', fix: 'write a day that one of its months has' };
/** Of February in a leap year. */
const longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** crontab(5): minute, hour, day of month, month, day of week, in numbers or names of three letters. */
export function parseCron(text: string): Parsed<string> {
  const words = text.trim().toLowerCase().split(/ +/);
  const fields = readCronFields(words.join(' '));
  if (!fields) return { fault: form };
  return comes(fields) ? { value: words.join(' ') } : { fault: never };
}

/** Undefined: it is none. */
export function readCronFields(text: string): CronFields | undefined {
  const words = text.split(' ');
  if (words.length !== 5 || text.length > 200) return undefined;
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = words;
  const numbers = {
    minutes: numbersOf(minute, minuteField),
    hours: numbersOf(hour, hourField),
    daysOfMonth: numbersOf(dayOfMonth, dayField),
    months: numbersOf(month, monthField),
    daysOfWeek: numbersOf(dayOfWeek, weekdayField),
  };
  if (Object.values(numbers).some((field) => field.length === 0)) return undefined;
  const stars = { everyHour: hour === '*', anyDayOfMonth: dayOfMonth.startsWith('*'), anyDayOfWeek: dayOfWeek.startsWith('*') };
  return { ...numbers, daysOfWeek: [...new Set(numbers.daysOfWeek.map((day) => day % 7))].sort(ascending), ...stars };
}

/** In order; empty when a part of it is wrong. */
function numbersOf(text: string, field: Field): number[] {
  const parts = text.split(',').map((part) => partOf(part, field));
  return parts.some((part) => part.length === 0) ? [] : [...new Set(parts.flat())].sort(ascending);
}

function partOf(text: string, field: Field): number[] {
  const [, star, from = '', to, step = '1'] = /^(?:(\*)|(\w{1,3})(?:-(\w{1,3}))?)(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const first = star ? field.least : numberOf(from, field);
  const last = star ? field.most - (field === weekdayField ? 1 : 0) : numberOf(to ?? from, field, to !== undefined);
  const steps = Number(step);
  // A step without a range means nothing that two readers would agree on.
  const isWhole = star !== undefined || to !== undefined || !text.includes('/');
  if (!isWhole || !(first <= last) || steps < 1 || steps > field.most) return [];
  return Array.from({ length: Math.floor((last - first) / steps) + 1 }, (_, index) => first + index * steps);
}

/** NaN when it is none of the field. */
function numberOf(text: string, field: Field, isLast = false): number {
  const named = field.names.indexOf(text);
  // "fri-sun"
  if (named !== -1) return isLast && field === weekdayField && named === 0 ? 7 : named + field.least;
  const number = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return number >= field.least && number <= field.most ? number : Number.NaN;
}

/** Days of the week come in every month. With both fields given, either will do. */
function comes(fields: CronFields): boolean {
  if (!fields.anyDayOfMonth && !fields.anyDayOfWeek) return true;
  const shortest = Math.min(...fields.daysOfMonth);
  return fields.months.some((month) => shortest <= (longestMonths[month - 1] ?? 0));
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** A name of the IANA time zone database, in the one spelling that Node has for it. */
export function parseTimezone(text: string): Parsed<string> {
  const fault = { message: 'must be the name of a time zone', fix: 'write it like Europe/Berlin, or remove it for UTC' };
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(text)) return { fault };
  try {
    return { value: new Intl.DateTimeFormat('en-US', { timeZone: text }).resolvedOptions().timeZone };
  } catch {
    return { fault };
  }
}
