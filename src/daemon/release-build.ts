import { TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { Plan } from '../config/plans.ts';
import { releasePaths } from '../protocol/release-job.ts';
import { tmpBytesOf, tmpInodesOf } from './app-order.ts';
import { baseEnvironment, type Machine, programBinds, tenantGroup } from './machine.ts';
import { jobRole } from './manifests.ts';
import type { ReleaseAnswer, ReleaseJobs } from './release-jobs.ts';
import type { ReleasePlace, Room } from './release-place.ts';
import { openStaging, type Staging } from './release-staging.ts';
import type { Sandbox, SandboxExit } from './sandbox-registry.ts';
import type { Tenant } from './tenant.ts';

export interface BuildOrder {
  place: ReleasePlace;
  release: string;
  /** Where it was unpacked; what the build makes of it comes there, too. */
  folder: string;
  build: NonNullable<ReleaseAnswer['build']>;
  room: Room;
  timeLimitMs: number;
  /** What it prints, as it comes; the next piece waits until this one was taken. */
  onOutput: (bytes: Buffer) => Promise<void>;
  /** Nobody waits for it any more. */
  gone: AbortSignal;
}

const leastMemoryBytes = 32 << 20;
/** Of the tenant's memory, for what serves to grow in. */
const keptMemoryShare = 0.1;
const outputLimitBytes = 1 << 20;

/**
 * Runs a release's build, and puts what it made in the release's place.
 *
 * Nothing of ours runs in the build's sandbox, and when its copy is made nothing of the build lives any more: what it did to its own
 * processes, or left in its folder, matters to the copy no more than an archive does.
 */
export async function buildRelease(
  { machine, jobs, tenant, withDisk }: BuildParts & { withDisk: boolean },
  order: BuildOrder,
): Promise<ReleaseAnswer> {
  const { place, folder, room } = order;
  const { app, uid } = place;
  // Its network, and its limits, are the tenant's.
  const hold = tenant.keepAwake();
  try {
    await hold.ready;
    const plan = tenant.picture.limits();
    const empty = async (folders: string[]): Promise<void> => {
      const binds = folders.map((source, index) => ({ source, target: `/wipe/${index}`, access: 'write' as const }));
      await jobs.run({
        tenant: tenant.name,
        app,
        uid,
        request: { job: 'wipe-release', folders: binds.map(({ target }) => target) },
        binds,
      });
    };
    const staging = await openStaging(machine, { tenant: tenant.name, app, uid, plan }, withDisk, empty);
    try {
      const job = { tenant: tenant.name, app, uid, ...(staging.mounts && { mounts: staging.mounts }) };
      const source = { source: folder, target: releasePaths.release };
      const staged = { source: staging.appDir, target: releasePaths.staging, access: 'write' } as const;
      // Beside the build's own files.
      await jobs.run({ ...job, request: { job: 'copy-to-staging', caps: room }, binds: [{ ...source, access: 'read' }, staged] });
      await runBuild({ machine, jobs, tenant }, staging, plan, order);
      const request = { job: 'copy-from-staging', app, caps: room } as const;
      return await jobs.run({ ...job, request, binds: [{ ...source, access: 'write' }, staged] });
    } finally {
      await staging.close();
    }
  } finally {
    hold.release();
  }
}

interface BuildParts {
  machine: Machine;
  jobs: ReleaseJobs;
  tenant: Tenant;
}

async function runBuild({ machine, jobs, tenant }: BuildParts, staging: Staging, plan: Plan, order: BuildOrder): Promise<void> {
  order.gone.throwIfAborted();
  const sandbox = await jobs.begin(() => startBuild(machine, tenant, staging, plan, order));
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void sandbox.stop(0);
  }, order.timeLimitMs);
  const stop = (): void => void sandbox.stop(0);
  order.gone.addEventListener('abort', stop);
  try {
    // Ends with the last process that has it open: all of them are ended when the command has.
    const output = passOn(sandbox, order.onOutput);
    const exit = await sandbox.exited;
    await output;
    order.gone.throwIfAborted();
    const why = isLate ? `it took over ${Math.round(order.timeLimitMs / 1_000)} s` : failureOf(exit);
    if (why) throw new TenantdError('TENANTD_E_BUILD_FAILED', `the build failed: ${why}`, isLate ? lateFix : 'see what it printed');
  } finally {
    clearTimeout(timer);
    order.gone.removeEventListener('abort', stop);
  }
}

const lateFix = 'make it faster, or raise `releases.buildTimeout` in tenantd.yaml';

function failureOf({ exitCode, outOfMemory }: SandboxExit): string | undefined {
  if (outOfMemory) return 'it was ended at its memory limit, which is what the tenant has left';
  if (exitCode === 0) return undefined;
  return exitCode === null ? 'nobody could tell how it ended' : `it ended with code ${exitCode}`;
}

function startBuild(machine: Machine, tenant: Tenant, staging: Staging, plan: Plan, order: BuildOrder): Promise<Sandbox> {
  const { app, uid } = order.place;
  const number = process.hrtime.bigint().toString(36);
  const target = `/apps/${app}`;
  return machine.registry.start(
    {
      ...{ id: `b.${tenant.name}.${number}`, uid, gid: uid, hostname: app },
      env: { ...baseEnvironment, ...order.build.env, HOME: releasePaths.home, ...namesOf(tenant, app, order.release) },
      binds: [
        ...programBinds(machine),
        { source: staging.appDir, target, access: 'write' },
        { source: staging.homeDir, target: releasePaths.home, access: 'write' },
      ],
      ...{ tmpBytes: tmpBytesOf(plan), tmpInodes: tmpInodesOf(plan), workingDirectory: target, command: order.build.command },
    },
    {
      network: tenant.resources.surroundings().network,
      ...(staging.mounts && { mounts: staging.mounts }),
      // Before everything else of the tenant.
      ...{ outOfMemoryScore: 1_000, output: 'pipe', inherit: [] },
      group: { tenant: tenantGroup(tenant.name), member: `b.${number}`, limits: limitsOf(machine, tenant, plan) },
    },
    jobRole,
  );
}

function namesOf(tenant: Tenant, app: AppName, release: string): Record<string, string> {
  return { TENANTD_TENANT: tenant.name, TENANTD_APP: app, TENANTD_APP_DIR: `/apps/${app}`, TENANTD_RELEASE: release };
}

/** What serves has the rest. */
function limitsOf({ groups }: Machine, tenant: Tenant, plan: Plan) {
  const used = groups?.useOf(tenantGroup(tenant.name))?.memoryBytes ?? 0;
  const memoryBytes = Math.max(leastMemoryBytes, Math.floor(plan.memoryBytes * (1 - keptMemoryShare) - used));
  return { memoryBytes, cpu: plan.cpu / 2, processes: Math.max(8, Math.floor(plan.processes / 2)) };
}

/** All of it is read, so that it does not wait; of too much the rest is dropped. */
async function passOn({ stdout }: Sandbox, take: (bytes: Buffer) => Promise<void>): Promise<void> {
  let bytes = 0;
  for await (const chunk of (stdout ?? []) as AsyncIterable<Buffer>) {
    if (bytes > outputLimitBytes) continue;
    bytes += chunk.length;
    await take(chunk);
    if (bytes > outputLimitBytes) await take(Buffer.from(`\n[what it prints after ${outputLimitBytes >> 20} MiB is left out]\n`));
  }
}
