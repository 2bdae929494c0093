import { writeSync } from 'node:fs';
import { maxReportBytes, type WorkerReport } from '../protocol/worker.ts';

/** More notes than this say nothing new; and reports must never fill the pipe, where a write would block. */
const maxReports = 20;

export function createReporter(fd: number): (report: WorkerReport) => void {
  let sent = 0;
  return (report) => {
    const line = `${JSON.stringify(report)}\n`;
    if (sent >= maxReports || Buffer.byteLength(line) > maxReportBytes) return;
    sent += 1;
    try {
      writeSync(fd, line);
    } catch {
      // The app may have closed the descriptor. The host's start time-out then speaks for it.
    }
  };
}
