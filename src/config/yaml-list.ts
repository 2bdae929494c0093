import { isMap, isNode, isSeq, parseDocument, stringify } from 'yaml';

/** A list in a YAML text that has entries, by where they stand. */
export interface YamlList {
  flow: boolean;
  entries: [Entry, ...Entry[]];
  /** Each entry is a text in double quotes, as in JSON. */
  quoted: boolean;
}

interface Entry {
  /** Of its "-"; in a flow list of its anchor, or else its value. */
  start: number;
  /** Of its value; comments come after it. */
  end: number;
}

const maxLineCharacters = 120;

/** The list of a key on the top level. Undefined where something else stands there, or in a form that only few would write. */
export function findYamlList(text: string, key: string): YamlList | undefined {
  const list = parseDocument(text, { schema: 'core', uniqueKeys: false, keepSourceTokens: true }).get(key);
  const token = isSeq(list) ? list.srcToken : undefined;
  if (!isSeq(list) || (token?.type !== 'block-seq' && token?.type !== 'flow-collection')) return undefined;
  const flow = token.type === 'flow-collection';
  const mark = flow ? 'anchor' : 'seq-item-ind';
  // Comments after the last entry are an item, too.
  const tokens = token.items.filter(({ start, key: pairKey, value }) => start.some(({ type }) => type === mark) || (pairKey ?? value));
  const [first, ...rest] = list.items.map((node, index): Entry => {
    const start = tokens[index]?.start.find(({ type }) => type === mark)?.offset;
    return { start: start ?? (isNode(node) ? (node.range?.[0] ?? 0) : 0), end: endOf(node) };
  });
  const quoted = tokens.every(({ value }) => value?.type === 'double-quoted-scalar');
  return first && tokens.length === list.items.length ? { flow, entries: [first, ...rest], quoted } : undefined;
}

/** A block map's own end is that of the comments after it. */
function endOf(node: unknown): number {
  if (isMap(node) && node.flow !== true) return endOf(node.items.at(-1)?.value);
  return isNode(node) ? (node.range?.[1] ?? 0) : 0;
}

/** The text with more entries after the last one. Nothing else of it changes. */
export function appendToList(text: string, { flow, entries, quoted }: YamlList, values: readonly string[]): string {
  const last = entries.at(-1) ?? entries[0];
  const written = values.map((value) => (quoted ? JSON.stringify(value) : stringify(value).trimEnd()));
  if (flow) {
    const gap = gapBefore(text, last, written.join(', ').length);
    return splice(text, [{ start: last.end, end: last.end, text: written.map((value) => `,${gap}${value}`).join('') }]);
  }
  const eol = eolOf(text);
  const at = nextLine(text, last.end);
  const indent = text.slice(lineStart(text, last.start), last.start);
  const lines = written.map((value) => `${indent}- ${value}`).join(eol);
  return splice(text, [{ start: at, end: at, text: text.endsWith('\n') || at < text.length ? lines + eol : eol + lines }]);
}

/** Between entries of a flow list: on lines of their own when the last one is, or the line would be too long. */
function gapBefore(text: string, { start, end }: Entry, addedLength: number): string {
  const line = lineStart(text, start);
  const before = text.slice(line, start);
  if (before.trim() === '') return eolOf(text) + before;
  if (end - line + addedLength < maxLineCharacters) return ' ';
  return `${eolOf(text)}${/^\s*/.exec(before)?.[0] ?? ''}  `;
}

/** The text without some entries, and the comments on their lines. At least one entry must stay. */
export function removeFromList(text: string, { flow, entries }: YamlList, indexes: ReadonlySet<number>): string {
  if (flow) return splice(text, cutsOfFlowList(text, entries, indexes));
  const gone = entries.filter((_, index) => indexes.has(index));
  return splice(
    text,
    gone.map(({ start, end }) => cut(lineStart(text, start), nextLine(text, end))),
  );
}

function cutsOfFlowList(text: string, entries: readonly Entry[], indexes: ReadonlySet<number>): Splice[] {
  const lastKept = entries.findLastIndex((_, index) => !indexes.has(index));
  const inner = entries.flatMap(({ start, end }, index) => {
    const next = entries[index + 1];
    if (!indexes.has(index) || index > lastKept || !next) return [];
    // Comments on the lines below the comma are those of the next entry.
    const [ownLine] = /^[^\n#]*,[^\n]*\n[ \t]*/.exec(text.slice(end, next.start)) ?? [];
    return [cut(start, ownLine === undefined ? next.start : end + ownLine.length)];
  });
  return [...inner, ...cutsOfTail(text, entries, lastKept)];
}

function cutsOfTail(text: string, entries: readonly Entry[], lastKept: number): Splice[] {
  const [kept, first, last] = [entries[lastKept], entries[lastKept + 1], entries.at(-1)];
  if (!kept || !first || !last) return [];
  const between = text.slice(kept.end, first.start);
  if (!between.includes('#')) return [cut(kept.end, last.end)];
  const comma = /^\s*,/.exec(between)?.[0].length ?? 0;
  return [cut(kept.end, kept.end + comma), cut(first.start, last.end)];
}

interface Splice {
  start: number;
  end: number;
  text: string;
}

function cut(start: number, end: number): Splice {
  return { start, end, text: '' };
}

/** In order, none over another. */
function splice(text: string, splices: readonly Splice[]): string {
  const parts = splices.map((part, index) => text.slice(splices[index - 1]?.end ?? 0, part.start) + part.text);
  return parts.join('') + text.slice(splices.at(-1)?.end ?? 0);
}

function eolOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** A block scalar's end is that of its last line's break. */
function nextLine(text: string, end: number): number {
  const at = text.indexOf('\n', text[end - 1] === '\n' ? end - 1 : end);
  return at === -1 ? text.length : at + 1;
}
