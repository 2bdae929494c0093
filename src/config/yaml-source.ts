import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { ErrorCode } from '../base/error-codes.ts';
import type { Problem } from '../base/problem.ts';
import { messageOf } from '../base/errors.ts';
import { quote, shorten } from './quote.ts';

/** Both count from 1. */
export interface Position {
  line: number;
  column: number;
}

export type ValuePath = readonly (string | number)[];

/** A YAML file's value, and where each part of it stands. */
export interface YamlSource {
  file: string;
  value: unknown;
  /** Of the value at `path`; of its key when it has no value; of the nearest thing around it when it is not there. */
  positionOf(path: ValuePath): Position;
  /** Of the key itself. */
  positionOfKey(path: ValuePath): Position;
}

export type YamlResult = { source: YamlSource; problems: [] } | { source?: undefined; problems: Problem[] };

/** Aliases multiply what they point to: this bounds their number, and the product of count and size ("billion laughs"). */
const maxAliasCount = 100;

/**
 * One YAML 1.2 document of the core schema: no tags of one's own, no duplicate keys, no `__proto__`.
 * Only the first fault of syntax is told: those after it mostly follow from it.
 */
export function parseYaml(text: string, file: string): YamlResult {
  const lines = new LineCounter();
  const problemAt = (offset: number | undefined, message: string, fix: string, code: ErrorCode = 'TENANTD_E_YAML'): YamlResult => ({
    problems: [{ code, message, fix, file, ...(offset === undefined ? {} : positionAt(lines, offset)) }],
  });

  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      schema: 'core',
      resolveKnownTags: false,
      stringKeys: true,
      merge: false,
      prettyErrors: false,
      // Compares each key with each other one: quadratic. `findBadNode` below does it with a set.
      uniqueKeys: false,
    });
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault) return problemAt(fault.pos[0], `the file is not valid YAML: ${explain(fault)}`, 'correct the file at this place');
    if (isEmpty(document)) return problemAt(undefined, 'the file is empty', 'write its settings, or remove it', 'TENANTD_E_FILE_EMPTY');
    const bad = findBadNode(document);
    if (bad) return problemAt(bad.offset, bad.message, bad.fix, bad.code);
    const value: unknown = document.toJS({ maxAliasCount });
    return { source: createSource(document, lines, file, value), problems: [] };
  } catch (error) {
    // What follows the parser recurses too; too many aliases end in a ReferenceError.
    const what = error instanceof RangeError ? 'it is nested too deeply' : sentenceOf(messageOf(error));
    return problemAt(undefined, `the file can not be taken: ${what}`, 'write it with less nesting and fewer aliases');
  }
}

function isEmpty(document: Document): boolean {
  return document.contents === null || (isScalar(document.contents) && document.contents.value === null);
}

function explain({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS') return 'it has several documents';
  // The parser turns the end of its stack into an error of the file.
  return message.includes('call stack') ? 'it is nested too deeply' : sentenceOf(message);
}

/** The parser's words, as the rest of a sentence. */
function sentenceOf(message: string): string {
  const text = shorten(message.replace(/\.$/, ''), 200);
  return text.charAt(0).toLowerCase() + text.slice(1);
}

interface BadNode {
  offset: number | undefined;
  message: string;
  fix: string;
  code: ErrorCode;
}

function findBadNode(document: Document): BadNode | undefined {
  let aliases = 0;
  let bad: BadNode | undefined;
  visit(document, {
    Alias(_, alias) {
      // Each one is looked up from the document's start.
      if (++aliases <= maxAliasCount) return undefined;
      bad = {
        offset: startOf(alias),
        message: `there are more than ${maxAliasCount} aliases`,
        fix: 'write values out',
        code: 'TENANTD_E_YAML',
      };
      return visit.BREAK;
    },
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        bad = judgeKey(key, seen);
        if (bad) return visit.BREAK;
      }
      return undefined;
    },
  });
  return bad;
}

function judgeKey(key: unknown, seen: Set<string>): BadNode | undefined {
  const offset = isScalar(key) ? key.range?.[0] : undefined;
  const name = isScalar(key) ? String(key.value) : '';
  if (name === '__proto__')
    return { offset, message: 'the key "__proto__" is not allowed', fix: 'remove it', code: 'TENANTD_E_UNKNOWN_KEY' };
  if (seen.has(name))
    return { offset, message: `the key ${quote(name)} is there twice`, fix: 'keep one of the two', code: 'TENANTD_E_YAML' };
  seen.add(name);
  return undefined;
}

function createSource(document: Document, lines: LineCounter, file: string, value: unknown): YamlSource {
  const offsetsOf = (path: ValuePath): { key: number; value: number } => locate(document, path);
  return {
    file,
    value,
    positionOf: (path) => positionAt(lines, offsetsOf(path).value),
    positionOfKey: (path) => positionAt(lines, offsetsOf(path).key),
  };
}

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Goes down as far as the path can be followed. */
function locate(document: Document, path: ValuePath): { key: number; value: number } {
  let node: unknown = document.contents;
  let found = { key: startOf(node) ?? 0, value: startOf(node) ?? 0 };
  for (const step of path) {
    const collection = isAlias(node) ? node.resolve(document) : node;
    const child = childOf(collection, step);
    if (!child) break;
    node = child.value;
    const empty = node === null || (isScalar(node) && node.value === null);
    const key = child.key ?? startOf(node) ?? found.value;
    found = { key, value: empty ? key : (startOf(node) ?? key) };
  }
  return found;
}

function childOf(node: unknown, step: string | number): { key?: number | undefined; value: unknown } | undefined {
  if (isSeq(node)) return typeof step === 'number' && step < node.items.length ? { value: node.items[step] } : undefined;
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item: Pair) => isScalar(item.key) && item.key.value === String(step));
  return pair && { key: startOf(pair.key), value: pair.value };
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}
