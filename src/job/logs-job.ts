import { type LogPage, type LogQuery, readLogPage } from '../logs/page.ts';
import { jobPaths } from '../protocol/job.ts';

/** What the tenant's apps printed, as much of it as fits into an answer. */
export function runLogsJob({ query }: { query: LogQuery }, dir: string = jobPaths.logsDir): LogPage {
  return readLogPage(dir, query);
}
