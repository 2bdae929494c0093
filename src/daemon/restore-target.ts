import { isAbsolute } from 'node:path';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { changeRestored, pairDomains } from '../config/restored-tenant.ts';
import { parseTenantConfig, type TenantConfig } from '../config/tenant-config.ts';
import { removeTree } from '../privileged/copy-tree.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { replaceFile } from '../privileged/operator-files.ts';
import { type TreeFile, writeTree } from '../privileged/operator-trees.ts';
import { bubblewrapCopy } from '../privileged/programs.ts';
import { makeRootFolder, putInPlace } from '../privileged/release-folders.ts';
import { findUser, userNameOf } from '../privileged/users.ts';
import { areaPaths, codeAreas, dataAreas } from './backup-areas.ts';
import type { BackupJob, BackupJobAnswer, BackupJobs } from './backup-jobs.ts';
import { type BackupState, openSealed, openSecret } from './backup-state.ts';
import type { Machine } from './machine.ts';
import { openCodePlace, openDataPlace } from './restore-places.ts';
import type { SecretVault } from './secret-vault.ts';
import type { Store } from './store.ts';
import { type TenantFolders, unfinishedPrefix } from './tenant-folders.ts';
import type { Removals } from './tenant-removal.ts';

/**
 * A tenant that is to be what a backup says.
 *
 * Invariants:
 * - From its first name on the disk to its last row it is marked `restoring`, so that it is no tenant: the mark goes with the rows, in one
 *   transaction, when all is there. Whatever ends before, whenever it ends: all of it is deleted, by this daemon or the next one.
 * - What a backup says is anybody's: it is checked before it is done, and jobs unpack it.
 */
export interface RestoreTarget {
  readonly tenant: TenantName;
  readonly config: TenantConfig;
  /** `feed` gives the job what it is to unpack, and settles when that was all. */
  unpack(part: 'apps' | 'data', feed: (job: BackupJob) => Promise<void>): Promise<BackupJobAnswer>;
  /** It is a tenant from then on. Both were unpacked. */
  commit(): Promise<void>;
  /** Nothing of it is left. */
  abandon(): Promise<void>;
}

export interface TargetParts {
  machine: Machine;
  store: Store;
  vault: SecretVault;
  jobs: BackupJobs;
  folders: TenantFolders;
  removals: Pick<Removals, 'purge'>;
  config: () => Pick<DaemonConfig, 'plans' | 'defaultPlan'>;
  userPrefix: string;
  withDisk: boolean;
  refresh: (tenant: TenantName) => Promise<void>;
  remark: () => Promise<void>;
}

export interface TargetOrder {
  state: BackupState;
  as: string | undefined;
  domains: readonly string[] | undefined;
  plan: string | undefined;
  secretsKey: Buffer | undefined;
  actor: string;
  isClone: boolean;
}

/** Throws when it can't be; nothing was changed then. */
export async function openTarget(parts: TargetParts, order: TargetOrder): Promise<RestoreTarget> {
  const { machine, store, vault, jobs, folders } = parts;
  const { paths, programs } = machine;
  const { state, secretsKey, actor } = order;
  const tenant = folders.nameFor(order.as ?? state.tenant);
  const { text, config } = settle(parts, tenant, order);
  const secrets = state.secrets.map((secret) => openSecret(state, secretsKey, secret));
  const { files, key } = filesOf(state, text, order);
  const tools = { programs, bubblewrap: `${paths.programsDir}/${bubblewrapCopy}` };
  const folder = `${paths.tenantsDir}/${unfinishedPrefix}${tenant}`;
  const mark = { sinceMs: Date.now(), by: actor };
  store.marks.set(tenant, { ...mark, mark: 'restoring' });
  try {
    const uids = giveUids();
    ensureDirectory(paths.tenantStateDirOf(tenant), { uid: 0, gid: uids[0] ?? 0, mode: 0o750 });
    await removeTree(tools, folder);
    makeRootFolder(folder);
    return { tenant, config, unpack: (part, feed) => (part === 'apps' ? unpackCode(uids, feed) : unpackData(uids, feed)), commit, abandon };
  } catch (error) {
    await abandon();
    throw error;
  }

  function giveUids(): number[] {
    const present = findUser({ name: userNameOf(parts.userPrefix, tenant) })?.uid;
    return state.owners.map((owner) => (owner === '' ? store.uidOf(tenant, '', present) : store.uidOf(tenant, owner)));
  }

  async function unpackCode(uids: readonly number[], feed: (job: BackupJob) => Promise<void>): Promise<BackupJobAnswer> {
    const place = await openCodePlace(folder, state, uids);
    const areas = codeAreas(state, (app) => `${areaPaths.releases}/${app}`);
    const binds = [
      { source: place.apps, target: areaPaths.apps, access: 'write' as const },
      { source: place.releases, target: areaPaths.releases, access: 'write' as const },
    ];
    const request = { job: 'restore-files' as const, areas, owners: uids.length, caps: place.caps };
    const answer = await run({ tenant, uids, request, binds, mounts: undefined }, feed);
    place.finish();
    return answer;
  }

  async function unpackData(uids: readonly number[], feed: (job: BackupJob) => Promise<void>): Promise<BackupJobAnswer> {
    const place = await openDataPlace(machine, { tenant, plan: config.limits, owners: state.owners, uids, withDisk: parts.withDisk });
    try {
      const request = { job: 'restore-files' as const, areas: dataAreas(state), owners: uids.length, caps: place.caps };
      const binds = [{ source: place.root, target: areaPaths.data, access: 'write' as const }];
      return await run({ tenant, uids, request, binds, mounts: place.mounts }, feed);
    } finally {
      await place.close();
    }
  }

  async function run(order: Parameters<BackupJobs['start']>[0], feed: (job: BackupJob) => Promise<void>): Promise<BackupJobAnswer> {
    const job = await jobs.start(order);
    try {
      await feed(job);
      return await job.answer;
    } finally {
      job.stop();
    }
  }

  async function commit(): Promise<void> {
    await writeTree(folder, files);
    if (key) replaceFile(`${folder}/${key.path}`, key.content, { uid: 0, gid: 0, mode: 0o600 });
    // Another may have got one meanwhile.
    folders.domainsFor(config.domains.map(({ name }) => name));
    putInPlace(folder, paths.tenantDirOf(tenant));
    store.together(() => {
      writeRows();
      for (const { app, name, value } of secrets) vault.set(tenant, { app, name, value, by: actor });
      store.marks.remove(tenant, 'restoring');
    });
  }

  function writeRows(): void {
    for (const { app, releases, stopped, workers } of state.apps) {
      for (const row of releases) store.releases.put(tenant, app, row);
      if (stopped) store.lifecycle.setStopped(tenant, app, true);
      if (workers !== undefined) store.lifecycle.setScale(tenant, app, workers);
    }
    store.schedules.note(
      // Of a machine whose clock was ahead, say: none would be due.
      state.schedules.map((row) => ({ ...row, tenant, handledMs: Math.min(row.handledMs, Date.now()) })),
      [],
    );
  }

  async function abandon(): Promise<void> {
    store.marks.set(tenant, { ...mark, mark: 'purging' });
    await parts.remark();
    await parts.removals.purge(tenant);
    await removeTree(tools, folder);
  }
}

/** What it would be as a tenant of this machine. Throws what is wrong with that. */
function settle(
  parts: TargetParts,
  tenant: TenantName,
  { state, domains: given, plan, isClone }: TargetOrder,
): { text: string; config: TenantConfig } {
  const { plans, defaultPlan } = parts.config();
  if (plan !== undefined) parts.folders.assertPlan(plan);
  const had = parse(state.tenantYaml, { tenant, plans: undefined, defaultPlan });
  const domains = given && pairDomains(given, had.domains);
  const text = changeRestored(state.tenantYaml, { ...(domains && { domains }), ...(plan !== undefined && { plan }), isClone });
  const config = parse(text, { tenant, plans, defaultPlan });
  try {
    parts.folders.domainsFor(config.domains.map(({ name }) => name));
  } catch (error) {
    if (!(error instanceof TenantdError) || error.code !== 'TENANTD_E_DOMAIN_TAKEN' || given) throw error;
    throw new TenantdError(error.code, error.message, `give it other domains (--domain), or first: ${error.fix}`);
  }
  return { text, config };
}

function parse(text: string, context: Parameters<typeof parseTenantConfig>[2]): TenantConfig {
  const { config, problems } = parseTenantConfig(text, 'tenant.yaml', context);
  if (config) return config;
  throw refusal(problems);
}

function refusal(problems: readonly Problem[]): TenantdError {
  const [first] = problems;
  const message = problems.map((problem) => problem.message).join('; ');
  const fix = first?.code === 'TENANTD_E_UNKNOWN_PLAN' ? `${first.fix}; or take another one: --plan` : (first?.fix ?? '');
  return new TenantdError(first?.code ?? 'TENANTD_E_INTERNAL', `its tenant.yaml can not be used here: ${message}`, fix);
}

/** The operator's own, as they are written into its folder. A clone gets no key to names of another's. */
function filesOf(
  state: BackupState,
  text: string,
  { secretsKey, isClone }: TargetOrder,
): { files: TreeFile[]; key?: { path: string; content: Buffer } } {
  const files: TreeFile[] = [{ path: 'tenant.yaml', content: Buffer.from(text), executable: false }];
  for (const { path, content, executable } of state.files) files.push({ path, content: Buffer.from(content, 'base64'), executable });
  const key = !isClone && state.key && { path: state.key.path, content: openSealed(state, secretsKey, state.key.sealed, 'key') };
  // Its content comes later, to a file that only root can read.
  if (key) files.push({ path: key.path, content: Buffer.alloc(0), executable: false });
  const bad = files.find(
    ({ path }, index) => isAbsolute(path) || /^(?:apps(?:\/|$)|\.)/.test(path) || (index > 0 && path === 'tenant.yaml'),
  );
  if (bad) throw new TenantdError('TENANTD_E_BACKUP', `it has a file ${bad.path} for the tenant's folder`, 'use a backup that is whole');
  return { files, ...(key && { key }) };
}
