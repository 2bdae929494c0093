import type { TemplateApplyResult, TemplateFileChange, TemplateInfo, TemplateListResult } from '../protocol/template-calls.ts';
import { unifiedDiff } from './line-diff.ts';
import { printable } from './printable.ts';
import { formatCount } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

const shownTenants = 20;
/** Of one file, and of all. */
const shownLines = { file: 200, all: 3_000 } as const;

export function renderTemplates({ templates }: TemplateListResult, layout: TextLayout): string {
  if (templates.length === 0) return 'There is no template: make a folder in templatesDir of tenantd.yaml.\n';
  return `${templates.map((template) => renderTemplate(template, layout).join('\n')).join('\n\n')}\n`;
}

function renderTemplate({ name, description, variables, tenants, problem }: TemplateInfo, { width, paint }: TextLayout): string[] {
  const some =
    tenants.slice(0, shownTenants).join(', ') + (tenants.length > shownTenants ? ` and ${tenants.length - shownTenants} more` : '');
  const fault = problem && [
    ...wrapText(printable(problem.message), width, '  '),
    ...wrapText(`fix: ${printable(problem.fix)}`, width, '  '),
  ];
  return [
    paint('bold', name),
    ...(description === '' ? [] : wrapText(printable(description), width, '  ')),
    ...(fault ?? []).map((line) => paint('red', line)),
    ...variables.flatMap((variable) => {
      const value = variable.default === undefined ? 'has to be given' : `default: ${printable(variable.default)}`;
      const words = [variable.description ?? '', variable.pattern === undefined ? '' : `fits ${variable.pattern}`, value].filter(
        (one) => one !== '',
      );
      return wrapText(`--set ${variable.name}=...  ${printable(words.join('; '))}`, width, '  ');
    }),
    ...wrapText(tenants.length === 0 ? 'no tenant was made from it' : `${formatCount(tenants.length, 'tenant')}: ${some}`, width, '  '),
  ];
}

/** That files are changed, and not only left alone. */
export function isEffective({ changes }: TemplateApplyResult): boolean {
  return changes.some(isCarriedOut);
}

/** Of tenant.yaml, other keys may be merged. */
function isCarriedOut({ conflict, keys, before, after }: TemplateFileChange): boolean {
  return conflict === undefined || (keys !== undefined && before !== after);
}

/** What would be done: each diff once, however many tenants have it. */
export function renderChanges(results: readonly TemplateApplyResult[], layout: TextLayout): string {
  const seen = new Map<string, string>();
  let left: number = shownLines.all;
  const lines = results.flatMap((result) => {
    const head = layout.paint('bold', result.tenant) + `: ${summaryOf(result)}`;
    const files = result.changes.flatMap((change) => {
      const diff = diffOf(change);
      const key = `${change.path}\n${diff.join('\n')}`;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, result.tenant);
      const shown = diff.slice(0, Math.max(0, Math.min(shownLines.file, left)));
      left -= first === undefined ? shown.length : 0;
      const rest = diff.length > shown.length ? [`    ... ${diff.length - shown.length} more lines`] : [];
      const same = first !== undefined && diff.length > 0;
      return [titleOf(change, same ? `as ${first}` : ''), ...(same ? [] : [...shown.map((line) => paintLine(line, layout)), ...rest])];
    });
    return [head, ...files, ...result.deployed.map((app) => `  = apps/${app} was deployed since: it keeps its own release`)];
  });
  return `${lines.join('\n')}\n`;
}

function summaryOf({ changes, apps }: TemplateApplyResult): string {
  const carriedOut = changes.filter(isCarriedOut).length;
  const conflicts = changes.filter(({ conflict }) => conflict !== undefined).length;
  const parts = [
    ...(carriedOut > 0 ? [formatCount(carriedOut, 'file changes', 'files change')] : []),
    ...(conflicts > 0 ? [formatCount(conflicts, 'conflict')] : []),
    ...(apps.length > 0 ? [`replaces ${apps.join(', ')}`] : []),
  ];
  return parts.join(', ') || 'nothing changes';
}

const marks = { add: '+', change: '~', remove: '-' } as const;

function titleOf({ path, kind, conflict, keys, before, after }: TemplateFileChange, note: string): string {
  const why = keys ? `${keys.join(', ')}: ${conflict}, left alone` : `${conflict}, left alone`;
  const hasText = before !== undefined || after !== undefined;
  const notes = [conflict === undefined ? '' : `${why} (--force overwrites)`, hasText ? '' : 'not shown: no text, or long', note];
  const told = notes.filter((one) => one !== '').join('; ');
  return `  ${conflict === undefined ? marks[kind] : '!'} ${printable(path)}${told === '' ? '' : `  ${printable(told)}`}`;
}

function diffOf({ before, after }: TemplateFileChange): string[] {
  if (before === undefined && after === undefined) return [];
  return unifiedDiff(before ?? '', after ?? '').map((line) => `    ${printable(line)}`);
}

function paintLine(line: string, { paint }: TextLayout): string {
  const mark = line.charAt(4);
  if (mark === '+') return paint('green', line);
  if (mark === '-') return paint('red', line);
  return mark === '@' ? paint('dim', line) : line;
}
