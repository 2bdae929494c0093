import { messageOf, TenantdError } from '../base/errors.ts';
import { localRelease } from '../base/release-ids.ts';
import type { AppManifest } from '../config/app-manifest.ts';
import { finishRelease, makeUnfinished, putInPlace, switchCurrent, takeAway } from '../privileged/release-folders.ts';
import type { DeployResult } from '../protocol/deploy.ts';
import { releasePaths } from '../protocol/release-job.ts';
import { buildRelease } from './release-build.ts';
import type { DeployClient } from './release-client.ts';
import { manifestOf, type ReleaseAnswer } from './release-jobs.ts';
import { currentOf, type ReleasePlace, type Room } from './release-place.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { ReleaseParts } from './releases.ts';
import type { Tenant } from './tenant.ts';

export interface DeployOrder {
  tenant: Tenant;
  place: ReleasePlace;
  /** Where the app's folder is to be, when it is not there yet: `place.dir` is beside it until then. */
  newDir: string | undefined;
  release: string;
  actor: string;
  wait: boolean;
  /** It is to wait until somebody approves it: puts that on record, and answers with its id. */
  propose: ((release: string) => string) | undefined;
  room: Room;
  buildTimeLimitMs: number;
}

const endTimeLimitMs = 700_000;

/**
 * Receives, unpacks, builds and starts a release, and makes it the app's. Whatever fails, whenever it fails: the release is gone again, and
 * what served before goes on as if nothing had been.
 */
export async function deployRelease(parts: ReleaseParts, order: DeployOrder, client: DeployClient): Promise<DeployResult> {
  const { place, release } = order;
  try {
    const { dir, uid } = place;
    const folder = makeUnfinished(dir, release, { uid, gid: uid });
    const unpacked = await unpack(parts, order, folder, client);
    await client.tell({ step: 'unpacked', ...sizeOf(unpacked) });
    const answer = unpacked.build ? await build(parts, order, folder, unpacked.build, client) : unpacked;
    const manifest = manifestOf(answer);
    client.gone.throwIfAborted();
    finishRelease(dir, release);
    if (order.propose) return propose(parts, order, order.propose, answer, manifest);
    await client.tell({ step: 'starting' });
    const previous = previousFor(parts, order);
    const row: ReleaseRow = {
      ...{ id: release, createdAt: new Date().toISOString(), createdBy: order.actor, ...sizeOf(answer), manifest },
      ...(previous !== undefined && { previous }),
    };
    await (order.newDir === undefined ? replace(parts, order, row, manifest) : begin(parts, order, order.newDir, row));
    await client.tell({ step: 'serving' });
    if (order.wait) await untilEnded(order);
    const isStopped = order.tenant.picture.isStopped(place.app);
    return { release, ...sizeOf(answer), ...(previous !== undefined && { previous }), ...(isStopped && { stopped: true }) };
  } catch (error) {
    await cleanUp(parts, order);
    throw error;
  }
}

/** Whole, and beside what serves, which goes on. */
function propose(
  { assertFits, store }: ReleaseParts,
  { tenant, place, release, actor }: DeployOrder,
  record: (release: string) => string,
  answer: ReleaseAnswer,
  manifest: AppManifest,
): DeployResult {
  const row: ReleaseRow = { id: release, createdAt: new Date().toISOString(), createdBy: actor, ...sizeOf(answer), manifest };
  assertFits(tenant, place, row);
  let proposal = '';
  store.together(() => {
    store.releases.put(place.tenant, place.app, row);
    proposal = record(release);
  });
  return { release, ...sizeOf(answer), proposal };
}

async function unpack({ jobs }: ReleaseParts, { place, room }: DeployOrder, folder: string, client: DeployClient): Promise<ReleaseAnswer> {
  const { tenant, app, uid } = place;
  const request = { job: 'unpack-release', app, caps: room } as const;
  const binds = [{ source: folder, target: releasePaths.release, access: 'write' as const }];
  const sandbox = await jobs.start({ tenant, app, uid, request, binds }, true);
  const { duplex } = sandbox;
  if (!duplex) throw new Error('a job was started without a connection');
  try {
    const answer = jobs.read(sandbox, place);
    // Its failure is told below.
    answer.catch(() => {});
    await client.sendTo(duplex);
    return await answer;
  } finally {
    // Also when the client is gone: nothing writes into the folder when it is removed.
    await sandbox.stop(0);
    duplex.destroy();
  }
}

async function build(
  parts: ReleaseParts,
  order: DeployOrder,
  folder: string,
  command: NonNullable<ReleaseAnswer['build']>,
  client: DeployClient,
): Promise<ReleaseAnswer> {
  const { place, release, room, buildTimeLimitMs: timeLimitMs } = order;
  await client.tell({ step: 'building' });
  return buildRelease(
    { ...parts, tenant: order.tenant },
    { place, release, folder, build: command, room, timeLimitMs, onOutput: (bytes) => client.print(bytes), gone: client.gone },
  );
}

function sizeOf({ size }: ReleaseAnswer): { files: number; bytes: number } {
  return { files: size?.files ?? 0, bytes: size?.bytes ?? 0 };
}

/** What serves now, if that is something that can serve. */
function previousFor({ store }: ReleaseParts, { place, newDir }: DeployOrder): string | undefined {
  const current = currentOf(place);
  if (current !== localRelease) return current;
  return newDir === undefined && store.appOf(place.tenant, place.app)?.release === localRelease ? localRelease : undefined;
}

/** Beside what serves, and then in its place. */
async function replace(parts: ReleaseParts, order: DeployOrder, row: ReleaseRow, manifest: AppManifest): Promise<void> {
  const { tenant, place, release } = order;
  const { app } = place;
  await tenant.tryRelease(app, { release, manifest, commit: () => commit(parts, order, row) });
  await parts.refresh(place.tenant);
}

/** The row first: a release on the disk that the store does not know would have no name of who made it. */
function commit({ store, assertFits }: ReleaseParts, { tenant: of, place }: DeployOrder, row: ReleaseRow): void {
  const { tenant, app, dir } = place;
  assertFits(of, place, row);
  store.releases.put(tenant, app, { ...row, switchedAt: new Date().toISOString() });
  try {
    switchCurrent(dir, row.id);
  } catch (error) {
    store.releases.remove(tenant, app, row.id);
    throw error;
  }
}

/** What served before has served its last request. */
async function untilEnded({ tenant, place: { app } }: DeployOrder): Promise<void> {
  const look = (): true | undefined => {
    const generation = tenant.picture.apps().get(app)?.spec.generation;
    return tenant.workers.all().every((worker) => worker.app !== app || worker.generation === generation) || undefined;
  };
  await tenant.waiters.until(look, `${tenant.name}/${app}: the release before did not end`, endTimeLimitMs);
}

/** An app that was not there: it is, with all that it has, from one moment to the next; and if it does not come to serve, it is not. */
async function begin(parts: ReleaseParts, order: DeployOrder, newDir: string, row: ReleaseRow): Promise<void> {
  const { tenant, place } = order;
  commit(parts, order, row);
  putInPlace(place.dir, newDir);
  try {
    await parts.refresh(place.tenant);
    if (tenant.picture.isStopped(place.app)) return;
    const hold = tenant.keepAwake(place.app);
    try {
      await hold.ready;
    } catch (error) {
      throw withOutput(error, tenant.stateOf(place.app)?.lastLines ?? []);
    } finally {
      hold.release();
    }
  } catch (error) {
    takeAway(newDir, place.dir);
    await parts.refresh(place.tenant);
    await tenant.waiters.until(() => isGone(tenant, place), `${tenant.name}/${place.app}: it did not end`, endTimeLimitMs);
    throw error;
  }
}

function isGone({ workers }: Tenant, { app }: ReleasePlace): true | undefined {
  return workers.all().every((worker) => worker.app !== app) || undefined;
}

function withOutput(error: unknown, lines: readonly string[]): unknown {
  if (!(error instanceof TenantdError) || lines.length === 0) return error;
  return new TenantdError(error.code, [error.message, ...lines.map((line) => `  ${line}`)].join('\n'), error.fix);
}

async function cleanUp({ shelf, log }: ReleaseParts, { place, newDir, release }: DeployOrder): Promise<void> {
  try {
    if (newDir !== undefined) await shelf.removeApp(place);
    else if (currentOf(place) !== release) await shelf.remove(place, release);
  } catch (error) {
    log.error({ tenant: place.tenant, app: place.app, release, error: messageOf(error) }, 'a release that failed could not be removed');
  }
}
