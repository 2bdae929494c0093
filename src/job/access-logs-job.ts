import type { AccessLogsResult } from '../protocol/access.ts';
import { jobPaths, type JobRequest } from '../protocol/job.ts';
import { readAccessFrom, readLastAccess } from './access-lines.ts';

/** The newest entries, as many as are wanted, or all from a time on; as they fit into an answer. */
export function runAccessLogsJob(request: JobRequest & { job: 'access-logs' }, dir: string = jobPaths.logsDir): AccessLogsResult {
  const { since, lines } = request;
  return { lines: since === undefined || lines !== undefined ? readLastAccess(dir, request) : readAccessFrom(dir, { ...request, since }) };
}
