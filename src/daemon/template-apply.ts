import { lstatSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, TenantdError } from '../base/errors.ts';
import { isAppName, type TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { removeRootDirectory } from '../privileged/directories.ts';
import { inodeOf, isWithoutFiles, linkTree, putInPlaceOf, readInTree, removeTree, writeTree } from '../privileged/operator-trees.ts';
import { untilServed } from './app-operations.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';
import { appOf, effective, type PlannedChange, type TemplatePlan } from './template-plan.ts';
import type { PendingTemplate, TemplatePiece } from './template-rows.ts';
import { hashOf } from './templates.ts';
import type { Tenant } from './tenant.ts';

/** In a tenant's folder; a name that no scan looks at. What is to come, then what was there. */
const stagingName = '.template';
const takenTimeLimitMs = 60_000;

export interface TemplateApplyParts {
  paths: Paths;
  store: Pick<Store, 'templates'>;
  perl: string;
  log: Log;
  refresh: (tenant: TenantName) => Promise<void>;
  /** Of changes of the operator's files. */
  inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

/**
 * Puts planned changes in place: an app's folder as a whole, at once, and its workers are replaced as with every change of it.
 *
 * Invariants:
 * - Once `begin` is on record, the change is finished, also by the next daemon; before that, nothing but the staging folder is there.
 * - A change whose apps do not come to serve is taken back.
 */
export function createTemplateApplier({ paths, store, perl, log, refresh, inTurn }: TemplateApplyParts) {
  const stagingOf = (tenant: TenantName): string => `${paths.tenantDirOf(tenant)}/${stagingName}`;

  /** A whole folder for each app that changes, and each other file, beside what is there. */
  async function stage(tenant: TenantName, changes: readonly PlannedChange[]): Promise<TemplatePiece[]> {
    const [root, staging] = [paths.tenantDirOf(tenant), stagingOf(tenant)];
    await removeTree(staging);
    await mkdir(staging, { mode: 0o755 });
    for (const app of new Set(changes.flatMap(({ path }) => appOf(path) ?? []))) {
      await mkdir(`${staging}/apps`, { recursive: true, mode: 0o755 });
      if (inodeOf(`${root}/apps/${app}`) !== undefined) await linkTree(`${root}/apps/${app}`, `${staging}/apps/${app}`);
    }
    const gone = changes.filter(({ after }) => !after);
    for (const { path } of gone) await removeTree(`${staging}/${path}`);
    await writeTree(
      staging,
      changes.flatMap(({ after }) => after ?? []),
    );
    const pieces = new Set(changes.map(({ path }) => pieceOf(path)));
    // What the template had of it was all there was.
    for (const path of new Set(gone.map((change) => pieceOf(change.path))))
      if (await isWithoutFiles(`${staging}/${path}`)) await removeTree(`${staging}/${path}`);
    return [...pieces].map((path) => toPiece(path, inodeOf(`${staging}/${path}`)));
  }

  async function prepare(tenant: TenantName, changes: readonly PlannedChange[]): Promise<TemplatePiece[]> {
    try {
      const pieces = await stage(tenant, changes);
      await assertAsPlanned(paths.tenantDirOf(tenant), changes);
      return pieces;
    } catch (error) {
      await removeTree(stagingOf(tenant));
      throw error;
    }
  }

  /** What is to come changes places with what is there. Done before, for a piece that has its place. */
  async function place(tenant: TenantName, { path, inode }: TemplatePiece): Promise<void> {
    const [target, staged] = [`${paths.tenantDirOf(tenant)}/${path}`, `${stagingOf(tenant)}/${path}`];
    if (inode === undefined) {
      if (inodeOf(target) !== undefined && inodeOf(staged) === undefined) await moveAway(target, staged);
    } else if (inodeOf(staged) === inode) {
      await mkdir(dirname(target), { recursive: true, mode: 0o755 });
      await putInPlaceOf({ perl }, staged, target);
    }
  }

  async function takeBack(tenant: TenantName, { path, inode }: TemplatePiece): Promise<void> {
    const [target, staged] = [`${paths.tenantDirOf(tenant)}/${path}`, `${stagingOf(tenant)}/${path}`];
    // Somebody put another one there meanwhile: that stays.
    if (inodeOf(target) !== inode) return;
    if (inodeOf(staged) !== undefined) await putInPlaceOf({ perl }, staged, target);
    else if (inode !== undefined) await moveAway(target, staged);
  }

  async function moveAway(from: string, to: string): Promise<void> {
    await mkdir(dirname(to), { recursive: true, mode: 0o755 });
    await rename(from, to);
  }

  async function finish(tenant: TenantName, { row, pieces }: PendingTemplate): Promise<void> {
    for (const piece of pieces) await place(tenant, piece);
    store.templates.set(tenant, row);
    await removeTree(stagingOf(tenant));
  }

  async function undo(tenant: TenantName, pending: PendingTemplate): Promise<void> {
    store.templates.begin(tenant, { ...pending, backwards: true });
    for (const piece of pending.pieces) await takeBack(tenant, piece);
    store.templates.drop(tenant);
    await removeTree(stagingOf(tenant));
  }

  /** Throws when what was planned is not what there is any more, or can't be put in place; then nothing has changed. */
  async function put(tenant: TenantName, { row }: TemplatePlan, changes: readonly PlannedChange[]): Promise<PendingTemplate> {
    const pending = { row, pieces: await prepare(tenant, changes) };
    store.templates.begin(tenant, pending);
    try {
      for (const piece of pending.pieces) await place(tenant, piece);
      return pending;
    } catch (error) {
      await undo(tenant, pending);
      throw error;
    }
  }

  /** Answers when all of its apps serve that served before, and nothing of the old is left. */
  async function apply(tenant: Tenant, plan: TemplatePlan): Promise<void> {
    const changes = effective(plan);
    if (changes.length === 0) return store.templates.set(tenant.name, plan.row);
    const known = new Set(tenant.picture.problems().map(({ message }) => message));
    const pending = await inTurn(() => put(tenant.name, plan, changes));
    try {
      await refresh(tenant.name);
      for (const { path, inode } of pending.pieces) if (inode !== undefined) await untilTaken(tenant, appOf(path), known);
    } catch (error) {
      await inTurn(() => undo(tenant.name, pending));
      await refresh(tenant.name);
      const fix = error instanceof TenantdError ? error.fix : 'see the log of the daemon';
      const code = error instanceof TenantdError ? error.code : 'TENANTD_E_INTERNAL';
      throw new TenantdError(code, `${messageOf(error)}; all of ${tenant.name} is as it was before`, fix, { cause: error });
    }
    store.templates.set(tenant.name, plan.row);
    await removeTree(stagingOf(tenant.name));
  }

  /** Before the tenants are looked at: what a daemon before began is finished, and what it had not begun is cleared away. */
  async function takeUp(): Promise<void> {
    const pending = new Map(store.templates.pending().map((one) => [one.tenant, one]));
    for (const { tenant } of store.templates.tenants()) {
      const begun = pending.get(tenant);
      try {
        if (begun) await (begun.backwards ? undo(tenant, begun) : finish(tenant, begun));
        else if (lstatSync(stagingOf(tenant), { throwIfNoEntry: false })) removeRootDirectory(stagingOf(tenant));
      } catch (error) {
        log.error({ tenant, error: messageOf(error) }, 'a change of its template could not be finished');
      }
    }
  }

  return { apply, takeUp };
}

/** What changes as one: an app's folder, or a file. */
function pieceOf(path: string): string {
  const app = appOf(path);
  return app === undefined ? path : `apps/${app}`;
}

function toPiece(path: string, inode: string | undefined): TemplatePiece {
  return { path, ...(inode !== undefined && { inode }) };
}

/** Others write the operator's files, too. */
async function assertAsPlanned(root: string, changes: readonly PlannedChange[]): Promise<void> {
  for (const { path, beforeHash } of changes) {
    const present = await readInTree(root, path, Number.MAX_SAFE_INTEGER);
    if ((present && hashOf(present.content)) !== beforeHash)
      throw new TenantdError('TENANTD_E_BUSY', `${root}/${path} was changed meanwhile`, 'look at the changes again');
  }
}

/** Its new folder was read and, if it runs, all its workers are of it. */
async function untilTaken(tenant: Tenant, app: string | undefined, known: ReadonlySet<string>): Promise<void> {
  if (app === undefined || !isAppName(app)) return;
  const { picture, waiters } = tenant;
  const look = (): true | undefined => {
    const wanted = picture.wanted(false, []);
    if (!wanted) throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `${tenant.name} is gone`, 'see tenantctl status');
    if (picture.desired()?.suspended) return true;
    return wanted.appsWithoutManifest.includes(app) ? undefined : true;
  };
  await waiters.until(look, `${tenant.name}/${app} was not read anew`, takenTimeLimitMs);
  const problem = picture.problems().find((one) => one.app === app && !known.has(one.message));
  if (problem) throw new TenantdError(problem.code, `${tenant.name}/${app}: ${problem.message}`, problem.fix);
  const spec = picture.apps().get(app)?.spec;
  if (spec?.desired === 'running' && spec.kind !== 'static') await untilServed(tenant, app);
}
