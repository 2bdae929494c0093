import { writeSync } from 'node:fs';
import { maxReportBytes, type WorkerReport } from '../protocol/worker.ts';

/** More notes than this say nothing new; and they must not fill the pipe, where a write would block. */
const maxNotes = 20;

export function createReporter(fd: number): (report: WorkerReport) => void {
  let notes = 0;
  return (report) => {
    const line = `${JSON.stringify(report)}\n`;
    if (report.event === 'note') notes += 1;
    if ((report.event === 'note' && notes > maxNotes) || Buffer.byteLength(line) > maxReportBytes) return;
    try {
      writeSync(fd, line);
    } catch {
      // The app may have closed the descriptor. The host's start time-out then speaks for it.
    }
  };
}
