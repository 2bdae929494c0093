import type { AccessRecord } from '../protocol/access.ts';
import type { LogsResult } from '../protocol/control.ts';
import type { LogLine, LogPositions } from '../protocol/host.ts';
import { renderAccessRecord } from './access-text.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** What is asked for at first. */
export interface LogQuestion {
  tenant: string;
  app?: string;
  lines?: number;
  since?: string;
  until?: string;
}

/** What came, by an answer or told later. */
export interface LogEvent<Line> {
  lines: Line[];
  dropped?: number;
  positions?: LogPositions;
  more?: boolean;
}

/** Where a reader is. */
export interface LogPlace<Line> {
  /** Answers with those lines that were not seen before. */
  note(event: LogEvent<Line>): Line[];
  /** What to ask to go on from there; where places are times, from so much before. */
  onward(overlapMs: number): object;
}

/** What is the same for each kind of log. */
export interface LogKind<Line> {
  method: 'logs' | 'access-logs';
  /** What tells of new lines. */
  event: 'log-lines' | 'access-lines';
  render: (line: Line, terminal: Pick<Terminal, 'paint'>) => string;
  place: (question: LogQuestion) => LogPlace<Line>;
  /** Whether there is another page behind the answer. */
  hasMore: (answer: LogEvent<Line>, question: LogQuestion) => boolean;
}

export const appLogs: LogKind<LogLine> = {
  method: 'logs',
  event: 'log-lines',
  render: renderLogLine,
  place: appPlace,
  hasMore: (answer) => (answer as LogsResult).more,
};

export const accessLogs: LogKind<AccessRecord> = {
  method: 'access-logs',
  event: 'access-lines',
  render: renderAccessRecord,
  place: accessPlace,
  hasMore: ({ lines }, { lines: wanted }) => wanted === undefined && lines.length > 0,
};

function appPlace(): LogPlace<LogLine> {
  let after: LogPositions | undefined;
  return {
    note({ lines, positions }) {
      after = positions ?? after;
      return lines;
    },
    onward: () => ({ after }),
  };
}

const mostRemembered = 50_000;

/** By time, and what is told twice by its id. */
function accessPlace({ since }: LogQuestion): LogPlace<AccessRecord> {
  const seen = new Set<string>();
  let last = since ?? '';
  return {
    note({ lines }) {
      const fresh = lines.filter((line) => !seen.has(keyOf(line)));
      for (const line of fresh) {
        seen.add(keyOf(line));
        if (line.time > last) last = line.time;
      }
      for (const key of seen) {
        if (seen.size <= mostRemembered) break;
        seen.delete(key);
      }
      return fresh;
    },
    onward(overlapMs) {
      if (last === '') return { lines: 0 };
      return { since: new Date(Math.max(Date.parse(last) - overlapMs, since === undefined ? 0 : Date.parse(since))).toISOString() };
    },
  };
}

function keyOf(record: AccessRecord): string {
  return 'requestId' in record ? record.requestId : JSON.stringify(record);
}

/** `time app/worker line`; a worker's id begins with its app's name, which is said once. */
export function renderLogLine({ time, app, worker, line }: LogLine, { paint }: Pick<Terminal, 'paint'>): string {
  const shortWorker = worker.startsWith(`${app}.`) ? worker.slice(app.length + 1) : worker;
  return `${paint('dim', printable(time))} ${paint('bold', printable(`${app}/${shortWorker}`))} ${printable(line)}\n`;
}
