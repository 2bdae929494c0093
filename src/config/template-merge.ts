import { isDeepStrictEqual } from 'node:util';
import { type Document, isSeq, parseDocument } from 'yaml';
import { parseYaml } from './yaml-source.ts';

export interface Merged {
  /** Comments and order are those of the operator's file. */
  text: string;
  /** Keys that both changed: as the operator has them, or with `force` as the template has them. */
  conflicts: string[];
}

type Values = Readonly<Record<string, unknown>>;
type KeyPath = readonly string[];

/**
 * A template's changes of a YAML file, in the file as the operator has it now. `base` is what the template had made of it. Of lists, whose order
 * means nothing, entries that the template added or took away are added or taken away. Undefined for what can't be merged.
 */
export function mergeYaml(base: string, ours: string, theirs: string, force: boolean): Merged | undefined {
  if (theirs === base || ours === theirs) return { text: ours, conflicts: [] };
  if (ours === base) return { text: theirs, conflicts: [] };
  const [b, o, t] = [base, ours, theirs].map((text) => asMap(parseYaml(text, '').source?.value));
  if (!b || !o || !t) return undefined;
  const document = parseDocument(ours, { schema: 'core', merge: false });
  const conflicts: string[] = [];
  const expected = mergeMaps({ b, o, t }, [], { document, force, conflicts });
  const text = write(document);
  // Whatever the file's form, it means what was merged, or it is left alone.
  const isMerged = text !== undefined && isDeepStrictEqual(parseYaml(text, '').source?.value, expected);
  return isMerged ? { text, conflicts } : undefined;
}

function write(document: Document): string | undefined {
  try {
    return document.toString({ lineWidth: 0 });
  } catch {
    return undefined; // an alias whose anchor went with what was replaced
  }
}

interface Merging {
  document: Document;
  force: boolean;
  conflicts: string[];
}

/** The document is edited on the way; answers what it has to mean then. */
function mergeMaps({ b, o, t }: { b: Values; o: Values; t: Values }, path: KeyPath, merging: Merging): Values {
  const result: Record<string, unknown> = { ...o };
  for (const key of new Set([...Object.keys(b), ...Object.keys(t)])) {
    const merged = mergeKey({ b: b[key], o: o[key], t: t[key] }, [...path, key], merging);
    if (merged === undefined) delete result[key];
    else result[key] = merged;
  }
  return result;
}

function mergeKey({ b, o, t }: { b: unknown; o: unknown; t: unknown }, path: KeyPath, merging: Merging): unknown {
  if (isDeepStrictEqual(b, t) || isDeepStrictEqual(o, t)) return o;
  if (isDeepStrictEqual(b, o)) return put(merging.document, path, t);
  const [ourMap, theirMap] = [asMap(o), asMap(t)];
  if (ourMap && theirMap) return mergeMaps({ b: asMap(b) ?? {}, o: ourMap, t: theirMap }, path, merging);
  if (Array.isArray(o) && Array.isArray(t)) return mergeLists({ b: Array.isArray(b) ? b : [], o, t }, path, merging.document);
  merging.conflicts.push(path.join('.'));
  return merging.force ? put(merging.document, path, t) : o;
}

function put(document: Document, path: KeyPath, value: unknown): unknown {
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value));
  return value;
}

function mergeLists({ b, o, t }: { b: unknown[]; o: unknown[]; t: unknown[] }, path: KeyPath, document: Document): unknown[] {
  const has = (list: readonly unknown[], value: unknown): boolean => list.some((other) => isDeepStrictEqual(other, value));
  const isGone = (value: unknown): boolean => has(b, value) && !has(t, value);
  const added = t.filter((value) => !has(b, value) && !has(o, value));
  const list = document.getIn(path);
  if (isSeq(list)) {
    list.items = list.items.filter((_, index) => !isGone(o[index]));
    for (const value of added) list.add(document.createNode(value));
  }
  return [...o.filter((value) => !isGone(value)), ...added];
}

function asMap(value: unknown): Values | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : undefined;
}
