import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../base/errors.ts';
import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { placed } from './placed.ts';
import { readPlainFile } from './plain-file.ts';
import { listSome } from './quote.ts';

/** What one tenant's folder holds. Only names and tenant.yaml: root reads nothing below `apps/<app>/`. */
export interface TenantScan {
  name: TenantName;
  dir: string;
  /** Of tenant.yaml, also when it can't be read. */
  file: string;
  /** tenant.yaml's text; absent when it can't be read: `problems` says why. */
  text?: string;
  /** In alphabetical order; absent when they can't be told: `problems` says why. */
  apps?: AppName[];
  /** `device:inode` of each app's folder: another folder of the same name is another app to run. */
  folderIds: ReadonlyMap<AppName, string>;
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
const scansAtOnce = 16;

export async function scanTenants(tenantsDir: string): Promise<ScanResult> {
  const listing = await listFolders(tenantsDir, isTenantName, 'tenant');
  if ('problem' in listing) return { ok: false, tenants: [], problems: [listing.problem] };
  const { names, problems } = listing;
  // Which of too many to leave out is not ours to choose: those that run go on.
  if (names.length > limits.tenants)
    return { ok: false, tenants: [], problems: [tooMany(tenantsDir, names.length, limits.tenants, 'tenants')] };
  return { ok: true, tenants: await scanAll(tenantsDir, names), problems };
}

/** One tenant anew; undefined when its folder is gone (or is a link, or no folder). */
export async function scanTenant(tenantsDir: string, name: TenantName): Promise<TenantScan | undefined> {
  const dir = join(tenantsDir, name);
  const file = join(dir, 'tenant.yaml');
  const kind = await kindOf(dir);
  if (kind === 'gone') return undefined;
  if (kind !== 'folder') return { name, dir, file, ...noApps, problems: [{ ...kind, tenant: name }] };
  const [config, apps] = await Promise.all([readPlainFile(file, { maxBytes: limits.fileBytes }), listApps(join(dir, 'apps'))]);
  const problems = [...(config.problem ? [config.problem] : []), ...apps.problems].map((problem) => placed(problem, { tenant: name }));
  return { name, dir, file, ...apps, problems, ...(config.problem ? {} : { text: config.text }) };
}

async function scanAll(tenantsDir: string, names: TenantName[]): Promise<TenantScan[]> {
  const scans: TenantScan[] = [];
  for (let start = 0; start < names.length; start += scansAtOnce) {
    const batch = names.slice(start, start + scansAtOnce).map((name) => scanTenant(tenantsDir, name));
    scans.push(...(await Promise.all(batch)).filter((scan) => scan !== undefined));
  }
  return scans;
}

/** The folder may have gone since it was listed; one that can't be looked at is there, as far as anyone knows. */
async function kindOf(dir: string): Promise<'folder' | 'gone' | Problem> {
  try {
    return (await lstat(dir)).isDirectory() ? 'folder' : 'gone';
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'gone' : unreadable(dir, error);
  }
}

type Apps = Pick<TenantScan, 'apps' | 'folderIds' | 'appsDirId' | 'problems'>;

const noApps = { folderIds: new Map<AppName, string>(), appsDirId: '' } as const;

async function listApps(dir: string): Promise<Apps> {
  const appsDirId = await folderIdOf(dir).catch((error: unknown) => unreadable(dir, error));
  if (appsDirId === undefined) return { ...noApps, problems: [notFolder(dir)] };
  if (typeof appsDirId !== 'string')
    return appsDirId.code === 'TENANTD_E_FILE_MISSING' ? { ...noApps, apps: [], problems: [] } : { ...noApps, problems: [appsDirId] };
  const listing = await listFolders(dir, isAppName, 'app');
  if ('problem' in listing) return { ...noApps, problems: [listing.problem] };
  const { names, problems } = listing;
  if (names.length > limits.apps) return { ...noApps, problems: [tooMany(dir, names.length, limits.apps, 'apps')] };
  // An app whose folder went meanwhile is none; the watcher tells of it again.
  const ids = await Promise.all(names.map(async (app) => [app, await folderIdOf(join(dir, app)).catch(() => undefined)] as const));
  const folderIds = new Map(ids.flatMap(([app, id]) => (id === undefined ? [] : [[app, id] as const])));
  return { apps: [...folderIds.keys()], folderIds, appsDirId, problems };
}

/** Device, inode and birth: inodes are used again. Undefined: it is a link or a file. */
async function folderIdOf(dir: string): Promise<string | undefined> {
  const stat = await lstat(dir);
  return stat.isDirectory() ? `${stat.dev}:${stat.ino}:${Math.round(stat.birthtimeMs)}` : undefined;
}

type Listing<Name> = { names: Name[]; problems: Problem[] } | { problem: Problem };

/** The folders in `dir` whose names are valid. Files and hidden names are nobody's; of many bad names one problem is told. */
async function listFolders<Name extends string>(
  dir: string,
  isName: (text: string) => text is Name,
  what: 'tenant' | 'app',
): Promise<Listing<Name>> {
  const names: Name[] = [];
  const badNames: string[] = [];
  const links: string[] = [];
  let entries = 0;
  try {
    for await (const entry of await opendir(dir, { bufferSize: 1_024 })) {
      if (++entries > limits.entries) return { problem: tooMany(dir, entries, limits.entries, 'entries') };
      if (entry.name.startsWith('.')) continue;
      if (entry.isSymbolicLink()) links.push(entry.name);
      else if (entry.isDirectory() && isName(entry.name)) names.push(entry.name);
      else if (entry.isDirectory()) badNames.push(entry.name);
    }
  } catch (error) {
    return { problem: unreadable(dir, error) };
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
