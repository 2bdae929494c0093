import { messageOf } from '../base/errors.ts';
import { type JobRequest, maxJobOutputBytes } from '../protocol/job.ts';

/** A job is started by the daemon, whose word it takes, and runs on a tenant's files, whose contents it does not. */
const request = JSON.parse(process.argv[2] ?? 'null') as JobRequest;

// Nobody wants to know any more.
process.stdout.on('error', () => process.exit(1));

try {
  await run(request);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}

/** Each job's code is loaded alone: it is most of the time that a short job takes. */
async function run(job: JobRequest): Promise<void> {
  switch (job.job) {
    case 'manifest':
      return print(await (await import('./manifest-job.ts')).runManifestJob(job.apps, undefined, job.folders));
    case 'logs':
      return print((await import('./logs-job.ts')).runLogsJob(job));
    case 'access-logs':
      return print((await import('./access-logs-job.ts')).runAccessLogsJob(job));
    case 'unpack-release':
    case 'copy-to-staging':
    case 'copy-from-staging':
    case 'diff-release':
    case 'wipe-release':
      return print(await (await import('./release-job.ts')).runReleaseJob(job));
    case 'backup-files':
    case 'restore-files':
      return print(await (await import('./backup-job.ts')).runBackupJob(job));
    case 'follow-access-logs':
      return (await import('./follow-access-logs-job.ts')).followAccessLogs({ request: job, print });
  }
}

function print(result: unknown): void {
  const output = JSON.stringify(result);
  if (Buffer.byteLength(output) > maxJobOutputBytes) throw new Error(`the answer is over ${maxJobOutputBytes} bytes`);
  process.stdout.write(`${output}\n`);
}
