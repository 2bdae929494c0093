/** Between `tenantctl` and the daemon, on the operator's socket. */
import { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import { faultCalls, type FaultInfo } from './fault-calls.ts';
import { auditCalls } from './audit-calls.ts';
import { type LogPage, logPositions } from './host.ts';
import { planCalls } from './plan-calls.ts';
import { proposalCalls } from './proposal-calls.ts';
import type { QueryCounters } from './resolver.ts';
import { templateCalls } from './template-calls.ts';
import { tenantCalls, type TenantMark } from './tenant-calls.ts';
import { backupCalls } from './backup-calls.ts';
import { tokenCalls } from './token-calls.ts';
import { usageCalls } from './usage-calls.ts';
import { appRef, name } from './call-values.ts';
import { certificateCalls } from './certificate-calls.ts';
import { releaseCalls } from './release-calls.ts';
import { scheduleCalls, type ScheduleStatus } from './schedule-calls.ts';
import { secretCalls } from './secret-calls.ts';

/** Below the daemon's runDir. Only root can open the directory. */
export const operatorSocket = 'control/operator.sock';

const logSource = z.strictObject({
  tenant: name,
  app: name.optional(),
  /** The newest; absent: all. */
  lines: z.number().int().min(0).max(10_000).optional(),
  /** ISO 8601, UTC. */
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
  follow: z.boolean(),
});

const tty = z.strictObject({
  columns: z.number().int().min(1).max(10_000),
  rows: z.number().int().min(1).max(10_000),
  /** Its name in terminfo(5). */
  term: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$/, 'the name of a terminal'),
});
const session = {
  tenant: name,
  app: name.optional(),
  tty: tty.optional(),
  /** With the app's secrets, as files. */
  secrets: z.boolean().optional(),
};
/** All of it goes into one argument of a program, which has 128 KiB (execve(2)). */
const command = z
  .array(z.string().refine((word) => !word.includes('\0'), 'a word has a NUL character'))
  .min(1)
  .max(10_000)
  .refine((words) => Buffer.byteLength(JSON.stringify(words)) <= 100_000, 'the command is over 100 kB: send what is large by stdin');

/** Requests and their parameters, checked by the daemon. */
export const controlCalls = {
  ...auditCalls,
  ...faultCalls,
  ...planCalls,
  status: z.strictObject({ tenant: name.optional() }),
  /** Re-reads everything now; answered when what changed has been carried out. Result: ReloadResult. */
  reload: z.strictObject({
    /** Also puts new edges in the place of the old, without a refused connection. */
    edges: z.boolean().optional(),
  }),
  /** Result: GrantsResult. Those that the tenant gives, and those that it has. */
  grants: z.strictObject({ tenant: name.optional() }),
  /** Result: VerifyResult (verify.ts), after `verify-progress` notifications (VerifyProgressEvent). `passive`: without attacks from inside. */
  verify: z.strictObject({ tenant: name.optional(), passive: z.boolean().optional() }),
  /** Answered, with null, when new workers serve and the old ones are gone; refused when the new ones fail. */
  'app-restart': appRef,
  /** Answered, with null, when it is done. */
  'app-stop': appRef,
  /** As `app-restart`. */
  'app-start': appRef,
  /** Result: AppScaleResult, when it is so. The number holds until `auto` gives it back to app.yaml. */
  'app-scale': appRef.extend({ workers: z.union([z.number().int().min(1).max(64), z.literal('auto')]) }),
  /**
   * Result: LogsResult, a page: with `more`, ask again with `after: positions`. With `follow`, what is behind it and what comes are told by
   * `log-lines` notifications (LogLinesEvent) after the answer, until the client closes the connection.
   */
  logs: logSource.extend({ after: logPositions.optional() }),
  /** Result: AccessLogsResult (access.ts). With `follow`, as `logs`, by `access-lines` notifications (AccessLinesEvent). */
  'access-logs': logSource,
  /**
   * A login shell in a sandbox as the app's workers have it, or one of the tenant's own user. Result: SessionResult; from then
   * on the connection carries frames (terminal.ts).
   */
  shell: z.strictObject(session),
  /** As `shell`, one command. */
  exec: z.strictObject({ ...session, command }),
  ...templateCalls,
  ...tenantCalls,
  ...tokenCalls,
  ...backupCalls,
  ...proposalCalls,
  ...usageCalls,
  ...scheduleCalls,
  ...releaseCalls,
  ...certificateCalls,
  ...secretCalls,
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
  since: string;
  /** Why it is in that state, where there is something to say. */
  reason?: string;
  lastLines?: string[];
  nextTryAt?: string;
  /** In a row. */
  failures?: number;
  release: string;
  urls: string[];
  restarts: number;
  workers: WorkerStatus[];
  /** Absent: it has none. */
  schedules?: ScheduleStatus[];
}

/** What went out of a tenant's own network, what came back, and what was not let through. */
export interface NetworkStatus {
  bytesOut: number;
  bytesIn: number;
  /** Packets. */
  refused: number;
  /** Of names; absent before the first. */
  lookups?: Omit<QueryCounters, 'tenant'>;
}

export interface TenantStatus {
  name: string;
  uid: number;
  state: TenantState;
  since: string;
  plan: string;
  domains: string[];
  problems: Problem[];
  /** Absent: it is in service, or should be. */
  mark?: TenantMark;
  hostPid: number;
  memoryBytes: number;
  cpuSeconds: number;
  /** Of its data and logs; absent while they are not mounted, or without a limit. */
  diskBytes?: number;
  diskLimitBytes?: number;
  files?: number;
  filesLimit?: number;
  /** Absent while it may reach nothing. */
  network?: NetworkStatus;
  /** Of the last hour. */
  lastFault?: FaultInfo;
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

/** What one tenant lets another use. */
export interface GrantStatus {
  tenant: string;
  to: string;
  access: 'http' | 'read';
  /** For http: the app, and how many requests came over it since the daemon started. */
  app?: string;
  requests?: number;
  lastUsedAt?: string;
  path?: string;
  /** There is such a tenant to use it. */
  isThere: boolean;
  /** The giving tenant has no such app. */
  appIsMissing?: true;
}

export interface GrantsResult {
  grants: GrantStatus[];
}

export interface ReloadResult {
  changed: string[];
  added: string[];
  removed: string[];
  problems: Problem[];
  /** With `edges`. */
  edges?: EdgesReplaced;
}

export interface AppScaleResult {
  workers: { min: number; max: number };
  /** More than the plan allows. */
  asked?: number;
}

export interface EdgesReplaced {
  /** The new ones. */
  processes: { pid: number }[];
  /** How many old ones have something open. */
  finishing: number;
}

export type LogsResult = LogPage;
/** `positions`: behind these lines. `dropped`: lines that were removed before they were read. */
export type LogLinesEvent = Omit<LogPage, 'more'>;

export interface SessionResult {
  /** As the audit trail names it. */
  session: string;
}
