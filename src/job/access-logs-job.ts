import type { AccessLogsResult } from '../protocol/access.ts';
import { jobPaths, type JobRequest } from '../protocol/job.ts';
import { createAccessParser, readLastAccess } from './access-lines.ts';

/** The newest entries, as many as are wanted and fit into an answer. */
export function runAccessLogsJob({ app, lines }: JobRequest & { job: 'access-logs' }, dir: string = jobPaths.logsDir): AccessLogsResult {
  return { lines: readLastAccess(dir, createAccessParser(app), lines) };
}
