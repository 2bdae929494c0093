/** Between the daemon and a job: argv[2] is a JobRequest as JSON; stdout gets one JSON document, capped by the daemon. */

import type { LogQuery } from './host.ts';
import type { BackupJobRequest } from './backup-job.ts';
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
  /** Output: BackupJobResult. */
  | BackupJobRequest
  /** What the tenant's apps printed, read beside the host. Output: LogPage (host.ts). */
  | { job: 'logs'; query: LogQuery }
  /** The newest of one tenant's access logs, by the edges' user. Output: AccessLogsResult (access.ts). */
  | { job: 'access-logs'; app?: string | undefined; lines?: number | undefined; since?: string | undefined; until?: string | undefined }
  /** The same, or with `since` all from then on; and, until it is ended, what comes after. Output: AccessLinesEvent (access.ts), one a line; empty ones as a sign of life. */
  | { job: 'follow-access-logs'; app?: string | undefined; lines?: number | undefined; since?: string | undefined };

/** By app name; the daemon takes it apart with `parseManifestAnswer` of config/. */
export interface ManifestJobResult {
  apps: Record<string, { manifest?: unknown; problems: unknown[] }>;
}
