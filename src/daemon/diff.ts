import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../base/problem.ts';
import type { DiffChange } from '../protocol/template-calls.ts';

/**
 * What the running system has that the files on the disk do not say: pure, from what was read and what is known. The daemon carries changes of
 * files out at once, so this is what it could not, what only a restart can, and what was said in other ways than by files.
 */
export interface DiffPicture {
  daemon: DaemonPicture;
  tenants: readonly TenantDiffPicture[];
}

export interface DaemonPicture {
  file: string;
  /** Of tenantd.yaml as it is now, when it can't be used. */
  problems: readonly Problem[];
  /** Keys that only a new daemon can carry out, as they are in use and as the file has them. */
  restart: ValuePair;
  /** The same of what only new edges can. */
  edges: ValuePair;
}

export interface ValuePair {
  from: unknown;
  to: unknown;
}

export interface TenantDiffPicture {
  tenant: string;
  /** Absent: there is no such folder. */
  disk?: {
    /** What tenant.yaml means; undefined where it is no YAML, or not there. */
    value: unknown;
    /** Why it is not carried out. */
    problems: readonly Problem[];
    /** Undefined where they can't be told. */
    apps: readonly string[] | undefined;
  };
  /** Absent: the daemon does not know it. */
  applied?: {
    /** Of the last good tenant.yaml. */
    value: unknown;
    apps: readonly string[];
  };
  /** Suspended, or being removed. */
  mark?: { state: string; by: string; since: string; reason?: string };
  /** Domains of the last good tenant.yaml that it does not have. */
  refused: readonly { domain: string; why: string }[];
  apps: readonly AppDiffPicture[];
  template?: { name: string; files: readonly { path: string; kind: 'add' | 'change' | 'remove'; conflict?: string }[]; fault?: string };
}

export interface AppDiffPicture {
  app: string;
  stopped: boolean;
  /** By an operator, and as app.yaml has it. */
  scale?: { workers: number; manifest: { min: number; max: number } };
  /** That serves, while there are files of the operator's own beside it. */
  releaseOverLocal?: string;
  problems: readonly Problem[];
}

const lastGood = 'the last good version';
const shownProblems = 10;

export function findChanges({ daemon, tenants }: DiffPicture): DiffChange[] {
  return [...daemonChanges(daemon), ...tenants.flatMap(tenantChanges)];
}

function daemonChanges({ file, problems, restart, edges }: DaemonPicture): DiffChange[] {
  const broken = problems
    .slice(0, shownProblems)
    .map((problem) => ({ tenant: '', what: 'tenantd.yaml', from: lastGood, to: null, why: `broken: ${place(problem, file)}` }));
  const ofAll = (pair: ValuePair, why: string): DiffChange[] => compare(pair, []).map((change) => ({ tenant: '', ...change, why }));
  return [
    ...broken,
    ...ofAll(restart, 'takes effect when tenantd is restarted'),
    ...ofAll(edges, 'takes effect with tenantctl reload --edges'),
  ];
}

function tenantChanges(picture: TenantDiffPicture): DiffChange[] {
  const { tenant, disk, applied, mark } = picture;
  const changes: Omit<DiffChange, 'tenant'>[] = [];
  if (disk && !applied && disk.problems.length === 0) changes.push({ what: 'tenant', from: null, to: 'there', why: notYet });
  if (!disk && applied) changes.push({ what: 'tenant', from: 'there', to: null, why: notYet });
  if (disk) changes.push(...fileChanges(disk, applied));
  if (disk?.apps && applied) changes.push(...folderChanges(applied.apps, disk.apps));
  changes.push(...picture.refused.map(({ domain, why }) => ({ what: 'domains', from: null, to: domain, why })));
  if (mark) changes.push({ what: 'state', from: mark.state, to: 'in service', why: markWhy(mark) });
  changes.push(...picture.apps.flatMap(appChanges), ...templateChanges(picture));
  return changes.map((change) => ({ tenant, ...change }));
}

const notYet = 'not carried out yet: tenantctl reload';

function fileChanges(
  { value, problems }: NonNullable<TenantDiffPicture['disk']>,
  applied: TenantDiffPicture['applied'],
): Omit<DiffChange, 'tenant'>[] {
  const values = value === undefined || !applied ? [] : compare({ from: applied.value, to: value }, []);
  if (problems.length === 0) return values.map((change) => ({ ...change, why: notYet }));
  const why = `tenant.yaml is broken: ${place(problems[0])}`;
  if (values.length > 0) return values.map((change) => ({ ...change, why }));
  return [{ what: 'tenant.yaml', from: applied ? lastGood : null, to: null, why }];
}

function folderChanges(applied: readonly string[], disk: readonly string[]): Omit<DiffChange, 'tenant'>[] {
  const change = (app: string, from: string | null, to: string | null) => ({ app, what: 'app', from, to, why: notYet });
  return [
    ...applied.filter((app) => !disk.includes(app)).map((app) => change(app, 'there', null)),
    ...disk.filter((app) => !applied.includes(app)).map((app) => change(app, null, 'there')),
  ];
}

function markWhy({ by, since, reason }: NonNullable<TenantDiffPicture['mark']>): string {
  return `by ${by} since ${since}${reason === undefined ? '' : `: ${reason}`}`;
}

function appChanges({ app, stopped, scale, releaseOverLocal, problems }: AppDiffPicture): Omit<DiffChange, 'tenant'>[] {
  const changes: Omit<DiffChange, 'tenant' | 'app'>[] = problems
    .slice(0, shownProblems)
    .map((problem) => ({ what: 'app.yaml', from: lastGood, to: null, why: `not carried out: ${place(problem)}` }));
  if (stopped) changes.push({ what: 'state', from: 'stopped', to: 'running', why: 'tenantctl app stop' });
  if (scale) {
    const { min, max } = scale.manifest;
    changes.push({
      what: 'workers',
      from: String(scale.workers),
      to: min === max ? String(min) : `${min} to ${max}`,
      why: 'tenantctl app scale',
    });
  }
  if (releaseOverLocal !== undefined) {
    changes.push({ what: 'release', from: releaseOverLocal, to: 'local', why: 'the folder has files of its own beside its releases' });
  }
  return changes.map((change) => ({ app, ...change }));
}

const fileWords = { add: [null, 'a new file'], change: ['as it was made', 'another content'], remove: ['as it was made', null] } as const;

function templateChanges({ tenant, template }: TenantDiffPicture): Omit<DiffChange, 'tenant'>[] {
  if (!template) return [];
  const { name, files, fault } = template;
  if (fault !== undefined) return [{ what: 'template', from: name, to: null, why: `it can not be applied: ${fault}` }];
  return files.map(({ path, kind, conflict }) => {
    const [from, to] = fileWords[kind];
    const why = conflict === undefined ? `tenantctl template apply ${name} ${tenant}` : `template ${name}, left alone: ${conflict}`;
    return { ...appOfPath(path), what: path, from: conflict === undefined ? from : "the operator's", to, why };
  });
}

function appOfPath(path: string): { app?: string } {
  const [top, app] = path.split('/');
  return top === 'apps' && app !== undefined ? { app } : {};
}

type ValueChange = Pick<DiffChange, 'what' | 'from' | 'to'>;

/** Key by key; of lists, whose order means nothing, entry by entry. */
function compare({ from, to }: ValuePair, path: readonly string[]): ValueChange[] {
  if (isDeepStrictEqual(from, to)) return [];
  const [before, after] = [asMap(from), asMap(to)];
  if ((before ?? after) && (before || from === undefined) && (after || to === undefined)) {
    const keys = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
    return keys.flatMap((key) => compare({ from: before?.[key], to: after?.[key] }, [...path, key]));
  }
  const what = path.join('.') || 'tenant.yaml';
  if (!isListOrNone(from) || !isListOrNone(to)) return [{ what, from: show(from), to: show(to) }];
  const [left, right] = [from ?? [], to ?? []];
  const missing = (list: readonly unknown[], value: unknown): boolean => !list.some((other) => isDeepStrictEqual(other, value));
  return [
    ...left.filter((value) => missing(right, value)).map((value) => ({ what, from: show(value), to: null })),
    ...right.filter((value) => missing(left, value)).map((value) => ({ what, from: null, to: show(value) })),
  ];
}

function asMap(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function isListOrNone(value: unknown): value is unknown[] | undefined {
  return value === undefined || Array.isArray(value);
}

function show(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function place(problem: Problem | undefined, known = ''): string {
  const { file = known, line, message = '' } = problem ?? {};
  return `${file}${line === undefined ? '' : `:${line}`}: ${message}`;
}
