import type { z } from 'zod';
import type { AppName, WorkerId } from '../base/ids.ts';
import type { Handler } from '../protocol/channel.ts';
import { hostCalls, hostEvents } from '../protocol/host.ts';
import { toWorkerInfo, type Worker } from './workers.ts';

export type HostedAppState = z.infer<(typeof hostEvents)['app-state']>;
export type HostLogLines = z.infer<(typeof hostEvents)['log-lines']>;

/** What a tenant host may ask and say. Whatever comes in has passed its schema. */
export interface HostRequestsOfTenant {
  appState(state: HostedAppState): void;
  startWorker(app: AppName): Promise<Worker>;
  stopWorker(id: WorkerId, reason: string): void;
  workerReady(id: WorkerId): void;
  manifestChanged(app: AppName): void;
  logLines(event: HostLogLines): void;
}

export function createHostHandlers(tenant: HostRequestsOfTenant): Readonly<Record<string, Handler>> {
  return {
    'start-worker': async (params) => toWorkerInfo(await tenant.startWorker(hostCalls['start-worker'].parse(params).app)),
    'stop-worker'(params) {
      const { workerId, reason } = hostCalls['stop-worker'].parse(params);
      tenant.stopWorker(workerId, reason);
    },
    'worker-ready': (params) => tenant.workerReady(hostEvents['worker-ready'].parse(params).workerId),
    'app-state': (params) => tenant.appState(hostEvents['app-state'].parse(params)),
    'manifest-changed': (params) => tenant.manifestChanged(hostEvents['manifest-changed'].parse(params).app),
    'log-lines': (params) => tenant.logLines(hostEvents['log-lines'].parse(params)),
  };
}
