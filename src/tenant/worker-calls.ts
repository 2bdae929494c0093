import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, WorkerId } from '../base/ids.ts';
import type { WorkerInfo } from '../protocol/host.ts';
import type { Daemon } from './daemon.ts';
import type { Failure } from './pool.ts';

/** What only the daemon can do with workers. */
export interface WorkerCalls {
  /** Undefined: the daemon is away. When it is back, it says first what lives. */
  start(app: AppName): Promise<{ info: WorkerInfo } | { refusal: Failure } | undefined>;
  /** Unanswered, it is asked again when the daemon is back; and a worker that the daemon does not know has ended. */
  stop(id: WorkerId, reason: string, hung?: true): void;
  unlist(id: WorkerId): void;
}

export function createWorkerCalls(daemon: Daemon): WorkerCalls {
  async function start(app: AppName): ReturnType<WorkerCalls['start']> {
    try {
      return { info: (await daemon.request('start-worker', { app })) as WorkerInfo };
    } catch (error) {
      if (isUnreachable(error)) return undefined;
      return { refusal: { code: 'TENANTD_E_APP_FAILED', reason: `could not be started: ${messageOf(error)}`, lastLines: [] } };
    }
  }

  function ask(method: 'stop-worker' | 'unlist-worker', params: { workerId: WorkerId; reason?: string; hung?: true }): void {
    daemon.request(method, params).catch((error: unknown) => {
      const message = `${method} ${params.workerId}: ${messageOf(error)}`.slice(0, 4_096);
      if (!isUnreachable(error)) daemon.tell('log', { level: 'warn', message });
    });
  }

  return {
    start,
    stop: (workerId, reason, hung) => ask('stop-worker', { workerId, reason: reason.slice(0, 500), ...(hung && { hung }) }),
    unlist: (workerId) => ask('unlist-worker', { workerId }),
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof TenantdError && error.code === 'TENANTD_E_UNREACHABLE';
}
