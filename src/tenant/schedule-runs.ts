import type { AppName, WorkerId } from '../base/ids.ts';
import type { HostRequests } from '../protocol/host.ts';
import type { AppLogs } from './app-logs.ts';
import { formatDuration } from './exit-reason.ts';
import type { GetOutcome } from './get-once.ts';
import type { RunEnd, RunEnds } from './run-ends.ts';
import type { RunPlace } from './run-place.ts';

export type RunOrder = HostRequests['run-schedule']['params'];

export interface ScheduleRunsOptions {
  tenant: () => string;
  ends: RunEnds;
  logs: Pick<AppLogs, 'print'>;
  placeOf: (app: AppName) => RunPlace;
  isThere: (app: AppName, id: WorkerId) => boolean;
  /** A worker with a run in it is not stopped in its middle. */
  countRun: (app: AppName, id: WorkerId, count: 1 | -1) => void;
}

/**
 * Runs of schedules: one request to the app each.
 *
 * Invariants:
 * - No run is carried out twice, however often it is asked for, as long as this host lives and remembers it.
 * - No more than `maxGoing` go on at a time.
 */
export interface ScheduleRuns {
  run(order: RunOrder): null;
  /** Workers of the app came, became ready or went. */
  look(app: AppName): void;
}

interface Going {
  order: RunOrder;
  worker?: WorkerId;
  /** Called when workers changed. */
  look: () => void;
}

type Outcome = Pick<RunEnd, 'outcome' | 'status' | 'detail'>;

const maxGoing = 100;
/** From the end of a connection to the word that its worker has ended. */
const exitWordMs = 1_000;

export function createScheduleRuns(options: ScheduleRunsOptions): ScheduleRuns {
  const going = new Map<string, Going>();

  async function carryOut(order: RunOrder): Promise<void> {
    const run: Going = { order, look: () => {} };
    const startMs = performance.now();
    going.set(order.runId, run);
    const outcome = await attempt(run, AbortSignal.timeout(order.timeoutMs));
    going.delete(order.runId);
    finish(run, outcome, Math.round(performance.now() - startMs));
  }

  async function attempt(run: Going, signal: AbortSignal): Promise<Outcome> {
    const { app, timeoutMs } = run.order;
    const place = await findPlace(run, signal);
    if (place.at === 'later') return { outcome: 'timeout', detail: `no worker was ready within ${formatDuration(timeoutMs)}` };
    if (place.at === 'nowhere') return { outcome: 'failed', detail: place.reason };
    run.worker = place.id;
    options.countRun(app, place.id, 1);
    try {
      const outcome = await request(run.order, place.socket, signal);
      const hasWorkerEnded = outcome.got === 'end' && (await isGoneSoon(run, place.id));
      return hasWorkerEnded ? { outcome: 'failed', detail: 'the worker ended' } : judge(outcome, timeoutMs);
    } finally {
      options.countRun(app, place.id, -1);
    }
  }

  async function findPlace(run: Going, signal: AbortSignal): Promise<RunPlace> {
    for (;;) {
      const place = options.placeOf(run.order.app);
      if (place.at !== 'later' || signal.aborted) return place;
      await nextLook(run, signal);
    }
  }

  async function request({ app, path, schedule, runId }: RunOrder, socketPath: string, signal: AbortSignal): Promise<GetOutcome> {
    // Its parser is loaded by hosts that run something only.
    const { getOnce } = await import('./get-once.ts');
    const headers = {
      ...{ host: 'localhost', 'user-agent': 'tenantd-schedule', accept: '*/*' },
      ...{ 'x-tenantd-tenant': options.tenant(), 'x-tenantd-app': app, 'x-tenantd-schedule': schedule, 'x-request-id': runId },
    };
    return getOnce({ socketPath, path, headers, signal });
  }

  /** Its connections end a little before the daemon says so. */
  async function isGoneSoon(run: Going, id: WorkerId): Promise<boolean> {
    const limit = AbortSignal.timeout(exitWordMs);
    while (options.isThere(run.order.app, id) && !limit.aborted) await nextLook(run, limit);
    return !options.isThere(run.order.app, id);
  }

  function finish({ order, worker }: Pick<Going, 'order' | 'worker'>, outcome: Outcome, durationMs: number): void {
    const { app, runId, schedule } = order;
    const took = formatDuration(durationMs);
    const text = outcome.status === undefined ? `${outcome.outcome} after ${took}: ${outcome.detail}` : `${outcome.status} in ${took}`;
    options.logs.print(app, worker ?? 'tenantd', `[tenantd] schedule ${schedule}: ${text}`);
    options.ends.add({ app, runId, ...outcome, durationMs });
  }

  return {
    run(order) {
      const { runId } = order;
      if (options.ends.has(runId)) options.ends.tellOnceMore(runId);
      else if (going.has(runId)) return null;
      else if (going.size < maxGoing) void carryOut(order);
      else finish({ order }, { outcome: 'failed', detail: `${maxGoing} other runs are going on` }, 0);
      return null;
    },
    look(app) {
      for (const run of going.values()) if (run.order.app === app) run.look();
    },
  };
}

/** Until workers of its app change, or `signal`. */
function nextLook(run: Going, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  run.look = resolve;
  const onAbort = (): void => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) resolve();
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

function judge(outcome: GetOutcome, timeoutMs: number): Outcome {
  if (outcome.got === 'answer') return judgeStatus(outcome.status);
  if (outcome.got === 'nothing-in-time') return { outcome: 'timeout', detail: `no answer within ${formatDuration(timeoutMs)}` };
  if (outcome.got === 'nonsense') return { outcome: 'failed', detail: `not an answer of HTTP/1.1: ${outcome.why}` };
  return { outcome: 'failed', detail: 'the app closed the connection before its answer was whole' };
}

function judgeStatus(status: number): Outcome {
  const isGood = status >= 200 && status < 400;
  return isGood ? { outcome: 'done', status } : { outcome: 'failed', status, detail: `answered ${status}` };
}
