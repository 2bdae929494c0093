import { listLogs, readNewest } from '../logs/read.ts';
import type { AccessRecord } from '../protocol/access.ts';

export type ParseAccess = (text: string) => AccessRecord | undefined;

/**
 * Lines of one app, or all. Those of other apps are left out by their text, which no client can forge: what it sent has its quotes
 * escaped. That entries are missing concerns every app.
 */
export function createAccessParser(app: string | undefined): ParseAccess {
  const named = `,"app":"${app}",`;
  return (text) => {
    if (app !== undefined && !text.includes(named) && !text.includes(',"dropped":')) return undefined;
    return parseAccess(text);
  };
}

/** Undefined for what is not a whole line: the last one before a full disk, or of an edge that was killed. */
function parseAccess(text: string): AccessRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // The daemon checks the rest.
    return typeof value === 'object' && value !== null && 'time' in value && typeof value.time === 'string'
      ? (value as AccessRecord)
      : undefined;
  } catch {
    return undefined;
  }
}

/** One log an edge process. */
export function listAccessLogs(dir: string): string[] {
  return listLogs(dir).filter((name) => /^access\.\d+$/.test(name));
}

export function readLastAccess(dir: string, parse: ParseAccess, lines: number): AccessRecord[] {
  return readNewest({ dir, names: listAccessLogs(dir), lines, parse });
}
