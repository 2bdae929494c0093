import type { TenantName } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { wildcardsOver } from '../config/domain-name.ts';
import { claimDomains } from '../config/domains.ts';
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
 * - Domains are shared out over all tenants at once, the first claim first.
 */
export interface Fleet {
  /** What a scan of everything found; answers with the tenants that are now wanted differently. */
  applyScan(scan: ScanResult): TenantName[];
  /** One tenant anew. */
  applyTenant(scan: TenantScan): TenantName[];
  /** Other plans: every tenant's limits are worked out again. */
  setPlans(config: Pick<DaemonConfig, 'plans' | 'defaultPlan'>): TenantName[];
  desired(name: TenantName): DesiredTenant | undefined;
  names(): TenantName[];
  /** Tenants without a single good version of their file: nothing of them runs. */
  broken(): { name: TenantName; problems: readonly Problem[] }[];
  /** Of tenantsDir as a whole. */
  problems(): readonly Problem[];
}

/** What was read of one tenant last, good or not. */
interface Known {
  scan: TenantScan;
  config: TenantConfig | undefined;
  positions: TenantConfigResult['positions'];
  problems: readonly Problem[];
}

export function createFleet(store: Store, paths: Paths, plans: Pick<DaemonConfig, 'plans' | 'defaultPlan'>): Fleet {
  const known = new Map<TenantName, Known>();
  let desired = new Map<TenantName, DesiredTenant>();
  let keys = new Map<TenantName, string>();
  let ofDirectory: readonly Problem[] = [];

  /** `before`: what was known of the tenant until now. Its last good file may name a plan that is gone since. */
  function read(scan: TenantScan, before: Known | undefined): Known {
    const context = { tenant: scan.name, plans: plans.plans, defaultPlan: plans.defaultPlan };
    const fresh = scan.text === undefined ? undefined : parseTenantConfig(scan.text, scan.file, context);
    if (scan.text !== undefined && fresh?.config) {
      const problems = [...scan.problems, ...fresh.problems, ...remember(scan.name, scan.text)];
      return { scan, config: fresh.config, positions: fresh.positions, problems };
    }
    const lastGood = store.configTextOf(scan.name);
    const parseKept = (known: typeof context | (Omit<typeof context, 'plans'> & { plans: undefined })) =>
      lastGood === undefined ? undefined : parseTenantConfig(lastGood, scan.file, known).config;
    // A plan that is gone since the daemon was started last: the tenant runs on within the limits of the built-in one.
    const config = parseKept(context) ?? before?.config ?? parseKept({ ...context, plans: undefined });
    return { scan, config, positions: new Map(), problems: [...scan.problems, ...(fresh?.problems ?? [])] };
  }

  /** With a full disk the new version serves all the same; only a restart would not know it. */
  function remember(name: TenantName, text: string): Problem[] {
    try {
      if (store.configTextOf(name) !== text) store.setConfigText(name, text);
      return [];
    } catch (error) {
      const message = `the state store can not be written: ${messageOf(error)}`;
      return [{ code: 'TENANTD_E_STATE', message, fix: 'make room on the disk of stateDir', tenant: name }];
    }
  }

  /** Shares out the domains and tells who is wanted differently than before. */
  function settle(): TenantName[] {
    const claims = [...known.values()].flatMap(({ scan, config, positions }) =>
      config ? [{ tenant: scan.name, domains: config.domains, file: scan.file, positions }] : [],
    );
    const unreadable = new Set([...known.values()].flatMap(({ scan, config }) => (config ? [] : [scan.name])));
    const before = store.domainOwners();
    const { accepted, problems, owners } = claimDomains(claims, before, unreadable);
    if (!isSameMap(before, owners)) store.replaceDomainOwners(owners);
    const sharers = [...known].flatMap(([tenant, { config }]) => readersOf(tenant, config));
    const next = new Map(
      [...known].flatMap(([name, { scan, config, problems: own }]): [TenantName, DesiredTenant][] => {
        if (!config) return [];
        const ofTenant = [...own, ...problems.filter(({ tenant }) => tenant === name)];
        const domains = accepted.get(name) ?? [];
        const sharedBy = sharers.filter(({ to }) => to === name).map(({ tenant }) => tenant);
        return [[name, describe(scan, { config, domains, owners: ownersNear(domains, owners), sharedBy, problems: ofTenant })]];
      }),
    );
    return replace(next);
  }

  function describe(scan: TenantScan, rest: Pick<DesiredTenant, 'config' | 'domains' | 'owners' | 'sharedBy' | 'problems'>): DesiredTenant {
    const appsDir = paths.appsDirOf(scan.name);
    return { tenant: scan.name, appsDir, ...foldersOf(scan, desired.get(scan.name)), ...rest };
  }

  function replace(next: Map<TenantName, DesiredTenant>): TenantName[] {
    const nextKeys = new Map([...next].map(([name, tenant]) => [name, JSON.stringify({ ...tenant, owners: [...tenant.owners] })]));
    const changed = [...new Set([...keys.keys(), ...nextKeys.keys()])].filter((name) => keys.get(name) !== nextKeys.get(name));
    desired = next;
    keys = nextKeys;
    return changed;
  }

  return {
    applyScan({ ok, tenants, problems }) {
      ofDirectory = problems;
      if (!ok) return [];
      const next = tenants.map((scan) => [scan.name, read(scan, known.get(scan.name))] as const);
      known.clear();
      for (const [name, tenant] of next) known.set(name, tenant);
      return settle();
    },
    applyTenant(scan) {
      known.set(scan.name, read(scan, known.get(scan.name)));
      return settle();
    },
    setPlans(next) {
      plans = next;
      for (const [name, before] of known) known.set(name, read(before.scan, before));
      return settle();
    },
    desired: (name) => desired.get(name),
    names: () => [...desired.keys()].sort(),
    broken: () => [...known].flatMap(([name, { config, problems }]) => (config ? [] : [{ name, problems }])),
    problems: () => ofDirectory,
  };
}

function readersOf(tenant: TenantName, config: TenantConfig | undefined): { tenant: TenantName; to: string }[] {
  const grants = config?.grants.filter(({ path, to }) => path !== undefined && to !== tenant) ?? [];
  return [...new Set(grants.map(({ to }) => to))].map((to) => ({ tenant, to }));
}

/** Where `apps/` can't be told, what was known of it stays. */
function foldersOf(
  { apps, folderIds, appsDirId }: TenantScan,
  before: DesiredTenant | undefined,
): Pick<DesiredTenant, 'apps' | 'appsDirId'> {
  if (!apps) return { apps: before?.apps ?? [], appsDirId: before?.appsDirId ?? '' };
  return { apps: apps.map((app) => ({ app, folderId: folderIds.get(app) ?? '' })), appsDirId };
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

function isSameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
