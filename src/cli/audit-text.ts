import type { AuditEntry } from '../protocol/audit-chain.ts';
import { printable } from './printable.ts';
import type { TextLayout } from './terminal.ts';
import { type Row, renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const heads = ['TIME (UTC)', 'WHO', 'TENANT', 'WHAT', 'OUTCOME'] as const;
const outcomeColumn = 4;
const indent = '  ';
const shownCharacters = 60;
/** They say nothing to people. */
const digests = new Set(['sha256', 'keys']);

/** Each with what it changed, and why it failed, on lines below it. */
export function renderAudit(records: readonly AuditEntry[], layout: TextLayout): string {
  if (records.length === 0) return 'No record fits.\n';
  return `${renderTable(
    heads,
    records.map((record) => toRow(record, layout)),
    { ...layout, indent: '' },
  ).join('\n')}\n`;
}

function toRow({ time, actor, tenant, action, before, after, outcome }: AuditEntry, { width, paint }: TextLayout): Row {
  const isDone = ['done', 'found', 'over'].includes(outcome);
  const changes = describeChange(parse(before), parse(after));
  return {
    cells: [
      time.slice(0, 19).replace('T', ' '),
      printable(shortActor(actor)),
      printable(tenant) || '-',
      printable(action),
      isDone ? outcome : 'failed',
    ],
    paintCell: (text, column) => (column === outcomeColumn && !isDone ? paint('red', text) : text),
    details: [
      ...(shortActor(actor) === actor ? [] : [`by ${actor}`]),
      ...(changes === '' ? [] : [changes]),
      ...(isDone ? [] : [outcome]),
    ].flatMap((text) => wrapText(printable(text), width, indent)),
  };
}

/** `token 7k2mq3` of `token 7k2mq3 (deployer of acme)`, `operator` of `operator, proposed by ...`: the rest has a line of its own. */
function shortActor(actor: string): string {
  return /^[^,(]*[^,( ]/.exec(actor)?.[0] ?? actor;
}

/** `app site, workers 1 -> 3`: what is the same is said once. */
function describeChange(before: unknown, after: unknown): string {
  if (!isObject(before) && !isObject(after)) return sameOrBoth('', before, after);
  const [was, is] = [isObject(before) ? before : {}, isObject(after) ? after : {}];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((key) => !digests.has(key))
    .map((key) => sameOrBoth(`${key} `, was[key], is[key]))
    .filter((text) => text !== '')
    .join(', ');
}

function sameOrBoth(name: string, before: unknown, after: unknown): string {
  const [was, is] = [show(before), show(after)];
  if (was === is) return is === '-' ? '' : name + is;
  return was === '-' && name !== '' ? name + is : `${name}${was} -> ${is}`;
}

function show(value: unknown): string {
  if (value === undefined || value === null) return '-';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
