import { randomBytes } from 'node:crypto';
import { isTenantName } from '../base/ids.ts';
import type { BackupEnd, BackupResult, PartSize, RestoreResult } from '../protocol/backup-calls.ts';
import { createAudited } from './audited.ts';
import type { BackupClient } from './backup-client.ts';
import type { BackupJob, BackupJobAnswer } from './backup-jobs.ts';
import { type BackupSource, openSource, type SourceParts } from './backup-source.ts';
import { parseState } from './backup-state.ts';
import { openTarget, type RestoreTarget, type TargetOrder, type TargetParts } from './restore-target.ts';
import type { Tenant } from './tenant.ts';

export type RunParts = SourceParts & TargetParts & { findTenant: (name: string) => Tenant | undefined };

export interface BackupOrder {
  tenant: Tenant;
  actor: string;
  /** As base64. */
  secretsKey: string | undefined;
  /** With the key of a certificate of its own. */
  withKey: boolean;
}

export interface RestoreOrder {
  as: string | undefined;
  domains: string[] | undefined;
  plan: string | undefined;
  secretsKey: string | undefined;
  actor: string;
  /** Comes back when all was sent. */
  ticket: string;
}

export interface CloneOrder {
  tenant: Tenant;
  as: string;
  domains: string[];
  plan: string | undefined;
  actor: string;
}

type CodeOrData = 'apps' | 'data';

/** Where what is unpacked comes from. */
interface Supply {
  feed(part: CodeOrData, job: BackupJob): Promise<void>;
  /** Settles when all of it has come, and is as it was. */
  whole(): Promise<void>;
}

/** Until what was made is told about: it may take longer to start. */
const startTimeLimitMs = 20_000;

/** Backups, restores and clones, each with the client that asked for it. What is under way ends with that client. */
export function createBackupRuns(parts: RunParts) {
  const audited = createAudited(parts.store);

  async function backup(client: BackupClient, { tenant, actor, secretsKey, withKey }: BackupOrder): Promise<BackupEnd> {
    let result: BackupResult | undefined;
    const look = (): unknown =>
      result ? { apps: result.apps, data: result.data, secrets: result.secrets, leftOut: result.leftOut.count } : null;
    return audited({ tenant: tenant.name, action: 'tenant-backup', actor, look }, async () => {
      client.tell({ doing: 'taking a snapshot of its disk' });
      const source = await openSource(parts, { tenant, actor, secretsKey: toKey(secretsKey), withKey, what: 'a backup' });
      try {
        result = await sendAll(client, source);
        return { result };
      } finally {
        await source.close();
      }
    });
  }

  async function restore(client: BackupClient, order: RestoreOrder): Promise<BackupEnd> {
    const { as, domains, plan, actor, ticket } = order;
    const state = parseState(await client.readWhole('state'));
    const target = { state, as, domains, plan, actor, secretsKey: toKey(order.secretsKey), isClone: false };
    return make(client, target, 'tenant-restore', {
      async feed(part, job) {
        client.tell({ doing: `unpacking its ${part}` });
        await give(client.readPart(part), job);
      },
      whole: () => client.readCommit(ticket),
    });
  }

  async function clone(client: BackupClient, { tenant, as, domains, plan, actor }: CloneOrder): Promise<BackupEnd> {
    // In memory alone, for as long as this takes.
    const secretsKey = randomBytes(32);
    client.tell({ doing: 'taking a snapshot of its disk' });
    const source = await openSource(parts, { tenant, actor, secretsKey, withKey: false, what: 'a clone' });
    try {
      return await make(client, { state: source.state, as, domains, plan, secretsKey, actor, isClone: true }, 'tenant-clone', {
        async feed(part, job) {
          client.tell({ doing: `copying its ${part}` });
          const packing = await source.pack(part);
          await during(client, packing, () => give(bytesOf(packing), job));
        },
        whole: () => Promise.resolve(),
      });
    } finally {
      await source.close();
      secretsKey.fill(0);
    }
  }

  async function make(client: BackupClient, order: TargetOrder, action: string, supply: Supply): Promise<BackupEnd> {
    const { state, as, domains, plan, actor } = order;
    const look = (): unknown => ({ from: state.tenant, domains, plan });
    const name = as ?? state.tenant;
    const made = await audited({ tenant: isTenantName(name) ? name : '', action, actor, look }, async () => {
      const target = await openTarget(parts, order);
      try {
        return { target, ...(await fill(client, target, supply)) };
      } catch (error) {
        client.tell({ doing: 'removing what was made' });
        await target.abandon();
        throw error;
      }
    });
    client.tell({ doing: 'starting it' });
    return { result: await serve(order, made) };
  }

  async function serve(
    { state, isClone }: TargetOrder,
    { target, apps, data }: { target: RestoreTarget; apps: BackupJobAnswer; data: BackupJobAnswer },
  ): Promise<RestoreResult> {
    const { tenant, config } = target;
    await parts.remark();
    await parts.refresh(tenant);
    const made = parts.findTenant(tenant);
    const isStarted = (): true | undefined => (made?.life().state === 'starting' ? undefined : true);
    // It is there, however long it takes to start.
    await made?.waiters.until(isStarted, `${tenant} starts`, startTimeLimitMs).catch(() => {});
    return {
      ...{ tenant, from: state.tenant, domains: config.domains.map(({ name }) => name), apps: sizeOf(apps), data: sizeOf(data) },
      ...{ secrets: state.secrets.length, state: made?.life().state ?? 'starting' },
      ...(isClone && { pausedSchedules: state.schedules.length }),
      leftOut: { count: state.leftOut.length, shown: state.leftOut },
    };
  }

  return { backup, restore, clone };
}

async function sendAll(client: BackupClient, source: BackupSource): Promise<BackupResult> {
  await client.beginPart('state');
  await client.send(Buffer.from(JSON.stringify(source.state)));
  await client.endPart();
  const apps = await sendPart(client, 'apps', source);
  const data = await sendPart(client, 'data', source);
  return source.result({ apps: sizeOf(apps), data: sizeOf(data) }, [apps.leftOut, data.leftOut]);
}

async function sendPart(client: BackupClient, part: CodeOrData, source: BackupSource): Promise<BackupJobAnswer> {
  client.tell({ doing: `packing its ${part}` });
  await client.beginPart(part);
  const job = await source.pack(part);
  const answer = await during(client, job, async () => {
    for await (const chunk of bytesOf(job)) await client.send(chunk);
  });
  await client.endPart();
  return answer;
}

async function fill(client: BackupClient, target: RestoreTarget, supply: Supply) {
  const unpack = (part: CodeOrData): Promise<BackupJobAnswer> =>
    target.unpack(part, async (job) => void (await during(client, job, () => supply.feed(part, job))));
  const apps = await unpack('apps');
  const data = await unpack('data');
  await supply.whole();
  client.gone.throwIfAborted();
  await target.commit();
  return { apps, data };
}

/** The job ends with its work, and with the client. */
async function during(client: BackupClient, job: BackupJob, work: () => Promise<void>): Promise<BackupJobAnswer> {
  const stop = (): void => job.stop();
  client.gone.addEventListener('abort', stop);
  try {
    client.gone.throwIfAborted();
    await work();
    const answer = await job.answer;
    client.gone.throwIfAborted();
    return answer;
  } catch (error) {
    // Then it was ended for that.
    client.gone.throwIfAborted();
    throw error;
  } finally {
    client.gone.removeEventListener('abort', stop);
    job.stop();
  }
}

/**
 * A job that takes no more says itself why. Not by `pipeline`: of a socket that was ended by its other side it hears nothing any more, and
 * waits for ever.
 */
async function give(bytes: AsyncIterable<Buffer>, { stream }: BackupJob): Promise<void> {
  for await (const chunk of bytes) if (!(await isTaken(stream, chunk))) return;
  stream.end();
}

function isTaken(stream: BackupJob['stream'], chunk: Buffer): Promise<boolean> {
  return new Promise((resolve) => void stream.write(chunk, (error) => resolve(!error)));
}

/** Not the stream itself: its other direction stays open, for which a pipeline would wait. */
async function* bytesOf({ stream }: BackupJob): AsyncGenerator<Buffer> {
  yield* stream as AsyncIterable<Buffer>;
}

function toKey(base64: string | undefined): Buffer | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
}

function sizeOf({ size: { files, bytes } }: BackupJobAnswer): PartSize {
  return { files, bytes };
}
