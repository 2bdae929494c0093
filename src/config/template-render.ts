import { extname, matchesGlob } from 'node:path';
import type { Problem } from '../base/problem.ts';
import { nearest } from './nearest.ts';
import { quote } from './quote.ts';
import { type Rendered, renderText } from './template-escape.ts';
import { findValueFault, type TemplateSettings } from './template-schema.ts';
import { cutAtVariables, type Values } from './template-text.ts';
import { renderYaml } from './template-yaml.ts';

/** A file of a template, or of what is made from it. */
export interface TemplateFile {
  /** Below the tenant's folder. */
  path: string;
  content: Uint8Array;
  executable: boolean;
}

export interface Template {
  name: string;
  /** Its folder. */
  dir: string;
  settings: TemplateSettings;
  /** All but template.yaml, in order of path. */
  files: readonly TemplateFile[];
}

/** What one tenant is made with. */
export interface TemplateInput {
  name: string;
  /** The first is its main one. */
  domains: readonly string[];
  plan: string;
  /** Of the template's own variables, as the operator gave them. */
  set: Readonly<Record<string, string>>;
}

export type RenderResult = { files: TemplateFile[]; problems: [] } | { files?: undefined; problems: Problem[] };

/** Files that nobody needs to list: they are YAML, in which braces mean something else. */
const alwaysRendered = ['tenant.yaml', 'apps/*/app.yaml'];
/** A tenant's, where the template has none. */
const plainTenant = 'domains: {{ domains }}\nplan: {{ plan }}\n';

/** All files of a tenant, or all that is wrong. */
export function renderTemplate(template: Template, input: TemplateInput): RenderResult {
  const file = `${template.dir}/template.yaml`;
  const faults = judgeSettings(template.settings, input.set).map((problem) => ({ ...problem, file }));
  if (faults.length > 0) return { problems: faults };
  const values = valuesFor(template.settings, input);
  const rendered = completed(template.files).map((one) => renderFile(template, one, values));
  const problems = rendered.flatMap((one) => one.problems);
  return problems.length > 0 ? { problems } : { files: rendered.flatMap(({ files = [] }) => files), problems: [] };
}

function completed(files: readonly TemplateFile[]): readonly TemplateFile[] {
  if (files.some(({ path }) => path === 'tenant.yaml')) return files;
  return [...files, { path: 'tenant.yaml', content: Buffer.from(plainTenant), executable: false }];
}

function judgeSettings({ variables }: TemplateSettings, set: TemplateInput['set']): Problem[] {
  const known = variables.map(({ name }) => name);
  const unknown = Object.keys(set).filter((name) => !known.includes(name));
  return [
    ...unknown.map((name) => unknownVariable(name, known)),
    ...variables.flatMap((variable): Problem[] => {
      const value = valueOf(variable, set);
      const what = variable.description === undefined ? '' : ` (${variable.description})`;
      if (value === undefined) return [fault(`the variable \`${variable.name}\`${what} is not given`, variable.name)];
      const found = findValueFault(variable, value);
      return found === undefined ? [] : [fault(`the variable \`${variable.name}\`${what} ${found}, not ${quote(value)}`, variable.name)];
    }),
  ];
}

function fault(message: string, name: string): Problem {
  return { code: 'TENANTD_E_TEMPLATE', message, fix: `give it by --set ${name}=VALUE` };
}

function unknownVariable(name: string, known: string[]): Problem {
  const meant = nearest(name, known);
  const fix = meant ? `did you mean \`${meant}\`?` : `its variables are: ${known.join(', ') || 'none'}`;
  return { code: 'TENANTD_E_TEMPLATE', message: `the template has no variable ${quote(name)}`, fix };
}

function valueOf(variable: TemplateSettings['variables'][number], set: TemplateInput['set']): string | undefined {
  return Object.hasOwn(set, variable.name) ? set[variable.name] : variable.default;
}

function valuesFor({ variables }: TemplateSettings, { name, domains, plan, set }: TemplateInput): Values {
  const own = variables.map((variable) => [variable.name, valueOf(variable, set) ?? ''] as const);
  return new Map<string, string | readonly string[]>([
    ...own,
    ['name', name],
    ['domain', domains[0] ?? ''],
    ['domains', domains],
    ['plan', plan],
  ]);
}

function renderFile(template: Template, file: TemplateFile, values: Values): RenderResult {
  const isRendered = [...alwaysRendered, ...template.settings.render].some((pattern) => matchesGlob(file.path, pattern));
  if (!isRendered) return { files: [file], problems: [] };
  const { text, problems } = renderSource(file, `${template.dir}/${file.path}`, values);
  return text === undefined ? { problems } : { files: [{ ...file, content: Buffer.from(text) }], problems: [] };
}

function renderSource({ path, content }: TemplateFile, shownAs: string, values: Values): Rendered {
  const source = toText(content);
  if (source === undefined) {
    const message = 'a file with variables is not UTF-8 text';
    return { problems: [{ code: 'TENANTD_E_TEMPLATE', message, fix: 'take it out of `render` in template.yaml', file: shownAs }] };
  }
  const { text, problems } = cutAtVariables(source, shownAs, values);
  if (!text) return { problems };
  // A comment may be all there is of an app.yaml.
  if (text.names.length === 0) return { text: text.literals.join(''), problems: [] };
  return isYaml(path) ? renderYaml(text, shownAs, values) : renderText(text, shownAs, values);
}

function isYaml(path: string): boolean {
  return ['.yaml', '.yml', '.json'].includes(extname(path).toLowerCase());
}

/** Undefined for what is no text. */
export function toText(content: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}
