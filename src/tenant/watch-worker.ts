import { setTimeout as delay } from 'node:timers/promises';
import { createLineCutter } from '../logs/cut-lines.ts';
import type { AppSpec, HealthSpec, WorkerInfo } from '../protocol/host.ts';
import { formatDuration } from './exit-reason.ts';
import { awaitHang } from './hang-watch.ts';
import { createLastLines } from './last-lines.ts';
import { isHealthy, isListening } from './probe.ts';
import { openPipe } from './read-pipe.ts';
import { openReports } from './read-reports.ts';

export interface WorkerPaths {
  socket: string;
  printed: string;
  reports: string;
}

/** How busy its event loop was, as it says itself. */
export interface LoopLoad {
  /** The share of time. */
  busy: number;
  lateMs: number;
}

export type Illness = 'is-unhealthy' | 'is-deaf' | 'is-hung';

export interface WorkerEvents {
  onPrinted(line: string): void;
  onNote(message: string): void;
  /** It listens, and its health path answered. */
  onReady(): void;
  onIll(illness: Illness, reason: string): void;
  onLoad(load: LoopLoad): void;
}

export interface WatchedWorker {
  readonly socket: string;
  lastLines(): string[];
  /** Why it is not ready yet: "did not listen", with the last it reported. */
  whyNotReady(): string;
  /** Reads the last of what it printed, once it has ended. */
  finish(): void;
  close(): void;
}

export type WatchSpec = Pick<AppSpec, 'kind' | 'health' | 'hungAfterMs'>;

const maxLineBytes = 8_192;
const firstRetryMs = 50;
const lastRetryMs = 1_000;
const defaultHungAfterMs = 60_000;

export function watchWorker(info: WorkerInfo, spec: WatchSpec, paths: WorkerPaths, events: WorkerEvents): WatchedWorker {
  const { health } = spec;
  const lastLines = createLastLines();
  const ended = new AbortController();
  const listens = Promise.withResolvers<void>();
  let complaint = 'did not listen';
  let note = '';
  let hasBeaten = false;
  const cutter = createLineCutter(maxLineBytes, (line) => {
    lastLines.add(line);
    events.onPrinted(line);
  });
  const printed = openPipe(paths.printed, (chunk) => cutter.push(chunk));
  const reports = openReports(paths.reports, (report) => {
    switch (report.event) {
      case 'listening':
        return listens.resolve();
      case 'beat':
        hasBeaten = true;
        if (report.busy !== undefined && report.lateMs !== undefined) events.onLoad({ busy: report.busy, lateMs: report.lateMs });
        return;
      case 'deaf':
        // What it said on the way to its end does not matter any more.
        return ended.signal.aborted ? undefined : events.onIll('is-deaf', report.message);
      case 'note':
        note = `: ${report.message}`;
        events.onNote(report.message);
    }
  });
  const listening = listens.promise.then(() => {
    if (health) complaint = `did not answer ${health.path} with 2xx or 3xx`;
  });
  void follow({ ready: info.ready, spec, socket: paths.socket, listening, takeBeat, ended: ended.signal }, events);

  function takeBeat(): boolean {
    const taken = hasBeaten;
    hasBeaten = false;
    return taken;
  }

  function close(): void {
    cutter.end();
    ended.abort();
    printed.close();
    reports.close();
  }

  return {
    socket: paths.socket,
    lastLines: () => lastLines.list(),
    whyNotReady: () => complaint + note,
    finish() {
      ended.abort();
      reports.drain();
      printed.drain();
      close();
    },
    close,
  };
}

interface Followed {
  ready: boolean;
  spec: WatchSpec;
  socket: string;
  listening: Promise<void>;
  takeBeat: () => boolean;
  ended: AbortSignal;
}

/** From its start to its end: until it listens, until it is healthy, then for as long as it is. */
async function follow(followed: Followed, events: WorkerEvents): Promise<void> {
  const { ready, spec, socket, listening, ended } = followed;
  const { health } = spec;
  if (!ready) {
    // An earlier host may have read its report; and a connection that is refused now is followed by a report.
    if (!(await isListening(socket, ended))) await listening;
    if (health) await untilHealthy(socket, health, ended);
    if (!ended.aborted) events.onReady();
  }
  if (health) await watchHealth(socket, health, ended, events);
  // The shim of a command beats for itself, not for the command.
  else if (spec.kind === 'node') await watchHang(followed, events);
}

async function untilHealthy(socket: string, health: HealthSpec, ended: AbortSignal): Promise<void> {
  for (let retryMs = firstRetryMs; !ended.aborted; retryMs = Math.min(2 * retryMs, lastRetryMs)) {
    if (await probe(socket, health, ended)) return;
    await pause(retryMs, ended);
  }
}

async function watchHealth(socket: string, health: HealthSpec, ended: AbortSignal, events: WorkerEvents): Promise<void> {
  const { path, intervalMs, failures = 3 } = health;
  for (let inARow = 0; inARow < failures && !ended.aborted;) {
    await pause(intervalMs, ended);
    inARow = (await probe(socket, health, ended)) ? 0 : inARow + 1;
  }
  const times = failures === 1 ? '' : ` ${failures} times in a row`;
  if (!ended.aborted) events.onIll('is-unhealthy', `did not answer its health check ${path}${times}`);
}

async function watchHang({ spec, socket, takeBeat, ended }: Followed, events: WorkerEvents): Promise<void> {
  const { hungAfterMs: limitMs = defaultHungAfterMs } = spec;
  const end = await awaitHang({ socket, limitMs, takeBeat, ended });
  if (end === 'hung') events.onIll('is-hung', `did not answer for ${formatDuration(limitMs)}: its event loop is blocked`);
  if (end === 'refuses') events.onIll('is-deaf', 'does not listen any more');
}

function probe(socket: string, { path, timeoutMs = 5_000 }: HealthSpec, ended: AbortSignal): Promise<boolean> {
  return isHealthy(socket, path, AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)]));
}

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal: ended }).catch(() => undefined); // Ended: the caller looks.
}
