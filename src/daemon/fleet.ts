import { hash } from 'node:crypto';
import type { TenantName } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import { localRelease } from '../base/release-ids.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { wildcardsOver } from '../config/domain-name.ts';
import { claimDomains, type ClaimResult, type DomainClaims } from '../config/domains.ts';
import type { ScanResult, TenantScan } from '../config/scan.ts';
import { parseTenantConfig, type TenantConfig, type TenantConfigResult } from '../config/tenant-config.ts';
import type { DesiredTenant } from './desired.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';

/**
 * All tenants as their operator's files want them.
 *
 * Invariants:
 * - A tenant whose folder is there keeps its last good tenant.yaml (also over a restart) until a better one is read.
 * - A scan that could not tell what is there changes nothing.
 * - Domains are shared out over all tenants at once, the first claim first; one that is being removed keeps its own until its folder is gone.
 */
export interface Fleet {
  /** What a scan of everything found; answers with the tenants that are now wanted differently. */
  applyScan(scan: ScanResult): TenantName[];
  /** One tenant anew. */
  applyTenant(scan: TenantScan): TenantName[];
  /** Other plans: every tenant's limits are worked out again. */
  setPlans(config: Pick<DaemonConfig, 'plans' | 'defaultPlan'>): TenantName[];
  plans(): Pick<DaemonConfig, 'plans' | 'defaultPlan'>;
  /** Marks of tenants were set or removed. */
  remark(): TenantName[];
  /** Undefined also for one that is being removed, though its files are there. */
  desired(name: TenantName): DesiredTenant | undefined;
  /** By its files, also while it is being removed. */
  filesOf(name: TenantName): Pick<TenantConfig, 'plan' | 'domains'> | undefined;
  /** Nothing of it is left: what was known is forgotten. */
  forget(name: TenantName): void;
  names(): TenantName[];
  /** Tenants without a single good version of their file: nothing of them runs. */
  broken(): { name: TenantName; problems: readonly Problem[] }[];
  /** Of all tenants together. */
  problems(): readonly Problem[];
  /** Not all could be written: another scan tries again. */
  isOwing(): boolean;
}

/** What was read of one tenant last, good or not. */
interface Known {
  scan: TenantScan;
  /** Of this scan's own text; undefined when it has none. */
  parsed: TenantConfigResult | undefined;
  config: TenantConfig | undefined;
  positions: TenantConfigResult['positions'];
  problems: readonly Problem[];
}

/** A tenant as it is wanted, what that was made of, and a digest of it. */
interface Described {
  read: Known;
  desired: DesiredTenant;
  key: string;
}

export function createFleet(store: Store, paths: Paths, plans: Pick<DaemonConfig, 'plans' | 'defaultPlan'>): Fleet {
  const known = new Map<TenantName, Known>();
  let described = new Map<TenantName, Described>();
  let ofDirectory: readonly Problem[] = [];
  /** Of each text that is in the store: it is not asked again. */
  const remembered = new Map<TenantName, string>();
  let unwritten: ReadonlyMap<TenantName, Problem> = new Map();
  let owned: Map<string, TenantName> | undefined;
  let ownersProblem: Problem | undefined;

  /** `before`: what was known of the tenant until now. Its last good file may name a plan that is gone since. */
  function read(scan: TenantScan, before: Known | undefined): Known {
    if (before?.parsed && isSameScan(before.scan, scan)) return before;
    const context = { tenant: scan.name, plans: plans.plans, defaultPlan: plans.defaultPlan };
    const parsed = before?.parsed && before.scan.text === scan.text ? before.parsed : parse(scan, context);
    const problems = [...scan.problems, ...(parsed?.problems ?? [])];
    if (parsed?.config) return { scan, parsed, config: parsed.config, positions: parsed.positions, problems };
    const lastGood = store.configTextOf(scan.name);
    const parseKept = (known: typeof context | (Omit<typeof context, 'plans'> & { plans: undefined })) =>
      lastGood === undefined ? undefined : parseTenantConfig(lastGood, scan.file, known).config;
    // A plan that is gone since the daemon was started last: the tenant runs on within the limits of the built-in one.
    const config = parseKept(context) ?? before?.config ?? parseKept({ ...context, plans: undefined });
    return { scan, parsed, config, positions: new Map(), problems };
  }

  function parse(scan: TenantScan, context: Parameters<typeof parseTenantConfig>[2]): TenantConfigResult | undefined {
    return scan.text === undefined ? undefined : parseTenantConfig(scan.text, scan.file, context);
  }

  /** All at once. With a full disk new versions serve all the same; only a restart would not know them. */
  function remember(fresh: readonly Known[]): void {
    const good = fresh.flatMap(({ scan, parsed }) => (parsed?.config && scan.text !== undefined ? [[scan.name, scan.text] as const] : []));
    const changed = good.filter(([name, text]) => remembered.get(name) !== digestOf(text));
    try {
      const different = changed.filter(([name, text]) => store.configTextOf(name) !== text);
      if (different.length > 0) store.setConfigTexts(different);
      for (const [name, text] of changed) remembered.set(name, digestOf(text));
      unwritten = new Map();
    } catch (error) {
      const problem = { code: 'TENANTD_E_STATE', message: messageOf(error), fix: roomFix } as const;
      unwritten = new Map(changed.map(([tenant]) => [tenant, { ...problem, tenant }]));
    }
  }

  /** Shares out the domains and tells who is wanted differently than before. */
  function settle(): TenantName[] {
    const claims = [...known.values()].flatMap(({ scan, config, positions }) =>
      config ? [{ tenant: scan.name, domains: config.domains, file: scan.file, positions }] : [],
    );
    const unreadable = new Set([...known.values()].flatMap(({ scan, config }) => (config ? [] : [scan.name])));
    const { accepted, problems, owners } = settleOwners(claims, unreadable);
    const problemsOf = Map.groupBy([...problems, ...unwritten.values()], ({ tenant }) => tenant);
    const marks = store.marks.all();
    const sharers = [...known].flatMap(([tenant, { config }]) => (marks.has(tenant) ? [] : readersOf(tenant, config)));
    const next = new Map(
      [...known].flatMap(([name, read]): [TenantName, Described][] => {
        const mark = marks.get(name)?.mark;
        if (!read.config || (mark !== undefined && mark !== 'suspended')) return [];
        const suspended = mark === 'suspended';
        const domains = accepted.get(name) ?? [];
        const sharedBy = sharers.filter(({ to }) => to === name).map(({ tenant }) => tenant);
        const ofOthers = problemsOf.get(name) ?? [];
        const before = described.get(name);
        const isUntouched = before?.read === read && before.desired.suspended === suspended && ofOthers.length === 0;
        if (isUntouched && isStill(before, domains, sharedBy)) return [[name, before]];
        const rest = { config: read.config, domains, owners: ownersNear(domains, owners), sharedBy, suspended };
        return [[name, describe(read, { ...rest, problems: [...read.problems, ...ofOthers] })]];
      }),
    );
    return replace(next);
  }

  /** What can't be written is not given: after a restart another could have it. */
  function settleOwners(claims: readonly DomainClaims[], unreadable: ReadonlySet<TenantName>): ClaimResult {
    owned ??= store.domainOwners();
    const claimed = claimDomains(claims, owned, unreadable);
    try {
      if (!isSameMap(owned, claimed.owners)) store.replaceDomainOwners(claimed.owners);
      owned = claimed.owners;
      ownersProblem = undefined;
      return claimed;
    } catch (error) {
      const before = owned;
      ownersProblem = { code: 'TENANTD_E_STATE', message: `domains that are new are not served yet: ${messageOf(error)}`, fix: roomFix };
      const accepted = [...claimed.accepted].map(
        ([tenant, domains]) => [tenant, domains.filter(({ name }) => before.get(name) === tenant)] as const,
      );
      return { ...claimed, accepted: new Map(accepted), owners: before };
    }
  }

  function describe(read: Known, rest: Omit<DesiredTenant, 'tenant' | 'apps' | 'appsDir' | 'appsDirId'>): Described {
    const { scan } = read;
    const folders = foldersOf(scan, described.get(scan.name)?.desired);
    const desired = { tenant: scan.name, appsDir: paths.appsDirOf(scan.name), ...folders, ...rest };
    return { read, desired, key: digestOf(JSON.stringify({ ...desired, owners: [...desired.owners] })) };
  }

  function replace(next: Map<TenantName, Described>): TenantName[] {
    const changed = [...new Set([...described.keys(), ...next.keys()])].filter((name) => described.get(name)?.key !== next.get(name)?.key);
    described = next;
    return changed;
  }

  return {
    applyScan({ ok, tenants, problems }) {
      ofDirectory = problems;
      if (!ok) return [];
      const next = tenants.map((scan) => [scan.name, read(scan, known.get(scan.name))] as const);
      known.clear();
      for (const [name, tenant] of next) known.set(name, tenant);
      remember([...known.values()]);
      return settle();
    },
    applyTenant(scan) {
      known.set(scan.name, read(scan, known.get(scan.name)));
      remember([...known.values()]);
      return settle();
    },
    setPlans(next) {
      const isSame = JSON.stringify([...next.plans, next.defaultPlan]) === JSON.stringify([...plans.plans, plans.defaultPlan]);
      plans = next;
      if (isSame) return [];
      for (const [name, before] of known) known.set(name, read(before.scan, { ...before, parsed: undefined }));
      return settle();
    },
    remark: settle,
    plans: () => plans,
    desired: (name) => described.get(name)?.desired,
    filesOf: (name) => known.get(name)?.config,
    forget: (name) => void remembered.delete(name),
    names: () => [...described.keys()].sort(),
    broken: () => [...known].flatMap(([name, { config, problems }]) => (config ? [] : [{ name, problems }])),
    problems: () => [...ofDirectory, ...(ownersProblem ? [ownersProblem] : [])],
    isOwing: () => unwritten.size > 0 || ownersProblem !== undefined,
  };
}

/** Nothing has changed by what others claim and share. */
function isStill({ read, desired }: Described, domains: DesiredTenant['domains'], sharedBy: readonly TenantName[]): boolean {
  const hasWildcard = domains.some(({ name }) => name.startsWith('*.'));
  if (hasWildcard || desired.problems.length !== read.problems.length || desired.domains.length !== domains.length) return false;
  return domains.every((domain, index) => desired.domains[index] === domain) && sharedBy.join() === desired.sharedBy.join();
}

/** What is in it, one by one: thousands of them are compared. */
function isSameScan(a: TenantScan, b: TenantScan): boolean {
  if (a.text !== b.text || a.appsDirId !== b.appsDirId || a.problems.length > 0 || b.problems.length > 0) return false;
  return isSameMap(a.folderIds, b.folderIds) && isSameMap(a.releases, b.releases) && a.apps?.join() === b.apps?.join();
}

function readersOf(tenant: TenantName, config: TenantConfig | undefined): { tenant: TenantName; to: string }[] {
  const grants = config?.grants.filter(({ path, to }) => path !== undefined && to !== tenant) ?? [];
  return [...new Set(grants.map(({ to }) => to))].map((to) => ({ tenant, to }));
}

/** Where `apps/` can't be told, what was known of it stays. */
function foldersOf(
  { apps, folderIds, releases, appsDirId }: TenantScan,
  before: DesiredTenant | undefined,
): Pick<DesiredTenant, 'apps' | 'appsDirId'> {
  if (!apps) return { apps: before?.apps ?? [], appsDirId: before?.appsDirId ?? '' };
  return { apps: apps.map((app) => ({ app, folderId: folderIds.get(app) ?? '', release: releases.get(app) ?? localRelease })), appsDirId };
}

/** Of all owners those that matter to one tenant's routes: its own names', and those below its wildcards. */
function ownersNear(domains: DesiredTenant['domains'], owners: ReadonlyMap<string, TenantName>): ReadonlyMap<string, TenantName> {
  const own = new Set(domains.map(({ name }) => name));
  const hasWildcard = [...own].some((name) => name.startsWith('*.'));
  if (!hasWildcard) return new Map([...own].flatMap((name) => toEntry(name, owners)));
  return new Map([...owners].filter(([name]) => own.has(name) || wildcardsOver(name).some((wildcard) => own.has(wildcard))));
}

function toEntry(name: string, owners: ReadonlyMap<string, TenantName>): [string, TenantName][] {
  const owner = owners.get(name);
  return owner === undefined ? [] : [[name, owner]];
}

const roomFix = 'make room on the disk of stateDir: the rest follows by itself';

/** To compare texts of which too many are there to be kept. */
function digestOf(text: string): string {
  return hash('sha1', text, 'base64');
}

function isSameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
