import { type LogPage, type LogQuery, readLogPage } from '../logs/page.ts';
import { createLogWriter, type LogWriter } from '../logs/writer.ts';

export interface LogLimits {
  logMaxBytes: number;
  logKeep: number;
}

/** What the tenant's apps print, on disk. */
export interface AppLogs {
  print(app: string, worker: string, line: string): void;
  read(query: LogQuery): LogPage;
  limit(limits: LogLimits): void;
  close(app: string): void;
  closeAll(): void;
}

const defaultLimits: LogLimits = { logMaxBytes: 50_000_000, logKeep: 5 };

export function createAppLogs(dir: string, onKept: (app: string) => void, nowMs: () => number): AppLogs {
  const writers = new Map<string, LogWriter>();
  let limits = defaultLimits;

  function writerOf(app: string): LogWriter {
    const known = writers.get(app);
    if (known) return known;
    const writer = createLogWriter({ dir, app, maxBytes: limits.logMaxBytes, keep: limits.logKeep, onKept: () => onKept(app) });
    writers.set(app, writer);
    return writer;
  }

  function close(app: string): void {
    writers.get(app)?.close();
    writers.delete(app);
  }

  function closeAll(): void {
    for (const app of writers.keys()) close(app);
  }

  return {
    print: (app, worker, line) => writerOf(app).write({ time: new Date(nowMs()).toISOString(), app, worker, line }),
    read(query) {
      for (const writer of writers.values()) writer.flush();
      return readLogPage(dir, query);
    },
    limit(next) {
      const changed = next.logMaxBytes !== limits.logMaxBytes || next.logKeep !== limits.logKeep;
      limits = next;
      if (changed) closeAll();
    },
    close,
    closeAll,
  };
}
