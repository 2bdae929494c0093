import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, type TenantName } from '../base/ids.ts';
import type { BackupResult, PartSize } from '../protocol/backup-calls.ts';
import { mostLeftOutShown } from '../protocol/backup-job.ts';
import { areaPaths, codeAreas, dataAreas } from './backup-areas.ts';
import type { BackupJob, BackupJobs } from './backup-jobs.ts';
import { type BackupState, describeTenant, parseState } from './backup-state.ts';
import type { Machine } from './machine.ts';
import type { Releases } from './releases.ts';
import type { SecretVault } from './secret-vault.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

/**
 * A tenant as it is at one moment, to be read once: what it is, its code, its data.
 *
 * Invariants:
 * - While its code is read no release of it comes or goes; of its data a snapshot is read.
 * - Root reads nothing that a tenant wrote: jobs do.
 */
export interface BackupSource {
  state: BackupState;
  /** Starts the job that packs its code, or its data. One after the other. */
  pack(part: 'apps' | 'data'): Promise<BackupJob>;
  /** Once both were packed. */
  result(sizes: { apps: PartSize; data: PartSize }, leftOut: readonly BackupResult['leftOut'][]): BackupResult;
  close(): Promise<void>;
}

export interface SourceParts {
  machine: Machine;
  store: Store;
  vault: SecretVault;
  jobs: BackupJobs;
  releases: Pick<Releases, 'hold'>;
}

export interface SourceOrder {
  tenant: Tenant;
  actor: string;
  /** What secrets are sealed with. */
  secretsKey: Buffer | undefined;
  /** With the key of a certificate of its own. */
  withKey: boolean;
  /** `a backup`, as others are told who wait for it. */
  what: string;
}

const busyPauseMs = 250;
const busyTries = 120;

export async function openSource(parts: SourceParts, { tenant, actor, secretsKey, withKey, what }: SourceOrder): Promise<BackupSource> {
  const { machine, store, jobs } = parts;
  const { paths } = machine;
  const { name } = tenant;
  const apps = (tenant.picture.desired()?.apps ?? []).map(({ app }) => app);
  const leaves: (() => void)[] = [];
  let snapshot: Snapshot | undefined;
  const close = async (): Promise<void> => {
    for (const leave of leaves.splice(0)) leave();
    await snapshot?.close();
    snapshot = undefined;
  };
  try {
    for (const app of apps) leaves.push(await holdReleases(parts.releases, { tenant: name, app }, what, actor));
    const uid = store.uidOf(name, '');
    if (existsSync(paths.diskImageOf(name))) snapshot = await takeSnapshot(machine, name, { uid });
    const owners = ownersOf(store, name, apps, snapshot?.reach ?? paths.dataRootOf(name));
    const id = randomBytes(16).toString('hex');
    const isLive = snapshot === undefined && existsSync(paths.appsDataDirOf(name));
    const state = await describeTenant({ ...parts, paths }, tenant, { id, owners, isLive, secretsKey, withKey });
    assertRestorable(state);
    const uids = owners.map((owner) => store.uidOf(name, owner));
    return {
      state,
      pack(part) {
        if (part === 'data') for (const leave of leaves.splice(0)) leave();
        return jobs.start(part === 'apps' ? packCode(name, uids, state) : packData(name, uids, state));
      },
      result: (sizes, leftOut) => ({
        ...{ tenant: name, ...sizes, secrets: state.secrets.length, leftOut: joinLeftOut([named(state.leftOut), ...leftOut]) },
        ...(snapshot && { pauseMs: snapshot.pauseMs }),
      }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }

  function packCode(tenantName: TenantName, uids: readonly number[], state: BackupState) {
    const request = { job: 'backup-files' as const, areas: codeAreas(state), owners: uids.length };
    const source = existsSync(paths.appsDirOf(tenantName)) ? paths.appsDirOf(tenantName) : paths.emptyDir;
    return { tenant: tenantName, uids, request, binds: [{ source, target: areaPaths.apps, access: 'read' as const }], mounts: undefined };
  }

  function packData(tenantName: TenantName, uids: readonly number[], state: BackupState) {
    const request = { job: 'backup-files' as const, areas: dataAreas(state), owners: uids.length };
    const plain = existsSync(paths.dataRootOf(tenantName)) ? paths.dataRootOf(tenantName) : paths.emptyDir;
    const binds = [{ source: snapshot?.root ?? plain, target: areaPaths.data, access: 'read' as const }];
    return { tenant: tenantName, uids, request, binds, mounts: snapshot?.mounts };
  }
}

/** To be found out now, and not when it is needed. */
function assertRestorable(state: BackupState): void {
  try {
    parseState(Buffer.from(JSON.stringify(state)));
  } catch (error) {
    const fix = `see tenantctl status ${state.tenant}, and mend what is wrong there first`;
    throw new TenantdError('TENANTD_E_BACKUP', `nothing could be made of such a backup again: ${messageOf(error)}`, fix);
  }
}

/** A deploy that is under way ends soon, one way or the other. */
async function holdReleases(releases: SourceParts['releases'], ...turn: Parameters<Releases['hold']>): Promise<() => void> {
  for (let triesLeft = busyTries; ; triesLeft--) {
    try {
      return releases.hold(...turn);
    } catch (error) {
      if (!(error instanceof TenantdError) || error.code !== 'TENANTD_E_BUSY' || triesLeft <= 0) throw error;
      await delay(busyPauseMs);
    }
  }
}

/** Its own user; its apps; and those that it has no more, but whose data is there. */
function ownersOf(store: Store, tenant: TenantName, apps: readonly AppName[], dataRoot: string): (AppName | '')[] {
  const given = store.givenUids().flatMap((row) => (row.tenant === tenant && isAppName(row.app) ? [row.app] : []));
  const left = given.filter((app) => !apps.includes(app) && existsSync(`${dataRoot}/apps/${app}`));
  return ['', ...[...apps, ...left].sort()];
}

function named(shown: readonly string[]): BackupResult['leftOut'] {
  return { count: shown.length, shown: [...shown] };
}

export function joinLeftOut(lists: readonly BackupResult['leftOut'][]): BackupResult['leftOut'] {
  return {
    count: lists.reduce((sum, { count }) => sum + count, 0),
    shown: lists.flatMap(({ shown }) => shown).slice(0, mostLeftOutShown),
  };
}
