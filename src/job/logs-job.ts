import type { LogLine } from '../protocol/host.ts';
import { readLastLines } from '../logs/read.ts';
import { jobPaths, type JobRequest } from '../protocol/job.ts';

/** The newest lines, as many as are wanted and fit into an answer. */
export function runLogsJob({ app, lines }: JobRequest & { job: 'logs' }, dir: string = jobPaths.logsDir): { lines: LogLine[] } {
  return { lines: readLastLines({ dir, ...(app === undefined ? {} : { app }), lines }) };
}
