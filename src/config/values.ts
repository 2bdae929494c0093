import { z } from 'zod';
import type { ErrorCode } from '../base/error-codes.ts';

/** Why a text is no value. `message` goes on after the key's name: "must be a size such as 256M". */
export interface Fault {
  message: string;
  fix: string;
  code?: ErrorCode;
}

export type Parsed<T> = { value: T } | { fault: Fault };

export const maxTextCharacters = 4_096;

/** A text that `parse` makes a value of. `description` and `example` are for editors. */
export function textAs<T>(parse: (text: string) => Parsed<T>, description: string, example: string): z.ZodType<T, string> {
  return z
    .string()
    .transform((text, context) => {
      const parsed = text.length > maxTextCharacters ? tooLong : parse(text);
      if ('value' in parsed) return parsed.value;
      addFault(context, parsed.fault);
      return z.NEVER;
    })
    .meta({ description, examples: [example] });
}

const tooLong = { fault: { message: `must have at most ${maxTextCharacters} characters`, fix: 'shorten it' } };

export function addFault(context: z.core.$RefinementCtx, { message, fix, code }: Fault): void {
  context.addIssue({ code: 'custom', message, params: { fix, code } });
}

const bytesPerUnit: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `256M` in bytes; K, M, G and T are powers of 1,024, as in systemd. */
export function parseSize(text: string): Parsed<number> {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)$/.exec(text);
  const bytes = match ? Number(match[1]) * (bytesPerUnit[match[2] ?? ''] ?? Number.NaN) : Number.NaN;
  if (Number.isSafeInteger(Math.round(bytes))) return { value: Math.round(bytes) };
  return { fault: { message: 'must be a size such as 256M', fix: 'write a number and K, M, G or T' } };
}

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A timer of Node holds at most 2^31 - 1 ms. */
const maxDurationMs = 24 * 86_400_000;

/** `10m` in milliseconds; what no timer waits for may be longer. */
export function parseDuration(text: string, maxMs: number = maxDurationMs): Parsed<number> {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const ms = match ? Number(match[1]) * (msPerUnit[match[2] ?? ''] ?? Number.NaN) : Number.NaN;
  if (ms <= maxMs) return { value: ms };
  if (ms > maxMs) return { fault: { message: `must be at most ${maxMs / 86_400_000}d`, fix: 'write a shorter time' } };
  return { fault: { message: 'must be a duration such as 10m', fix: 'write a whole number and ms, s, m, h or d' } };
}

/** A size between two bounds, given as they are written. */
export function sizeBetween(least: string, most: string, description: string): z.ZodType<number, string> {
  return textAs((text) => between(parseSize(text), parseSize(least), parseSize(most), `between ${least} and ${most}`), description, '256M');
}

export function durationBetween(least: string, most: string, description: string): z.ZodType<number, string> {
  const range = `between ${least} and ${most}`;
  const [leastMs, mostMs] = [parseDuration(least, Infinity), parseDuration(most, Infinity)];
  // What no timer may wait for can be a time all the same.
  const maxMs = 'value' in mostMs ? Math.max(maxDurationMs, mostMs.value) : maxDurationMs;
  return textAs((text) => between(parseDuration(text, maxMs), leastMs, mostMs, range), description, '30s');
}

function between(parsed: Parsed<number>, least: Parsed<number>, most: Parsed<number>, range: string): Parsed<number> {
  if (!('value' in parsed && 'value' in least && 'value' in most)) return parsed;
  if (parsed.value >= least.value && parsed.value <= most.value) return parsed;
  return { fault: { message: `must be ${range}`, fix: `write a value ${range}` } };
}

export function wholeNumber(least: number, most: number, description: string): z.ZodInt {
  return z.int().min(least).max(most).meta({ description });
}

/** One line of text for people. */
export function line(maxCharacters: number, description: string): z.ZodType<string, string> {
  return textAs(
    (text) => {
      if (text === '' || text.length > maxCharacters || /\p{C}/u.test(text)) {
        return {
          fault: { message: `must be one line of 1 to ${maxCharacters} characters`, fix: 'shorten it, without control characters' },
        };
      }
      return { value: text };
    },
    description,
    'Acme',
  );
}

/** Names of plans: as those of tenants and apps. */
export const planName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a name of a-z, 0-9 and "-" that begins with a letter');
