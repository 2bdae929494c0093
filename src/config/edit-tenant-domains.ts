import { isDeepStrictEqual } from 'node:util';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { capProblems } from './cap-problems.ts';
import { parseDomainName } from './domain-name.ts';
import { placed } from './placed.ts';
import { listSome, quote } from './quote.ts';
import { limits } from './scan.ts';
import { parseTenantConfig, type TenantConfigResult, type TenantDomain } from './tenant-config.ts';
import { appendToList, findYamlList, removeFromList, type YamlList } from './yaml-list.ts';
import { parseYaml } from './yaml-source.ts';

/** Names are in the form of `parseDomainName`, in the order they were given. */
export type DomainEdit =
  | {
      /** The new tenant.yaml: comments, order and spelling are kept. */
      text: string;
      changed: string[];
      /** Were listed, or not listed, before. */
      unchanged: string[];
      problems: [];
    }
  | { text?: undefined; problems: Problem[] };

/** Of the text, for problems. */
interface Place {
  file: string;
  tenant: TenantName;
}

/** All names or none. A file that has problems is not touched, and none is written that would have some. */
export function addDomains(text: string, names: readonly string[], place: Place): DomainEdit {
  return editDomains(text, names, place, (listed, wanted) => {
    const known = new Set(listed.map(({ name }) => name));
    const added = wanted.filter((name) => !known.has(name));
    return {
      changed: added,
      apply: (list) => appendToList(text, list, added),
      expect: (entries) => [...entries, ...added],
      problems: [],
    };
  });
}

/** As `addDomains`; one domain must stay, and so must those that others redirect to. */
export function removeDomains(text: string, names: readonly string[], place: Place): DomainEdit {
  return editDomains(text, names, place, (listed, wanted) => {
    const gone = new Set(wanted);
    const indexes = new Set(listed.flatMap(({ name }, index) => (gone.has(name) ? [index] : [])));
    const kept = listed.filter(({ name }) => !gone.has(name));
    const known = new Set(listed.map(({ name }) => name));
    return {
      changed: wanted.filter((name) => known.has(name)),
      apply: (list) => removeFromList(text, list, indexes),
      expect: (entries) => entries.filter((_, index) => !indexes.has(index)),
      problems: [...judgeLast(kept), ...judgeRedirects(kept, gone)],
    };
  });
}

interface Plan {
  changed: string[];
  apply(list: YamlList): string;
  /** What `domains` is then, as it is written. */
  expect(entries: unknown[]): unknown[];
  problems: Problem[];
}

type MakePlan = (listed: readonly TenantDomain[], wanted: readonly string[]) => Plan;

function editDomains(text: string, names: readonly string[], place: Place, makePlan: MakePlan): DomainEdit {
  const { config, problems: broken } = parse(text, place);
  if (!config) return { problems: broken };
  const { wanted, problems: badNames } = parseNames(names);
  const plan = makePlan(config.domains, wanted);
  const problems = [...badNames, ...plan.problems];
  if (problems.length > 0) return { problems: capProblems(problems.map((problem) => placed(problem, place))) };
  const changed = new Set(plan.changed);
  const unchanged = wanted.filter((name) => !changed.has(name));
  if (changed.size === 0) return { text, changed: [], unchanged, problems: [] };
  const edited = apply(text, plan, place);
  return edited.text === undefined ? edited : { text: edited.text, changed: plan.changed, unchanged, problems: [] };
}

/** The plans are not this file's business. */
function parse(text: string, { file, tenant }: Place): TenantConfigResult {
  return parseTenantConfig(text, file, { tenant, plans: undefined, defaultPlan: 'starter' });
}

function parseNames(names: readonly string[]): { wanted: string[]; problems: Problem[] } {
  const wanted = new Set<string>();
  const problems: Problem[] = [];
  for (const name of names) {
    const parsed = parseDomainName(name);
    if ('value' in parsed) wanted.add(parsed.value);
    else problems.push({ code: 'TENANTD_E_BAD_DOMAIN', message: `${quote(name)} ${parsed.fault.message}`, fix: parsed.fault.fix });
  }
  return { wanted: [...wanted], problems };
}

function judgeLast(kept: readonly TenantDomain[]): Problem[] {
  if (kept.length > 0) return [];
  return [{ code: 'TENANTD_E_INVALID_VALUE', message: 'a tenant keeps at least one domain', fix: 'add another one first' }];
}

function judgeRedirects(kept: readonly TenantDomain[], gone: ReadonlySet<string>): Problem[] {
  const left = kept.filter(({ redirectTo }) => redirectTo !== undefined && gone.has(redirectTo));
  if (left.length === 0) return [];
  const [targets, names] = [new Set(left.map(({ redirectTo }) => redirectTo ?? '')), left.map(({ name }) => name)];
  const message = `${listSome([...targets])} can not be removed: ${listSome(names)} ${names.length === 1 ? 'redirects' : 'redirect'} to it`;
  return [{ code: 'TENANTD_E_REDIRECT_TARGET', message, fix: 'remove what redirects to it too, or redirect it elsewhere first' }];
}

/** The file is read again: nothing but `domains` may have changed, and nothing may be wrong with it. */
function apply(text: string, plan: Plan, place: Place): { text: string } | { text?: undefined; problems: Problem[] } {
  const before = valueOf(text, place);
  const list = findYamlList(text, 'domains');
  if (!list) return { problems: [cannotEdit(place)] };
  const next = plan.apply(list);
  const { config, problems } = parse(next, place);
  const expected = { ...before, domains: plan.expect(before.domains) };
  const clean = isDeepStrictEqual(valueOf(next, place), expected);
  if (!clean) return { problems: [cannotEdit(place)] };
  if (!config) return { problems };
  return Buffer.byteLength(next) > limits.fileBytes ? { problems: [tooLarge(place)] } : { text: next };
}

function valueOf(text: string, { file }: Place): { domains: unknown[] } {
  const value = parseYaml(text, file).source?.value;
  if (typeof value !== 'object' || value === null || !('domains' in value) || !Array.isArray(value.domains)) return { domains: [] };
  return { ...value, domains: value.domains };
}

function cannotEdit(place: Place): Problem {
  const message = '`domains` is written in a way that can not be edited here without changing more';
  return { code: 'TENANTD_E_CONFIGURATION', message, fix: 'edit the file by hand, then run `tenantctl reload`', ...place };
}

function tooLarge(place: Place): Problem {
  const message = `the file would be over ${limits.fileBytes / 1024} KiB`;
  return { code: 'TENANTD_E_FILE_TOO_LARGE', message, fix: 'use wildcards, or several tenants', ...place };
}
