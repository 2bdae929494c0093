import { Socket } from 'node:net';
import { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import { shorten } from '../config/quote.ts';
import type { TenantName } from '../base/ids.ts';
import { openOwners } from '../privileged/snapshot-owners.ts';
import type { Bind } from '../privileged/sandbox-arguments.ts';
import { type BackupJobRequest, backupOwnersFd, mostLeftOutShown } from '../protocol/backup-job.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import { jobRole, readCapped } from './manifests.ts';
import type { Sandbox } from './sandbox-registry.ts';

/**
 * Jobs that pack and unpack a tenant's files. Each runs as the tenant's own user, and may give files from one of the tenant's users to another:
 * in a namespace of these, so that to anything else it is that one user.
 */
export interface BackupJobs {
  start(order: BackupJobOrder): Promise<BackupJob>;
  /** Ends all that were started. */
  close(): Promise<void>;
}

export interface BackupJobOrder {
  tenant: TenantName;
  /** By number: as the job and the backup know them. */
  uids: readonly number[];
  request: BackupJobRequest;
  binds: readonly Bind[];
  mounts: { path: string } | undefined;
}

export interface BackupJob {
  /** What is packed comes from here, or goes there; root does not read it. */
  stream: NonNullable<Sandbox['duplex']>;
  /** Throws TENANTD_E_BACKUP when what came can't be unpacked. */
  answer: Promise<BackupJobAnswer>;
  stop(): void;
}

export type BackupJobAnswer = Required<Pick<z.infer<typeof answerSchema>, 'size' | 'leftOut'>>;

const group = 'backups';
const limits = { memoryBytes: 640 << 20, cpu: 2, processes: 64 };
const heapMegabytes = 384;
const outputLimitBytes = 1 << 20;
/** One that passed nothing on for so long does not go on. */
const stallLimitMs = 5 * 60_000;

const count = z.int().min(0);
const answerSchema = z.strictObject({
  fault: z.strictObject({ message: z.string(), fix: z.string() }).exactOptional(),
  size: z.strictObject({ entries: count, files: count, bytes: count }).exactOptional(),
  leftOut: z.strictObject({ count, shown: z.array(z.string().max(1_000)).max(mostLeftOutShown) }).default({ count: 0, shown: [] }),
});

export function createBackupJobs(machine: Machine): BackupJobs {
  const running = new Set<Sandbox>();

  async function launch({ tenant, uids, request, binds, mounts }: BackupJobOrder): Promise<Sandbox> {
    machine.groups?.setShare(group, 1);
    const [uid = 0] = uids;
    const number = process.hrtime.bigint().toString(36);
    const owners = await openOwners(machine.programs, uids);
    try {
      return await machine.registry.start(
        {
          ...{ id: `k.${tenant}.${number}`, uid, gid: uid, hostname: 'backup', env: { ...baseEnvironment, HOME: '/tmp' } },
          ...{ binds: [...programBinds(machine), ...binds], owners: { fd: backupOwnersFd, uids } },
          ...{ tmpBytes: 4 << 20, tmpInodes: 1_000, workingDirectory: '/' },
          command: programCommand('job', request, [`--max-old-space-size=${heapMegabytes}`]),
        },
        {
          ...{ network: 'empty', outOfMemoryScore: 900, output: 'pipe', inherit: [owners.fd], withDuplex: true },
          ...(mounts && { mounts }),
          group: { tenant: group, member: `k.${number}`, limits },
        },
        jobRole,
      );
    } finally {
      owners.close();
    }
  }

  async function start(order: BackupJobOrder): Promise<BackupJob> {
    const sandbox = await launch(order);
    running.add(sandbox);
    const { duplex } = sandbox;
    if (!(duplex instanceof Socket)) throw new Error('a job of a backup has no stream');
    let passedBytes = -1;
    const watch = setInterval(() => {
      const bytes = duplex.bytesRead + duplex.bytesWritten;
      if (bytes === passedBytes) void sandbox.stop(0);
      passedBytes = bytes;
    }, stallLimitMs);
    void sandbox.exited.finally(() => {
      clearInterval(watch);
      running.delete(sandbox);
    });
    const answer = readAnswer(sandbox);
    // Whoever started it hears of it when it asks.
    answer.catch(() => {});
    return { stream: duplex, answer, stop: () => void sandbox.stop(0) };
  }

  return {
    start,
    async close() {
      await Promise.all([...running].map((sandbox) => sandbox.stop(0)));
      await machine.groups?.removeTenant(group);
    },
  };
}

async function readAnswer(sandbox: Sandbox): Promise<BackupJobAnswer> {
  const output = await readCapped(sandbox.stdout, outputLimitBytes);
  const { exitCode } = await sandbox.exited;
  if (exitCode !== 0) throw jobFailed(`it ended with code ${exitCode}: ${shorten(output.slice(-500), 500)}`);
  const { data } = answerSchema.safeParse(parseJson(output));
  if (data?.fault) throw new TenantdError('TENANTD_E_BACKUP', shorten(data.fault.message, 500), shorten(data.fault.fix, 500));
  if (!data?.size) throw jobFailed('it gave no valid answer');
  return { size: data.size, leftOut: data.leftOut };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function jobFailed(why: string): TenantdError {
  return new TenantdError(
    'TENANTD_E_JOB_FAILED',
    `a job of the backup failed: ${why}`,
    'try it again, and look into the log of the daemon',
  );
}
