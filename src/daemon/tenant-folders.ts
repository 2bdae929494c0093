import { lstatSync } from 'node:fs';
import { TenantdError } from '../base/errors.ts';
import { isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { parseDomainName } from '../config/domain-name.ts';
import { readPlainFile } from '../config/plain-file.ts';
import { limits } from '../config/scan.ts';
import { parseTenantConfig, type TenantConfig } from '../config/tenant-config.ts';
import { removeTree } from '../privileged/copy-tree.ts';
import { replaceFile } from '../privileged/operator-files.ts';
import { bubblewrapCopy } from '../privileged/programs.ts';
import { makeRootFolder, putInPlace } from '../privileged/release-folders.ts';
import type { Machine } from './machine.ts';
import type { Store } from './store.ts';

/** No tenant has such a name: scan and watch leave it alone, and the next start removes it. */
export const unfinishedPrefix = '.new-';

/**
 * Folders of tenants that are to be.
 *
 * Invariants:
 * - All that can be known to be wrong is found before anything is written.
 * - A folder is whole when it has its name, also over a power cut; until then nobody takes it for a tenant.
 */
export interface TenantFolders {
  /** Throws when no tenant can be made of that name: it is none, or there is one, or something is left of one. */
  nameFor(name: string): TenantName;
  /** In the form that they are compared in. Throws when one is none, is there twice, or is another tenant's. */
  domainsFor(domains: readonly string[]): string[];
  assertPlan(plan: string): void;
  /** `write` fills the folder that it is given; what it makes must be a tenant that can be. Answers with what its tenant.yaml says. */
  make(tenant: TenantName, write: (folder: string) => Promise<void>): Promise<TenantConfig>;
}

export interface TenantFolderParts {
  machine: Machine;
  store: Pick<Store, 'marks' | 'knownUid' | 'configTextOf' | 'domainOwners'>;
  config: () => Pick<DaemonConfig, 'plans' | 'defaultPlan'>;
}

export function createTenantFolders({ machine, store, config }: TenantFolderParts): TenantFolders {
  const { paths, programs } = machine;
  const tools = { programs, bubblewrap: `${paths.programsDir}/${bubblewrapCopy}` };

  function nameFor(name: string): TenantName {
    if (!isTenantName(name)) {
      const fix = 'use at most 32 of a-z, 0-9 and "-", a letter first';
      throw new TenantdError('TENANTD_E_BAD_NAME', `${JSON.stringify(name.slice(0, 64))} is no tenant name`, fix);
    }
    const reason = takenBecause(name);
    if (reason) throw new TenantdError('TENANTD_E_TENANT_EXISTS', ...reason);
    return name;
  }

  function takenBecause(name: TenantName): [message: string, fix: string] | undefined {
    const mark = store.marks.of(name)?.mark;
    if (mark === 'purging') return [`${name} is being deleted`, 'wait until that is done: tenantctl tenant list'];
    const removeIt = `tenantctl tenant remove ${name} --now deletes it`;
    if (mark === 'restoring') return [`${name} is being restored`, 'wait until that is done: tenantctl tenant list'];
    if (mark === 'removing') return [`${name} is being removed`, `tenantctl tenant resume ${name} takes it back, ${removeIt}`];
    if (isThere(paths.tenantDirOf(name))) return [`there is a tenant ${name}`, 'choose another name'];
    const hasState = store.knownUid(name) !== undefined || store.configTextOf(name) !== undefined || isThere(paths.tenantStateDirOf(name));
    return hasState ? [`data of a tenant ${name} from before is still there`, `${removeIt}; or put its folder back`] : undefined;
  }

  function domainsFor(domains: readonly string[]): string[] {
    const names = domains.map((text) => {
      const parsed = parseDomainName(text);
      if ('value' in parsed) return parsed.value;
      throw new TenantdError('TENANTD_E_BAD_DOMAIN', `${JSON.stringify(text)} ${parsed.fault.message}`, parsed.fault.fix);
    });
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) throw new TenantdError('TENANTD_E_DUPLICATE_DOMAIN', `${twice} is there twice`, 'give it once');
    assertFree(names);
    return names;
  }

  function assertFree(names: readonly string[]): void {
    const owners = store.domainOwners();
    const taken = names.find((name) => owners.has(name));
    const owner = taken === undefined ? undefined : owners.get(taken);
    if (owner === undefined) return;
    const isLeaving = store.marks.of(owner)?.mark === 'removing';
    const fix = isLeaving ? `${owner} is being removed, and keeps it until then` : `tenantctl domain remove ${owner} ${taken}`;
    throw new TenantdError('TENANTD_E_DOMAIN_TAKEN', `the tenant ${owner} has ${taken}`, fix);
  }

  /** Its name may have been taken meanwhile. */
  async function make(tenant: TenantName, write: (folder: string) => Promise<void>): Promise<TenantConfig> {
    const folder = `${paths.tenantsDir}/${unfinishedPrefix}${tenant}`;
    await removeTree(tools, folder);
    makeRootFolder(folder);
    try {
      await write(folder);
      const wanted = await read(tenant, folder);
      assertFree(wanted.domains.map(({ name }) => name));
      nameFor(tenant);
      putInPlace(folder, paths.tenantDirOf(tenant));
      return wanted;
    } catch (error) {
      await removeTree(tools, folder);
      throw error;
    }
  }

  async function read(tenant: TenantName, folder: string): Promise<TenantConfig> {
    const file = `${folder}/tenant.yaml`;
    const { text = '', problem } = await readPlainFile(file, { maxBytes: limits.fileBytes });
    const { plans, defaultPlan } = config();
    const parsed = problem ? { problems: [problem] } : parseTenantConfig(text, 'tenant.yaml', { tenant, plans, defaultPlan });
    if ('config' in parsed && parsed.config) return parsed.config;
    throw refusal(parsed.problems);
  }

  return {
    nameFor,
    domainsFor,
    assertPlan(plan) {
      const { plans } = config();
      if (plans.has(plan)) return;
      const fix = `take one of ${[...plans.keys()].join(', ')}`;
      throw new TenantdError('TENANTD_E_UNKNOWN_PLAN', `there is no plan ${JSON.stringify(plan)}`, fix);
    },
    make,
  };
}

/** Names and plans were checked: none has a character that YAML minds within quotes. */
export function writeTenantFile(folder: string, domains: readonly string[], plan: string | undefined): void {
  const lines = [
    'domains:',
    ...domains.map((name) => `  - ${JSON.stringify(name)}`),
    ...(plan === undefined ? [] : [`plan: ${JSON.stringify(plan)}`]),
  ];
  replaceFile(`${folder}/tenant.yaml`, `${lines.join('\n')}\n`, { uid: 0, gid: 0, mode: 0o644 });
}

function refusal(problems: readonly Problem[]): TenantdError {
  const [first] = problems;
  const message = problems.map((problem) => problem.message).join('; ');
  return new TenantdError(first?.code ?? 'TENANTD_E_INTERNAL', message, first?.fix ?? '');
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
