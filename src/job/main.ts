import { messageOf } from '../base/errors.ts';
import { type JobRequest, maxJobOutputBytes } from '../protocol/job.ts';

/** A job is started by the daemon, whose word it takes, and runs on a tenant's files, whose contents it does not. */
const request = JSON.parse(process.argv[2] ?? 'null') as JobRequest;

try {
  const output = JSON.stringify(await run(request));
  if (Buffer.byteLength(output) > maxJobOutputBytes) throw new Error(`the answer is over ${maxJobOutputBytes} bytes`);
  process.stdout.write(`${output}\n`);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}

/** Each job's code is loaded alone: it is most of the time that a short job takes. */
async function run(job: JobRequest): Promise<unknown> {
  if (job.job === 'manifest') return (await import('./manifest-job.ts')).runManifestJob(job.apps);
  return (await import('./logs-job.ts')).runLogsJob(job);
}
