/** Between `tenantctl` and the daemon, on the operator's socket. */
import { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import type { LocalCaInfo, NameCheck, NameStatus } from './certs.ts';
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

/** Below the daemon's runDir. Only root can open the directory. */
export const operatorSocket = 'control/operator.sock';

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name is [a-z][a-z0-9-]{0,31}');
/** Checked by the daemon as tenant.yaml's domains are; any spelling that is allowed there. */
const domain = z.string().min(1).max(1_024);
const domainChange = z.strictObject({
  tenant: name,
  names: z.array(domain).min(1).max(1_000),
  /** Says what would be done, and does nothing. */
  dryRun: z.boolean().optional(),
});
const appRef = z.strictObject({ tenant: name, app: name });
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
/** Without an app: for all apps of the tenant. The name is checked by the daemon. */
const secretRef = z.strictObject({ tenant: name, app: name.optional(), name: z.string().max(1_024), wait: z.boolean() });

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
  /**
   * Result: DeployOpened; from then on the connection carries an archive one way and what becomes of it the other way (deploy.ts). The app
   * need not be there yet. With `wait`, what served before has ended, too, before the end is told.
   */
  'app-deploy': appRef.extend({ wait: z.boolean().optional() }),
  /** Result: RollbackResult, once it serves. Without `to`: to what served before the current one. */
  'app-rollback': appRef.extend({ to: z.string().max(64).optional() }),
  /** Result: ReleasesResult. */
  'app-releases': appRef,
  /** Result: AppScaleResult, when it is so. The number holds until `auto` gives it back to app.yaml. */
  'app-scale': appRef.extend({ workers: z.union([z.number().int().min(1).max(64), z.literal('auto')]) }),
  /**
   * Result: LogsResult, a page: with `more`, ask again with `after: positions`. With `follow`, what is behind it and what comes are told by
   * `log-lines` notifications (LogLinesEvent) after the answer, until the client closes the connection.
   */
  logs: logSource.extend({ after: logPositions.optional() }),
  /** Result: AccessLogsResult (access.ts). With `follow`, as `logs`, by `access-lines` notifications (AccessLinesEvent). */
  'access-logs': logSource,
  /** Result: CertListResult. In order of name; with `next`, ask again with `after: next`. */
  'cert-list': z.strictObject({ tenant: name.optional(), after: domain.optional() }),
  /** Result: CertRenewResult. Names that fail or are set aside; with `force`, those that are fine too. Without `name`: all of the tenant. */
  'cert-renew': z.strictObject({ tenant: name, name: domain.optional(), force: z.boolean() }),
  /** Result: CertCaResult. */
  'cert-ca': z.strictObject({}),
  /** Result: DomainListResult. */
  'domain-list': z.strictObject({ tenant: name.optional() }),
  /** Result: DomainCheckResult. Looks the name up now, which takes up to some ten seconds; `tenant`, when given, must have it. */
  'domain-check': z.strictObject({ tenant: name.optional(), name: domain }),
  /** Result: DomainChangeResult. Writes tenant.yaml, comments kept; all names or none. Answered when it has been carried out. */
  'domain-add': domainChange,
  /** As `domain-add`. */
  'domain-remove': domainChange,
  /** Result: SecretChangeResult. With `wait`, answered when new workers serve with it, and refused when they fail: it is set all the same. */
  'secret-set': secretRef.extend({ value: z.string() }),
  /** As `secret-set`. */
  'secret-remove': secretRef,
  /** Result: SecretListResult. With an app: those that its workers get. */
  'secret-list': z.strictObject({ tenant: name, app: name.optional() }),
  /** Result: SecretRotateResult. New data keys: of one tenant, or of each. */
  'secret-rotate': z.strictObject({ tenant: name.optional() }),
  /** Result: MachineKeyRotateResult. */
  'machine-key-rotate': z.strictObject({}),
  /** Result: ScheduleListResult. */
  'schedule-list': z.strictObject({ tenant: name.optional(), app: name.optional() }),
  /** Result: ScheduleHistoryResult. Without a name: of all schedules of the app. */
  'schedule-history': z.strictObject({ ...appRef.shape, name: name.optional(), runs: z.number().int().min(1).max(1_600) }),
  /** Result: ScheduleRunResult: with `wait`, how it ended; else that it waits or runs. */
  'schedule-run': z.strictObject({ ...appRef.shape, name, wait: z.boolean() }),
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

/** `waiting` for its turn, `running`; all others have ended. `lost`: nobody knows how it ended. `skipped`: the one before still ran. */
export type ScheduleRunOutcome = 'waiting' | 'running' | 'done' | 'failed' | 'timeout' | 'skipped' | 'missed' | 'lost';
/** `missed`: its time had come while tenantd was not there. */
export type ScheduleRunCause = 'time' | 'missed' | 'manual';

export interface ScheduleStatus {
  name: string;
  /** Absent while the app is stopped. */
  next?: string;
  /** The last one that went well or failed. */
  last?: ScheduleRun;
}

export interface ScheduleRun {
  schedule: string;
  dueAt: string;
  cause: ScheduleRunCause;
  outcome: ScheduleRunOutcome;
  startedAt?: string;
  endedAt?: string;
  /** Of the app's answer. */
  status?: number;
  durationMs?: number;
  detail?: string;
}

export interface ScheduleInfo extends ScheduleStatus {
  tenant: string;
  app: string;
  cron: string;
  timezone: string;
  path: string;
  timeoutMs: number;
  overlap: 'skip' | 'allow';
  missed: 'skip' | 'run';
  /** Waits or runs now. */
  open: ScheduleRun[];
}

export interface ScheduleListResult {
  schedules: ScheduleInfo[];
}

export interface ScheduleHistoryResult {
  /** The newest first. */
  runs: ScheduleRun[];
}

export interface ScheduleRunResult {
  run: ScheduleRun;
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

export interface DeployOpened {
  /** The id that it will have. */
  release: string;
}

export interface RollbackResult {
  release: string;
  /** That served until now. */
  previous: string;
}

export interface ReleaseStatus {
  /** `local`: the folder that the operator put there. */
  release: string;
  current: boolean;
  /** Where `app rollback` goes. */
  previous: boolean;
  /** Waits to be approved: the id of its proposal. */
  proposal?: string;
  /** Absent for `local`, as all that follows. */
  createdAt?: string;
  createdBy?: string;
  files?: number;
  bytes?: number;
  /** When it last began to serve. */
  switchedAt?: string;
  /** Why it was taken back. */
  failure?: string;
}

export interface ReleasesResult {
  /** The newest first. */
  releases: ReleaseStatus[];
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

export interface CertListResult {
  names: NameStatus[];
  next?: string;
}

export interface CertRenewResult {
  /** That are tried now. */
  names: string[];
}

export interface CertCaResult extends LocalCaInfo {
  /** Where its certificate is on the machine of the daemon, as PEM. */
  file: string;
}

export interface DomainStatus {
  tenant: string;
  name: string;
  redirectTo?: string;
  /**
   * `own`: a certificate of the tenant's own files covers it. `managed`: `status` says how it stands. `unknown`: as `managed`, but there is
   * no word of it yet. `none`: no https is configured.
   */
  certificate: 'own' | 'managed' | 'unknown' | 'none';
  status?: NameStatus;
}

export interface DomainListResult {
  domains: DomainStatus[];
}

export interface DomainCheckResult {
  check: NameCheck;
  /** Absent: no tenant has it. */
  domain?: DomainStatus;
}

export interface DomainChangeResult {
  /** As they are, or would be, in tenant.yaml: lower case, punycode. */
  changed: string[];
  /** Were added, or removed, before. */
  unchanged: string[];
  /** Of the tenant, afterwards: a domain that another tenant had first, say. With `dryRun`: what would be wrong. */
  problems: Problem[];
}

export interface SessionResult {
  /** As the audit trail names it. */
  session: string;
}

export interface SecretChangeResult {
  /** Whose workers are replaced by it. */
  apps: string[];
  /** Their new workers serve. */
  waited: boolean;
  /** The tenant has no such app: a mistake, or one that is to come. */
  appIsMissing?: true;
}

export interface SecretInfo {
  /** Absent: for all apps of the tenant. */
  app?: string;
  name: string;
  setAt: string;
  setBy: string;
  /** Of the tenant's data key that it is sealed with. */
  keyVersion: number;
}

export interface SecretListResult {
  secrets: SecretInfo[];
  /** Why they can not be opened. */
  problems: Problem[];
}

export interface SecretRotateResult {
  /** That have secrets, and how many. */
  tenants: { tenant: string; secrets: number }[];
}

export interface MachineKeyRotateResult {
  /** How many have secrets. */
  tenants: number;
}
