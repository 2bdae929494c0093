import { hash } from 'node:crypto';
import { type Dirent, readdirSync } from 'node:fs';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { quote } from '../config/quote.ts';
import { limits as fileLimits } from '../config/scan.ts';
import { renderTemplate, type Template, type TemplateFile, type TemplateInput, toText } from '../config/template-render.ts';
import { parseTemplateSettings, type TemplateSettings } from '../config/template-schema.ts';
import { parseTenantConfig, type TenantConfig, type TenantContext } from '../config/tenant-config.ts';
import { readInTree, readTree, writeTree } from '../privileged/operator-trees.ts';
import type { Store } from './store.ts';
import type { TemplateRow } from './template-rows.ts';
import type { TemplateVariables, TemplateWriter } from './template-writer.ts';

/** What a template may have; all of it is in memory while it is applied. */
const limits = { files: 5_000, bytes: 32 << 20, templates: 1_000 } as const;
const settingsFile = 'template.yaml';

export interface TemplatesParts {
  templatesDir: string;
  plans: () => Pick<TenantContext, 'plans' | 'defaultPlan'>;
  store: Pick<Store, 'templates'>;
  /** Who has each domain. */
  owners: () => ReadonlyMap<string, TenantName>;
}

/** A tenant's files as its template has them. */
export interface RenderedTenant {
  files: readonly TemplateFile[];
  row: TemplateRow;
  config: TenantConfig;
}

export type Templates = ReturnType<typeof createTemplates>;

/** The operator's templates: folders below `templatesDir`, root's own as all that is in them. */
export function createTemplates({ templatesDir, plans, store, owners }: TemplatesParts) {
  function names(): string[] {
    try {
      const entries = readdirSync(templatesDir, { withFileTypes: true });
      return entries
        .filter(isTemplate)
        .map((entry) => entry.name)
        .toSorted()
        .slice(0, limits.templates);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw new TenantdError(
        'TENANTD_E_FILE_UNREADABLE',
        `${templatesDir} can not be read: ${messageOf(error)}`,
        'look at its permissions',
      );
    }
  }

  function dirOf(name: string): string {
    if (names().includes(name)) return `${templatesDir}/${name}`;
    const fix = `make ${templatesDir}/NAME; tenantctl template list shows those that are there`;
    throw new TenantdError('TENANTD_E_NO_SUCH_TEMPLATE', `there is no template ${quote(name)}`, fix);
  }

  async function settingsOf(name: string): Promise<TemplateSettings> {
    const dir = dirOf(name);
    const file = await readInTree(dir, settingsFile, fileLimits.fileBytes);
    return file ? readSettings(file.content, dir) : noSettings;
  }

  async function read(name: string): Promise<Template> {
    const dir = dirOf(name);
    const all = await readTree(dir, limits);
    const own = all.find(({ path }) => path === settingsFile);
    return { name, dir, settings: own ? readSettings(own.content, dir) : noSettings, files: all.filter((file) => file !== own) };
  }

  /** Throws a TenantdError with all that is wrong. */
  function render(template: Template, input: TemplateInput): RenderedTenant {
    const { files, problems } = renderTemplate(template, input);
    if (!files) throw toError(problems);
    const bad = files.find(({ path }) => !isTenantsPath(path));
    if (bad) throw badPath(template, bad.path);
    const tenantYaml = toText(files.find(({ path }) => path === 'tenant.yaml')?.content ?? new Uint8Array()) ?? '';
    const config = parse(tenantYaml, `${template.dir}/tenant.yaml`, input.name as TenantName);
    const { name: _, ...rest } = input;
    const row = { template: template.name, input: rest, hashes: hashesOf(files), tenantYaml, appliedAt: new Date().toISOString() };
    return { files, row, config };
  }

  /** As a rendered or merged tenant.yaml will be read. */
  function parse(text: string, file: string, tenant: TenantName): TenantConfig {
    if (Buffer.byteLength(text) > fileLimits.fileBytes) {
      throw new TenantdError('TENANTD_E_FILE_TOO_LARGE', `${file}: over ${fileLimits.fileBytes >> 10} KiB`, 'use wildcards');
    }
    const { config, problems } = parseTenantConfig(text, file, { tenant, ...plans() });
    if (!config) throw toError(problems);
    const known = owners();
    const taken = config.domains.find(({ name }) => (known.get(name) ?? tenant) !== tenant);
    if (taken) throw new TenantdError('TENANTD_E_DOMAIN_TAKEN', `another tenant has the domain "${taken.name}"`, 'remove it there first');
    return config;
  }

  /** Of a tenant that is to be made: what was asked for has to be so. */
  async function renderNew(name: string, { tenant, domains, plan, set }: TemplateVariables): Promise<RenderedTenant> {
    const template = await read(name);
    const rendered = render(template, { name: tenant, domains, plan: plan ?? plans().defaultPlan, set });
    const missing = domains.find((domain) => !rendered.config.domains.some((listed) => listed.name === domain));
    if (missing !== undefined) throw unheeded(template, `the domain "${missing}"`, 'domains: {{ domains }}');
    if (plan !== undefined && rendered.config.plan !== plan) throw unheeded(template, `the plan "${plan}"`, 'plan: {{ plan }}');
    return rendered;
  }

  const writer: TemplateWriter = {
    check: async (name, variables) => void (await renderNew(name, variables)),
    async write(name, variables, folder) {
      const { files, row } = await renderNew(name, variables);
      await writeTree(folder, files);
      store.templates.set(variables.tenant, row);
    },
  };

  return { names, settingsOf, read, render, parse, writer };
}

const noSettings: TemplateSettings = { description: '', variables: [], render: [] };

function isTemplate(entry: Dirent): boolean {
  return entry.isDirectory() && /^[a-z][a-z0-9-]{0,31}$/.test(entry.name);
}

function readSettings(content: Uint8Array, dir: string): TemplateSettings {
  const file = `${dir}/${settingsFile}`;
  const text = toText(content);
  if (text === undefined) throw new TenantdError('TENANTD_E_YAML', `${file}: the file is not UTF-8 text`, 'save it as plain UTF-8 text');
  const { settings, problems } = parseTemplateSettings(text, file);
  if (!settings) throw toError(problems);
  return settings;
}

/** tenant.yaml, files of an app, or something beside; nothing that tenantd makes itself. */
function isTenantsPath(path: string): boolean {
  if (path.startsWith('.') || /\p{Cc}/u.test(path)) return false;
  const [top, app, ...rest] = path.split('/');
  if (top !== 'apps') return true;
  return /^[a-z][a-z0-9-]{0,31}$/.test(app ?? '') && rest.length > 0 && !['current', 'current.new', 'releases'].includes(rest[0] ?? '');
}

function badPath(template: Template, path: string): TenantdError {
  const fix = 'put files into apps/APP/, or beside tenant.yaml, under a name without a "." in front; not as `current` or `releases`';
  return new TenantdError('TENANTD_E_BAD_PATH', `${template.dir}/${path} can not be a file of a tenant`, fix);
}

function unheeded(template: Template, what: string, line: string): TenantdError {
  return new TenantdError(
    'TENANTD_E_TEMPLATE',
    `the template ${template.name} does not take ${what}`,
    `write \`${line}\` in its tenant.yaml`,
  );
}

export function hashOf(content: Uint8Array): string {
  return hash('sha256', content, 'base64url');
}

function hashesOf(files: readonly TemplateFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ path, content }) => [path, hashOf(content)]));
}

const toldProblems = 10;

/** All that is wrong, a line each; the code and fix of the first. */
function toError(problems: readonly Problem[]): TenantdError {
  const [first] = problems;
  const lines = problems
    .slice(0, toldProblems)
    .map(({ file = '', line, message }) => `${file}${line === undefined ? '' : `:${line}`}: ${message}`);
  const more = problems.length > toldProblems ? [`and ${problems.length - toldProblems} more problems`] : [];
  return new TenantdError(first?.code ?? 'TENANTD_E_INTERNAL', [...lines, ...more].join('; '), first?.fix ?? '');
}
