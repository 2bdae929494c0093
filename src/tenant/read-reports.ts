import { createLineSplitter } from '../protocol/lines.ts';
import { maxReportBytes, type WorkerReport } from '../protocol/worker.ts';
import { openPipe, type PipeReader } from './read-pipe.ts';

/** Written by the app's own uid: what is no report is left out, and a line that is too long ends the reading. */
export function openReports(path: string, onReport: (report: WorkerReport) => void): PipeReader {
  const split = createLineSplitter(maxReportBytes, (line) => {
    const report = parseReport(line.toString());
    if (report) onReport(report);
  });
  // The splitter keeps parts of a chunk, and the pipe uses its buffer again.
  return openPipe(path, (chunk) => void split(Buffer.from(chunk)));
}

export function parseReport(text: string): WorkerReport | undefined {
  try {
    const { event, message, busy, lateMs } = JSON.parse(text) as { [Key in 'event' | 'message' | 'busy' | 'lateMs']?: unknown };
    if (event === 'listening') return { event };
    if (event === 'beat') return isLoad(busy, lateMs) ? { event, busy: Number(busy), lateMs: Number(lateMs) } : { event };
    if (event === 'note' || event === 'deaf') return typeof message === 'string' ? { event, message } : undefined;
    return undefined;
  } catch {
    return undefined;
  }
}

function isLoad(busy: unknown, lateMs: unknown): boolean {
  return typeof busy === 'number' && busy >= 0 && busy <= 1 && typeof lateMs === 'number' && lateMs >= 0;
}
