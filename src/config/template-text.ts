import type { Problem } from '../base/problem.ts';
import { nearest } from './nearest.ts';
import { quote } from './quote.ts';

/** What variables stand for; `domains` alone is a list. */
export type Values = ReadonlyMap<string, string | readonly string[]>;

/** A text cut at its variables: what stands between them, and what they are. */
export interface TemplateText {
  /** One more than `names`. */
  literals: string[];
  names: string[];
}

export type TemplateTextResult = { text: TemplateText; problems: [] } | { text?: undefined; problems: Problem[] };

const opening = /\\?\{\{/g;
const variable = /^\{\{\s{0,100}([a-zA-Z][a-zA-Z0-9_]{0,31})\s{0,100}\}\}/;

/** `{{ name }}` is a variable, `\{{` is `{{`; all that is wrong is told with its line. */
export function cutAtVariables(source: string, file: string, known: Values): TemplateTextResult {
  const text: TemplateText = { literals: [], names: [] };
  const problems: Problem[] = [];
  let literal = '';
  let at = 0;
  for (const { 0: found, index } of source.matchAll(opening)) {
    if (index < at) continue;
    literal += source.slice(at, index);
    at = index + found.length;
    if (found.startsWith('\\')) {
      literal += '{{';
      continue;
    }
    const match = variable.exec(source.slice(index, index + 300));
    const fault = judge(match?.[1], known);
    if (fault) problems.push({ ...fault, file, line: lineOf(source, index) });
    if (!match) continue;
    at = index + match[0].length;
    text.literals.push(literal);
    text.names.push(match[1] ?? '');
    literal = '';
  }
  text.literals.push(literal + source.slice(at));
  return problems.length > 0 ? { problems } : { text, problems: [] };
}

function judge(name: string | undefined, known: Values): Problem | undefined {
  if (name === undefined) {
    const fix = 'write {{ name }}, or \\{{ where the braces themselves are meant';
    return { code: 'TENANTD_E_TEMPLATE', message: 'what stands after {{ is no variable', fix };
  }
  if (known.has(name)) return undefined;
  const meant = nearest(name, [...known.keys()]);
  const fix = meant ? `did you mean \`${meant}\`?` : 'list it under `variables` in template.yaml';
  return { code: 'TENANTD_E_TEMPLATE', message: `there is no variable ${quote(name)}`, fix };
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** What a variable is within other text. */
export function asText(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value ?? []).join(', ');
}

/** The text with something in the place of each variable. */
export function fillIn({ literals, names }: TemplateText, write: (name: string, index: number) => string): string {
  return literals.map((literal, index) => (index === 0 ? '' : write(names[index - 1] ?? '', index - 1)) + literal).join('');
}
