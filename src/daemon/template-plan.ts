import { hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import type { TenantName } from '../base/ids.ts';
import { mergeYaml } from '../config/template-merge.ts';
import { type Template, type TemplateFile, toText } from '../config/template-render.ts';
import { readInTree } from '../privileged/operator-trees.ts';
import type { TemplateFileChange } from '../protocol/template-calls.ts';
import type { TemplateRow } from './template-rows.ts';
import { hashOf, type Templates } from './templates.ts';

/** One file that is not as the template has it now, and that the template changed. */
export interface PlannedChange {
  path: string;
  kind: TemplateFileChange['kind'];
  /** Of what is there, if something is. */
  beforeHash?: string;
  /** What is there, unless it is long. */
  before?: Uint8Array;
  /** As it is to be. */
  after?: TemplateFile;
  /** Why it is not carried out. */
  conflict?: string;
  /** Of tenant.yaml: what both changed, while all else is merged. */
  keys?: readonly string[];
}

/** What applying a template to a tenant is. */
export interface TemplatePlan {
  changes: readonly PlannedChange[];
  /** Apps with releases of their own. */
  deployed: readonly string[];
  /** What is remembered once it is done. */
  row: TemplateRow;
  /** Of all that was looked at: another digest is another plan. */
  digest: string;
}

export interface PlanRequest {
  tenant: TenantName;
  tenantDir: string;
  template: Template;
  /** What it was made with. */
  row: TemplateRow;
  set: Readonly<Record<string, string>>;
  force: boolean;
}

const tenantFile = 'tenant.yaml';
/** Of one file that is there, and what of it is kept. */
const maxFileBytes = 32 << 20;
const maxShownBytes = 256 << 10;

/** Compares three versions of each file: as the template had it last, as it is, and as the template has it now. */
export async function planTemplate(templates: Templates, request: PlanRequest): Promise<TemplatePlan> {
  const { tenant, tenantDir, template, row, force } = request;
  const known = new Set(template.settings.variables.map(({ name }) => name));
  // A variable that the template has no more is not asked for again.
  const kept = Object.fromEntries(Object.entries(row.input.set).filter(([name]) => known.has(name)));
  const rendered = templates.render(template, { name: tenant, ...row.input, set: { ...kept, ...request.set } });
  const files = new Map(rendered.files.map((file) => [file.path, file]));
  const paths = [...new Set([...Object.keys(row.hashes), ...files.keys()])].toSorted();
  const deployed = [...new Set(paths.flatMap((path) => appOf(path) ?? []))].filter((app) => hasReleases(`${tenantDir}/apps/${app}`));
  const isOurs = (path: string): boolean => !deployed.includes(appOf(path) ?? '');
  const changes: PlannedChange[] = [];
  for (const path of paths.filter((one) => isOurs(one) && one !== tenantFile)) {
    const present = await readInTree(tenantDir, path, maxFileBytes);
    changes.push(...judge({ path, base: row.hashes[path], present: present?.content, wanted: files.get(path) }, force));
  }
  const present = await readInTree(tenantDir, tenantFile, maxFileBytes);
  changes.push(...judgeTenantFile(present?.content, row.tenantYaml, rendered.row.tenantYaml, force));
  for (const { path, after } of changes)
    if (path === tenantFile && after) templates.parse(toText(after.content) ?? '', `${tenantDir}/${path}`, tenant);
  const next = afterwards(row, rendered.row, changes, isOurs);
  return { changes, deployed, row: next, digest: digestOf(next, changes) };
}

/** What was not put there is remembered as it was: a conflict is told until it is none any more. */
function afterwards(
  row: TemplateRow,
  rendered: TemplateRow,
  changes: readonly PlannedChange[],
  isOurs: (path: string) => boolean,
): TemplateRow {
  const left = new Set(changes.flatMap(({ path, conflict }) => (conflict === undefined ? [] : [path])));
  const isLeft = ([path]: [string, string]): boolean => left.has(path) || !isOurs(path);
  const kept = Object.entries(row.hashes).filter(isLeft);
  const put = Object.entries(rendered.hashes).filter((entry) => !isLeft(entry));
  return { ...rendered, hashes: Object.fromEntries([...kept, ...put]), ...(left.has(tenantFile) && { tenantYaml: row.tenantYaml }) };
}

/** `apps/APP/...` */
export function appOf(path: string): string | undefined {
  const [top, app] = path.split('/');
  return top === 'apps' ? app : undefined;
}

function hasReleases(appDir: string): boolean {
  return ['releases', 'current'].some((name) => lstatSync(`${appDir}/${name}`, { throwIfNoEntry: false }) !== undefined);
}

interface Versions {
  path: string;
  base: string | undefined;
  present: Uint8Array | undefined;
  wanted: TemplateFile | undefined;
}

function judge({ path, base, present, wanted }: Versions, force: boolean): PlannedChange[] {
  const [is, will] = [present && hashOf(present), wanted && hashOf(wanted.content)];
  if (is === will) return [];
  const isTemplatesChange = will !== base;
  // What the operator has made of a file stays for as long as the template leaves it as it was.
  if (!isTemplatesChange && !force) return [];
  const kind = !wanted ? 'remove' : present ? 'change' : 'add';
  const change: PlannedChange = { path, kind, ...asBefore(present), ...(wanted && { after: wanted }) };
  if (is === base || force) return [change];
  return [
    { ...change, conflict: present ? (base === undefined ? 'it was there before' : 'it was changed since') : 'it was removed since' },
  ];
}

function asBefore(present: Uint8Array | undefined): Pick<PlannedChange, 'before' | 'beforeHash'> {
  if (!present) return {};
  return { beforeHash: hashOf(present), ...(present.length <= maxShownBytes && { before: present }) };
}

function judgeTenantFile(present: Uint8Array | undefined, base: string, theirs: string, force: boolean): PlannedChange[] {
  const ours = present && toText(present);
  const change = { path: tenantFile, kind: present ? 'change' : 'add', ...asBefore(present) } as const;
  const after = (text: string): TemplateFile => ({ path: tenantFile, content: Buffer.from(text), executable: false });
  if (ours === undefined) return force ? [{ ...change, after: after(theirs) }] : [];
  const merged = mergeYaml(base, ours, theirs, force);
  if (!merged) return [{ ...change, after: after(force ? theirs : ours), ...(!force && { conflict: 'it can not be merged' }) }];
  if (merged.text === ours && merged.conflicts.length === 0) return [];
  const conflict = !force && merged.conflicts.length > 0 && { conflict: 'both changed it', keys: merged.conflicts };
  return [{ ...change, after: after(merged.text), ...conflict }];
}

/** What is carried out of a plan. */
export function effective({ changes }: Pick<TemplatePlan, 'changes'>): PlannedChange[] {
  // Of tenant.yaml, other keys may have been merged.
  return changes.filter(
    ({ conflict, keys, beforeHash, after }) => conflict === undefined || (keys && after && hashOf(after.content) !== beforeHash),
  );
}

function digestOf(row: TemplateRow, changes: readonly PlannedChange[]): string {
  const { appliedAt: _, ...rest } = row;
  const seen = changes.map(({ path, conflict, beforeHash, after }) => [path, conflict, beforeHash, after && hashOf(after.content)]);
  return hash('sha256', JSON.stringify([rest, seen]), 'base64url');
}
