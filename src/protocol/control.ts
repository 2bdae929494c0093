/** Between `tenantctl` and the daemon, on the operator's socket. */
import { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import type { LogLine } from './host.ts';

/** Below the daemon's runDir. Only root can open the directory. */
export const operatorSocket = 'control/operator.sock';

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name is [a-z][a-z0-9-]{0,31}');
const appRef = z.strictObject({ tenant: name, app: name });
const logSource = z.strictObject({
  tenant: name,
  app: name.optional(),
  lines: z.number().int().min(0).max(10_000),
  follow: z.boolean(),
});

/** Requests and their parameters, checked by the daemon. */
export const controlCalls = {
  status: z.strictObject({ tenant: name.optional() }),
  /** Re-reads everything now; answered when what changed has been carried out. Result: ReloadResult. */
  reload: z.strictObject({}),
  /** Answered, with null, when new workers serve and the old ones are gone; refused when the new ones fail. */
  'app-restart': appRef,
  /** Answered, with null, when it is done. */
  'app-stop': appRef,
  /** As `app-restart`. */
  'app-start': appRef,
  /**
   * Result: LogsResult. With `follow`, `log-lines` notifications (LogLinesEvent) come after the answer, until the
   * client closes the connection.
   */
  logs: logSource,
  /** Result: AccessLogsResult (access.ts). With `follow`, as `logs`, by `access-lines` notifications (AccessLinesEvent). */
  'access-logs': logSource,
};

export type TenantState = 'starting' | 'running' | 'sleeping' | 'suspended' | 'quarantined' | 'failed' | 'removing';
export type AppState = 'starting' | 'running' | 'sleeping' | 'stopped' | 'quarantined' | 'failed' | 'deploying';

export interface WorkerStatus {
  /** Of the host's pid namespace; 0 until known. */
  pid: number;
  state: 'starting' | 'running' | 'draining';
  startedAt: string;
  memoryBytes: number;
}

export interface AppStatus {
  name: string;
  kind: 'node' | 'static' | 'command' | null;
  state: AppState;
  /** Why it is in that state, where there is something to say. */
  reason?: string;
  lastLines?: string[];
  nextTryAt?: string;
  release: string;
  urls: string[];
  restarts: number;
  workers: WorkerStatus[];
}

export interface TenantStatus {
  name: string;
  uid: number;
  state: TenantState;
  plan: string;
  domains: string[];
  problems: Problem[];
  hostPid: number;
  memoryBytes: number;
  cpuSeconds: number;
  apps: AppStatus[];
}

export interface Status {
  version: string;
  pid: number;
  startedAt: string;
  certs: { pid: number };
  edge: { processes: { pid: number }[]; http: string[]; https: string[] };
  /** Of the daemon and the machine, not of one tenant. */
  problems: Problem[];
  tenants: TenantStatus[];
}

export interface ReloadResult {
  changed: string[];
  added: string[];
  removed: string[];
  problems: Problem[];
}

export interface LogsResult {
  lines: LogLine[];
}

export interface LogLinesEvent {
  lines: LogLine[];
  /** Lines left out because the reader was slow. */
  dropped: number;
}
