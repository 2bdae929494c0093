import { setTimeout as delay } from 'node:timers/promises';
import { createLineCutter } from '../logs/cut-lines.ts';
import type { AppSpec, WorkerInfo } from '../protocol/host.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import { maxReportBytes, type WorkerReport } from '../protocol/worker.ts';
import { createLastLines } from './last-lines.ts';
import { isHealthy, isListening } from './probe.ts';
import { openPipe, type PipeReader } from './read-pipe.ts';

export interface WorkerPaths {
  socket: string;
  printed: string;
  reports: string;
}

export interface WorkerEvents {
  onPrinted(line: string): void;
  onNote(message: string): void;
  /** It listens, and its health path answered. */
  onReady(): void;
  /** Its health path did not answer `unhealthyAfter` times in a row. */
  onUnhealthy(): void;
}

export interface WatchedWorker {
  lastLines(): string[];
  /** Why it is not ready yet: "did not listen", with the last it reported. */
  whyNotReady(): string;
  /** Reads the last of what it printed, once it has ended. */
  finish(): void;
  close(): void;
}

export const unhealthyAfter = 3;
const maxLineBytes = 8_192;
const probeTimeoutMs = 5_000;
const firstRetryMs = 50;
const lastRetryMs = 1_000;

export function watchWorker(info: WorkerInfo, health: AppSpec['health'], paths: WorkerPaths, events: WorkerEvents): WatchedWorker {
  const lastLines = createLastLines();
  const ended = new AbortController();
  const listens = Promise.withResolvers<void>();
  let complaint = 'did not listen';
  let note = '';
  const cutter = createLineCutter(maxLineBytes, (line) => {
    lastLines.add(line);
    events.onPrinted(line);
  });
  const printed = openPipe(paths.printed, (chunk) => cutter.push(chunk));
  const reports = openReports(paths.reports, (report) => {
    if (report.event === 'listening') return listens.resolve();
    note = `: ${report.message}`;
    events.onNote(report.message);
  });
  const listening = listens.promise.then(() => {
    if (health) complaint = `did not answer ${health.path} with 2xx or 3xx`;
  });
  void follow({ ready: info.ready, health, socket: paths.socket, listening, ended: ended.signal }, events);

  function close(): void {
    cutter.end();
    ended.abort();
    printed.close();
    reports.close();
  }

  return {
    lastLines: () => lastLines.list(),
    whyNotReady: () => complaint + note,
    finish() {
      reports.drain();
      printed.drain();
      close();
    },
    close,
  };
}

interface Followed {
  ready: boolean;
  health: AppSpec['health'];
  socket: string;
  listening: Promise<void>;
  ended: AbortSignal;
}

/** From its start to its end: until it listens, until it is healthy, then for as long as it is. */
async function follow({ ready, health, socket, listening, ended }: Followed, events: WorkerEvents): Promise<void> {
  if (!ready) {
    // An earlier host may have read its report; and a connection that is refused now is followed by a report.
    if (!(await isListening(socket, ended))) await listening;
    if (health) await untilHealthy(socket, health.path, ended);
    if (!ended.aborted) events.onReady();
  }
  if (health) await untilUnhealthy(socket, health, ended);
  if (health && !ended.aborted) events.onUnhealthy();
}

async function untilHealthy(socket: string, path: string, ended: AbortSignal): Promise<void> {
  for (let retryMs = firstRetryMs; !ended.aborted; retryMs = Math.min(2 * retryMs, lastRetryMs)) {
    if (await probe(socket, path, ended)) return;
    await pause(retryMs, ended);
  }
}

async function untilUnhealthy(socket: string, { path, intervalMs }: NonNullable<AppSpec['health']>, ended: AbortSignal): Promise<void> {
  for (let inARow = 0; inARow < unhealthyAfter && !ended.aborted;) {
    await pause(intervalMs, ended);
    inARow = (await probe(socket, path, ended)) ? 0 : inARow + 1;
  }
}

function probe(socket: string, path: string, ended: AbortSignal): Promise<boolean> {
  return isHealthy(socket, path, AbortSignal.any([ended, AbortSignal.timeout(probeTimeoutMs)]));
}

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal: ended }).catch(() => undefined); // Ended: the caller looks.
}

/** Written by the app's own uid: what is no report is left out, and a line that is too long ends the reading. */
function openReports(path: string, onReport: (report: WorkerReport) => void): PipeReader {
  const split = createLineSplitter(maxReportBytes, (line) => {
    const report = parseReport(line.toString());
    if (report) onReport(report);
  });
  // The splitter keeps parts of a chunk, and the pipe uses its buffer again.
  return openPipe(path, (chunk) => void split(Buffer.from(chunk)));
}

function parseReport(text: string): WorkerReport | undefined {
  try {
    const { event, message } = JSON.parse(text) as { event?: unknown; message?: unknown };
    if (event === 'listening') return { event };
    return event === 'note' && typeof message === 'string' ? { event, message } : undefined;
  } catch {
    return undefined;
  }
}
