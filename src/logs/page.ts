import type { AppLogStart } from './app-log.ts';
import type { LogLine, LogPositions } from './line.ts';
import { listLogs, newestPositions } from './read.ts';
import { TenantLog } from './tenant-log.ts';

export interface LogQuery {
  /** Without it, the lines of all apps, merged by time. */
  app?: string | undefined;
  /** The newest; absent: all. */
  lines?: number | undefined;
  /** ISO 8601, UTC, both. */
  since?: string | undefined;
  until?: string | undefined;
  /** Goes on from there. */
  after?: LogPositions | undefined;
}

export interface LogPage {
  lines: LogLine[];
  /** Where the next page begins. */
  positions: LogPositions;
  /** Lines that are not there any more. */
  dropped: number;
  /** There is another one now. */
  more: boolean;
}

/** Fits a frame between two processes. */
const limits = { maxLines: 10_000, maxBytes: 768 * 1024 };

/** The oldest first. */
export function readLogPage(dir: string, query: LogQuery, { maxLines, maxBytes } = limits): LogPage {
  const log = new TenantLog({ dir, app: query.app, startOf: startsOf(dir, query) });
  try {
    const { until } = query;
    const { lines, dropped } = log.take({ maxLines, maxBytes, until });
    return { lines, dropped, positions: log.positions(), more: log.hasMore(until) };
  } finally {
    log.close();
  }
}

function startsOf(dir: string, { app, lines, since, until, after }: LogQuery): (app: string) => AppLogStart {
  const names = app === undefined ? listLogs(dir) : [app];
  const newest = lines === undefined ? undefined : newestPositions({ dir, names, lines, until });
  return (name) => {
    const from = after ? after[name] : newest?.get(name);
    return { ...(from !== undefined && { after: from }), since };
  };
}
