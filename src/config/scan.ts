import { type Dir, lstatSync, opendirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf, messageOf } from '../base/errors.ts';
import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { linkTextOf, localRelease, releaseOfLink } from '../base/release-ids.ts';
import { placed } from './placed.ts';
import { readPlainFileNow } from './plain-file.ts';
import { listSome } from './quote.ts';

/** What one tenant's folder holds. Only names, links `current` and tenant.yaml: root reads nothing of an app. */
export interface TenantScan {
  name: TenantName;
  dir: string;
  /** Of tenant.yaml, also when it can't be read. */
  file: string;
  /** tenant.yaml's text; absent when it can't be read: `problems` says why. */
  text?: string;
  /** In alphabetical order; absent when they can't be told: `problems` says why. */
  apps?: AppName[];
  /** `device:inode` of each app's folder, or the id of its release: another folder of the same name is another app to run. */
  folderIds: ReadonlyMap<AppName, string>;
  /** Which release of each app is current, by its link `current`; `local`: the app's folder itself. */
  releases: ReadonlyMap<AppName, string>;
  /** `device:inode` of `apps/`; '' when there is none. */
  appsDirId: string;
  problems: Problem[];
}

export interface ScanResult {
  /** False: `tenantsDir` itself can't be told, and nothing follows from `tenants` being empty (Invariant 7). */
  ok: boolean;
  /** In alphabetical order. */
  tenants: TenantScan[];
  /** Of `tenantsDir`, not of one tenant. */
  problems: Problem[];
}

export const limits = { tenants: 4_096, apps: 64, entries: 100_000, fileBytes: 256 << 10 } as const;
/** As many as take a few milliseconds: everything else waits meanwhile. */
const scansInATurn = 64;

export async function scanTenants(tenantsDir: string): Promise<ScanResult> {
  const listing = listFolders(tenantsDir, isTenantName, 'tenant');
  if ('problem' in listing) return { ok: false, tenants: [], problems: [listing.problem] };
  const { names, problems } = listing;
  // Which of too many to leave out is not ours to choose: those that run go on.
  if (names.length > limits.tenants)
    return { ok: false, tenants: [], problems: [tooMany(tenantsDir, names.length, limits.tenants, 'tenants')] };
  return { ok: true, tenants: await scanAll(tenantsDir, names), problems };
}

/** One tenant anew; undefined when its folder is gone (or is a link, or no folder). */
export function scanTenant(tenantsDir: string, name: TenantName): Promise<TenantScan | undefined> {
  return Promise.resolve(lookAtTenant(tenantsDir, name));
}

function lookAtTenant(tenantsDir: string, name: TenantName): TenantScan | undefined {
  const dir = join(tenantsDir, name);
  const file = join(dir, 'tenant.yaml');
  const kind = kindOf(dir);
  if (kind === 'gone') return undefined;
  if (kind !== 'folder') return { name, dir, file, ...noApps, problems: [{ ...kind, tenant: name }] };
  const config = readPlainFileNow(file, { maxBytes: limits.fileBytes });
  const apps = listApps(join(dir, 'apps'));
  const problems = [...(config.problem ? [config.problem] : []), ...apps.problems].map((problem) => placed(problem, { tenant: name }));
  return { name, dir, file, ...apps, problems, ...(config.problem ? {} : { text: config.text }) };
}

async function scanAll(tenantsDir: string, names: TenantName[]): Promise<TenantScan[]> {
  const scans: TenantScan[] = [];
  for (const [index, name] of names.entries()) {
    if (index % scansInATurn === scansInATurn - 1) await nextTurn();
    const scan = lookAtTenant(tenantsDir, name);
    if (scan) scans.push(scan);
  }
  return scans;
}

/** The folder may have gone since it was listed; one that can't be looked at is there, as far as anyone knows. */
function kindOf(dir: string): 'folder' | 'gone' | Problem {
  try {
    return lstatSync(dir).isDirectory() ? 'folder' : 'gone';
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'gone' : unreadable(dir, error);
  }
}

type Apps = Pick<TenantScan, 'apps' | 'folderIds' | 'releases' | 'appsDirId' | 'problems'>;

const noApps = { folderIds: new Map<AppName, string>(), releases: new Map<AppName, string>(), appsDirId: '' } as const;

function listApps(dir: string): Apps {
  const kind = kindOf(dir);
  if (kind === 'gone') return isThere(dir) ? { ...noApps, problems: [notFolder(dir)] } : { ...noApps, apps: [], problems: [] };
  if (kind !== 'folder') return { ...noApps, problems: [kind] };
  const listing = listFolders(dir, isAppName, 'app');
  if ('problem' in listing) return { ...noApps, problems: [listing.problem] };
  const { names, problems } = listing;
  if (names.length > limits.apps) return { ...noApps, problems: [tooMany(dir, names.length, limits.apps, 'apps')] };
  // An app whose folder went meanwhile is none; the watcher tells of it again.
  const found = names.flatMap((app) => {
    const folder = currentFolderOf(join(dir, app));
    return folder ? [[app, folder] as const] : [];
  });
  const folderIds = new Map(found.map(([app, { id }]) => [app, id]));
  const releases = new Map(found.map(([app, { release }]) => [app, release]));
  return { apps: [...folderIds.keys()], folderIds, releases, appsDirId: folderIdOf(dir) ?? '', problems };
}

/** All names down to a release's folder are root's, so that they may be looked at. A link to what is not there counts for nothing. */
function currentFolderOf(appDir: string): { id: string; release: string } | undefined {
  const own = folderIdOf(appDir);
  if (own === undefined) return undefined;
  const release = releaseOfLink(linkAt(join(appDir, 'current')));
  // What is in a release never changes, and no other one has its id.
  if (release !== undefined && folderIdOf(join(appDir, linkTextOf(release))) !== undefined) return { id: release, release };
  return { id: own, release: localRelease };
}

/** '' when there is none: most apps have none, and an error costs more than all the rest. */
function linkAt(path: string): string {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : '';
  } catch {
    return ''; // gone meanwhile
  }
}

/** Device, inode and birth: inodes are used again. Undefined: it is a link or a file, or gone. */
function folderIdOf(dir: string): string | undefined {
  try {
    const stat = lstatSync(dir, { throwIfNoEntry: false });
    return stat?.isDirectory() === true ? `${stat.dev}:${stat.ino}:${Math.round(stat.birthtimeMs)}` : undefined;
  } catch {
    return undefined; // it can't be looked at
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

type Listing<Name> = { names: Name[]; problems: Problem[] } | { problem: Problem };

/** The folders in `dir` whose names are valid. Files and hidden names are nobody's; of many bad names one problem is told. */
function listFolders<Name extends string>(dir: string, isName: (text: string) => text is Name, what: 'tenant' | 'app'): Listing<Name> {
  const names: Name[] = [];
  const badNames: string[] = [];
  const links: string[] = [];
  let entries = 0;
  let folder: Dir | undefined;
  try {
    folder = opendirSync(dir);
    for (let entry = folder.readSync(); entry; entry = folder.readSync()) {
      if (++entries > limits.entries) return { problem: tooMany(dir, entries, limits.entries, 'entries') };
      if (entry.name.startsWith('.')) continue;
      if (entry.isSymbolicLink()) links.push(entry.name);
      else if (entry.isDirectory() && isName(entry.name)) names.push(entry.name);
      else if (entry.isDirectory()) badNames.push(entry.name);
    }
  } catch (error) {
    return { problem: unreadable(dir, error) };
  } finally {
    folder?.closeSync();
  }
  const problems = [...badNameProblem(dir, badNames.sort(), what), ...linkProblem(dir, links.filter(isName).sort(), what)];
  return { names: names.sort(), problems };
}

function badNameProblem(file: string, names: string[], what: string): Problem[] {
  if (names.length === 0) return [];
  const [verb, noun] = names.length === 1 ? ['is', `${what} name`] : ['are', `${what} names`];
  const message = `${listSome(names)} ${verb} no ${noun}`;
  const fix = 'use at most 32 of a-z, 0-9 and "-", a letter first; begin the name with "." to keep a folder out';
  return [{ code: 'TENANTD_E_BAD_NAME', message, fix, file }];
}

function linkProblem(file: string, names: string[], what: string): Problem[] {
  if (names.length === 0) return [];
  const message = `${listSome(names)} ${names.length === 1 ? 'is a link, which is' : 'are links, which are'} not followed`;
  return [{ code: 'TENANTD_E_BAD_PATH', message, fix: `put the folder of the ${what} itself there`, file }];
}

function notFolder(file: string): Problem {
  return { code: 'TENANTD_E_FILE_NOT_PLAIN', message: 'this is a link or a file, not a folder', fix: 'make it a folder', file };
}

function tooMany(file: string, count: number, limit: number, what: string): Problem {
  const message = `there are ${count.toLocaleString('en')} ${what}, more than ${limit.toLocaleString('en')}`;
  return { code: 'TENANTD_E_TOO_MANY', message, fix: 'take some of them away; what ran before goes on until then', file };
}

function unreadable(file: string, error: unknown): Problem {
  if (errnoOf(error) === 'ENOENT') return { code: 'TENANTD_E_FILE_MISSING', message: 'the folder is not there', fix: 'create it', file };
  const message = `the folder can not be read: ${messageOf(error)}`;
  return { code: 'TENANTD_E_FILE_UNREADABLE', message, fix: 'look at its permissions and its disk', file };
}
