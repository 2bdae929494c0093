import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import { linkTextOf, localRelease } from '../base/release-ids.ts';
import { type AppAnswer, parseManifestAnswer } from '../config/manifest-answer.ts';
import { jobPaths, type JobRequest } from '../protocol/job.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

export const jobRole = { role: 'job' } as const;

const jobTimeLimitMs = 20_000;
const jobOutputLimitBytes = 2 << 20;
const jobTmpBytes = 4 << 20;

/** Who a job works for. */
export interface JobOwner {
  tenant: TenantName;
  /** It runs within the tenant's limits, and takes of them; undefined for jobs of the operator's. */
  group?: string;
  user: { uid: number; gid: number };
  /** In which its logs are, as a launch takes it; default: the machine's. */
  mounts?: { path: string };
  appsDir: string;
  /** Which release of an app is meant; without one, its folder itself. */
  releases?: ReadonlyMap<AppName, string>;
  logsDir: string;
}

/** Starts a job in a sandbox of its own, which can read the owner's apps and logs. */
export function startJob(machine: Machine, owner: JobOwner, request: JobRequest): Promise<Sandbox> {
  return machine.registry.start(
    {
      id: `j.${owner.tenant}.${process.hrtime.bigint().toString(36)}`,
      uid: owner.user.uid,
      gid: owner.user.gid,
      hostname: 'job',
      env: { ...baseEnvironment, HOME: '/tmp' },
      binds: [
        ...programBinds(machine),
        { source: owner.appsDir, target: jobPaths.appsDir, access: 'read' },
        { source: owner.logsDir, target: jobPaths.logsDir, access: 'read' },
      ],
      tmpBytes: jobTmpBytes,
      tmpInodes: 1_000,
      workingDirectory: '/',
      command: programCommand('job', request, ['--max-old-space-size=64']),
    },
    {
      network: 'empty',
      ...(owner.mounts && { mounts: owner.mounts }),
      outOfMemoryScore: 800,
      output: 'pipe',
      inherit: [],
      ...(owner.group !== undefined && { group: { tenant: owner.group, member: `j.${process.hrtime.bigint().toString(36)}` } }),
    },
    jobRole,
  );
}

/** Runs one job, and gives what it printed. */
export async function runJob(machine: Machine, owner: JobOwner, request: JobRequest): Promise<unknown> {
  const sandbox = await startJob(machine, owner, request);
  const timer = setTimeout(() => void sandbox.stop(0), jobTimeLimitMs);
  const output = await readCapped(sandbox.stdout, jobOutputLimitBytes);
  const { exitCode } = await sandbox.exited.finally(() => clearTimeout(timer));
  if (exitCode !== 0)
    throw new TenantdError(
      'TENANTD_E_JOB_FAILED',
      `the ${request.job} job ended with code ${exitCode}: ${output.slice(-500)}`,
      'look at the files it reads',
    );
  return JSON.parse(output);
}

/** The manifests of a tenant's apps, read by a job and checked here. Every app asked for is in the answer. */
export async function readManifests(machine: Machine, owner: JobOwner, apps: readonly AppName[]): Promise<Map<AppName, AppAnswer>> {
  const folders = new Map(apps.map((app) => [app, folderOf(app, owner.releases?.get(app) ?? localRelease)]));
  const answer = await runJob(machine, owner, { job: 'manifest', apps: [...apps], folders: Object.fromEntries(folders) });
  return parseManifestAnswer(answer, owner.tenant, apps, (app) => `${owner.appsDir}/${folders.get(app)}/app.yaml`);
}

function folderOf(app: AppName, release: string): string {
  return release === localRelease ? app : `${app}/${linkTextOf(release)}`;
}

export async function readCapped(stream: NodeJS.ReadableStream | null, maxBytes: number): Promise<string> {
  let output = '';
  for await (const chunk of stream ?? []) if (output.length < maxBytes) output += String(chunk);
  return output;
}
