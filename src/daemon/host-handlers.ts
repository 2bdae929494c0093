import type { z } from 'zod';
import type { AppName, WorkerId } from '../base/ids.ts';
import type { Handler } from '../protocol/channel.ts';
import { hostCalls, hostEvents } from '../protocol/host.ts';
import { toWorkerInfo, type Worker } from './workers.ts';

export type HostedAppState = z.infer<(typeof hostEvents)['app-state']>;
export type HostScheduleEnded = z.infer<(typeof hostCalls)['schedule-ended']>;
export type HostLogLines = z.infer<(typeof hostEvents)['log-lines']>;

/** What a tenant host may ask and say. Whatever comes in has passed its schema. */
export interface HostRequestsOfTenant {
  appState(state: HostedAppState): void;
  startWorker(app: AppName): Promise<Worker>;
  /** `hung`: nothing of it is to be waited for. */
  stopWorker(id: WorkerId, reason: string, hung: boolean): void;
  unlistWorker(id: WorkerId): void;
  workerReady(id: WorkerId): void;
  manifestChanged(app: AppName): void;
  scheduleEnded(event: HostScheduleEnded): void;
  logLines(event: HostLogLines): void;
}

export function createHostHandlers(tenant: HostRequestsOfTenant): Readonly<Record<string, Handler>> {
  return {
    'start-worker': async (params) => toWorkerInfo(await tenant.startWorker(hostCalls['start-worker'].parse(params).app)),
    'stop-worker'(params) {
      const { workerId, reason, hung = false } = hostCalls['stop-worker'].parse(params);
      tenant.stopWorker(workerId, reason, hung);
    },
    'unlist-worker': (params) => tenant.unlistWorker(hostCalls['unlist-worker'].parse(params).workerId),
    'schedule-ended': (params) => tenant.scheduleEnded(hostCalls['schedule-ended'].parse(params)),
    'worker-ready': (params) => tenant.workerReady(hostEvents['worker-ready'].parse(params).workerId),
    'app-state': (params) => tenant.appState(hostEvents['app-state'].parse(params)),
    'manifest-changed': (params) => tenant.manifestChanged(hostEvents['manifest-changed'].parse(params).app),
    'log-lines': (params) => tenant.logLines(hostEvents['log-lines'].parse(params)),
  };
}
