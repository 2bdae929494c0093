import type { Log } from '../../../src/base/log.ts';

export interface LogEntry {
  level: keyof Log;
  fields: object;
  message: string;
}

/** Keeps what is logged. */
export function createRecordingLog(): { log: Log; entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  const keep =
    (level: keyof Log) =>
    (fields: object, message: string): void =>
      void entries.push({ level, fields, message });
  return { entries, log: { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') } };
}
