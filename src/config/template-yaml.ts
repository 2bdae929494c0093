import { isSeq, type Node, parseDocument, type Scalar, visit } from 'yaml';
import type { Problem } from '../base/problem.ts';
import type { Rendered } from './template-escape.ts';
import { asText, fillIn, type TemplateText, type Values } from './template-text.ts';
import { parseYaml } from './yaml-source.ts';

/**
 * A YAML or JSON file. Words without any meaning stand in for the variables while the file is parsed, so its structure is settled before
 * a value comes in: a value becomes (a part of) the one scalar that it stands in, whatever characters it has. That it is so is looked at afterwards.
 */
export function renderYaml(cut: TemplateText, file: string, values: Values): Rendered {
  const tokens = createTokens(cut, values);
  const source = fillIn(cut, (_, index) => tokens.wordOf(index));
  const { source: parsed, problems } = parseYaml(source, file);
  if (!parsed) return { problems: problems.map((problem) => inWordsOf(problem, tokens)) };
  const splices = findSplices(source, tokens);
  // What is left stands in comments.
  const text = tokens.inText(splice(source, splices));
  const after = parseYaml(text, file).source;
  const isInPlace = after !== undefined && means(parsed.value, after.value, tokens);
  return isInPlace ? { text, problems: [] } : { problems: [notInPlace(file)] };
}

interface Tokens {
  wordOf(index: number): string;
  /** What a text that is nothing but a variable stands for. */
  whole(text: string): string | readonly string[] | undefined;
  inText(text: string): string;
  has(text: string): boolean;
}

function createTokens({ literals, names }: TemplateText, values: Values): Tokens {
  const all = literals.join('');
  let prefix = 'tdv';
  while (all.includes(prefix)) prefix += 'x';
  const word = new RegExp(`${prefix}(\\d+)z`, 'g');
  const valueOf = (index: string | undefined): string | readonly string[] | undefined => values.get(names[Number(index)] ?? '');
  return {
    wordOf: (index) => `${prefix}${index}z`,
    whole: (text) => valueOf(new RegExp(`^${word.source}$`).exec(text)?.[1]),
    inText: (text) => text.replaceAll(word, (_, index: string) => asText(valueOf(index))),
    has: (text) => text.includes(prefix),
  };
}

interface Splice {
  start: number;
  end: number;
  text: string;
}

function findSplices(source: string, tokens: Tokens): Splice[] {
  const splices: Splice[] = [];
  visit(parseDocument(source, { schema: 'core', uniqueKeys: false }), {
    Scalar(_, node, path) {
      if (typeof node.value !== 'string' || !tokens.has(node.value) || !node.range) return;
      splices.push(write(node, node.value, path.at(-1) as Node, source, tokens));
    },
  });
  return splices;
}

/** JSON's form of a text is one of YAML's, inside and outside of brackets. */
function write(node: Scalar, text: string, parent: Node, source: string, tokens: Tokens): Splice {
  const [start, end] = node.range ?? [0, 0];
  const lineEnd = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED' ? '\n' : '';
  const list = listOf(tokens.whole(text));
  if (!list) return { start, end, text: toScalar(resolve(node, text, tokens)) + lineEnd };
  const items = list.map((item) => JSON.stringify(item));
  if (!isSeq(parent)) return { start, end, text: `[${items.join(', ')}]` };
  // Each is an entry of the list that the variable is an entry of.
  const mark = parent.flow === true ? ', ' : `\n${source.slice(source.lastIndexOf('\n', start - 1) + 1, start)}`;
  return { start, end, text: items.join(mark) };
}

function listOf(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? undefined : value;
}

/** Without quotes, and nothing beside it, a whole number, true and false are what they look like; all else is text. */
function resolve(node: { type?: string | undefined }, text: string, tokens: Tokens): string | number | boolean {
  const value = tokens.whole(text);
  if (typeof value !== 'string' || node.type !== 'PLAIN') return tokens.inText(text);
  if (/^(?:0|[1-9]\d{0,14})$/.test(value)) return Number(value);
  return value === 'true' || value === 'false' ? value === 'true' : value;
}

function toScalar(value: string | number | boolean): string {
  return JSON.stringify(value);
}

/** Whether a rendered value is that of the template, with values for words. */
function means(template: unknown, rendered: unknown, tokens: Tokens): boolean {
  if (typeof template === 'string') return isValue(template, rendered, tokens);
  if (Array.isArray(template)) return Array.isArray(rendered) && meansList(template, rendered, tokens);
  if (typeof template !== 'object' || template === null) return template === rendered;
  if (typeof rendered !== 'object' || rendered === null) return false;
  const [wanted, found] = [Object.entries(template), Object.entries(rendered)];
  return (
    wanted.length === found.length &&
    wanted.every(([key, value], index) => tokens.inText(key) === found[index]?.[0] && means(value, found[index]?.[1], tokens))
  );
}

function meansList(template: readonly unknown[], rendered: readonly unknown[], tokens: Tokens): boolean {
  const wanted = template.flatMap((entry): unknown[] => {
    const list = typeof entry === 'string' ? listOf(tokens.whole(entry)) : undefined;
    return list ? [...list] : [entry];
  });
  return wanted.length === rendered.length && wanted.every((entry, index) => means(entry, rendered[index], tokens));
}

function isValue(template: string, rendered: unknown, tokens: Tokens): boolean {
  const list = listOf(tokens.whole(template));
  if (list) return Array.isArray(rendered) && rendered.join('\n') === list.join('\n');
  return (typeof rendered === 'string' || tokens.has(template)) && tokens.inText(template) === String(rendered);
}

function splice(text: string, splices: readonly Splice[]): string {
  const ordered = splices.toSorted((a, b) => a.start - b.start);
  const parts = ordered.map(({ start, text: written }, index) => text.slice(ordered[index - 1]?.end ?? 0, start) + written);
  return parts.join('') + text.slice(ordered.at(-1)?.end ?? 0);
}

function inWordsOf(problem: Problem, tokens: Tokens): Problem {
  return { ...problem, message: tokens.inText(problem.message) };
}

function notInPlace(file: string): Problem {
  const message = 'a variable stands where its value would change what the file means';
  return { code: 'TENANTD_E_TEMPLATE', message, fix: 'let variables be values, or parts of texts', file };
}
