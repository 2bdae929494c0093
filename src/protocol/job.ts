/** Between the daemon and a job: argv[2] is a JobRequest as JSON; stdout gets one JSON document, capped by the daemon. */

import type { ReleaseJobRequest } from './release-job.ts';

/** Where a job finds things inside its sandbox. */
export const jobPaths = { appsDir: '/apps', logsDir: '/var/log/tenantd' } as const;

/** A job that would print more ends with an error instead. */
export const maxJobOutputBytes = 1 << 20;

export type JobRequest =
  /** Reads each app's manifest below `jobPaths.appsDir`, in the folder of its name or the one given. Output: ManifestJobResult. */
  | { job: 'manifest'; apps: string[]; folders?: Record<string, string> }
  /** Output: ReleaseJobResult. */
  | ReleaseJobRequest
  /** The last `lines` lines of what the tenant's apps printed, when no host runs. Output: { lines: LogLine[] }. */
  | { job: 'logs'; app?: string; lines: number }
  /** The same of one tenant's access logs, by the edges' user. Output: AccessLogsResult (access.ts). */
  | { job: 'access-logs'; app?: string; lines: number }
  /** The same; then, until it is ended, what comes after. Output: AccessLinesEvent (access.ts), one a line; empty ones as a sign of life. */
  | { job: 'follow-access-logs'; app?: string; lines: number };

/** By app name; the daemon takes it apart with `parseManifestAnswer` of config/. */
export interface ManifestJobResult {
  apps: Record<string, { manifest?: unknown; problems: unknown[] }>;
}
