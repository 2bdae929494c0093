import type { NameState, NameStatus } from '../protocol/certs.ts';
import { printable } from './printable.ts';
import { formatCount, formatDistance, formatWhen } from './quantities.ts';
import type { Paint, TextLayout } from './terminal.ts';
import { renderTable, type Row } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const indent = '  ';
const detailIndent = '      ';
const heads = ['NAME', 'STATE', 'EXPIRES', 'NEXT TRY'] as const;

const stateWords: Readonly<Record<NameState, string>> = {
  waiting: 'waiting',
  checking: 'checking DNS',
  ordering: 'ordering',
  issued: 'valid',
  renewing: 'renewing',
  failed: 'failed',
  'set-aside': 'set aside',
};

/** The certificate that is served decides, where there is one: a name that can't be renewed is well until it expires. */
export function stateInWords({ state, notAfterMs }: NameStatus, nowMs: number): string {
  if (notAfterMs === undefined) return stateWords[state];
  if (notAfterMs <= nowMs) return 'expired';
  return state === 'failed' || state === 'set-aside' ? 'not renewed' : stateWords[state];
}

export function paintState(text: string, paint: Paint): string {
  if (text === 'valid' || text === 'renewing') return paint('green', text);
  return text === 'failed' || text === 'set aside' || text === 'expired' ? paint('red', text) : paint('yellow', text);
}

/** By tenant, a name a line; below it what is not as it should be. */
export function renderCertificates(names: readonly NameStatus[], layout: TextLayout): string {
  if (names.length === 0) return 'There are no names that need a certificate.\n';
  const rows = groupByTenant(names, layout.paint, (status) => renderRow(status, layout));
  return `${[...renderTable(heads, rows, { ...layout, indent }), '', summarize(names, layout.nowMs)].join('\n')}\n`;
}

/** Rows in order of tenant, each tenant's name above its first one. */
export function groupByTenant<T extends { tenant: string }>(items: readonly T[], paint: Paint, render: (item: T) => Row): Row[] {
  const tenants = [...Map.groupBy(items, ({ tenant }) => tenant)].sort(([a], [b]) => (a < b ? -1 : 1));
  return tenants.flatMap(([tenant, own], group) =>
    own.map((item, index) => {
      const title = [...(group > 0 ? [''] : []), paint('bold', printable(tenant))];
      return { ...render(item), above: index === 0 ? title : [] };
    }),
  );
}

function renderRow(status: NameStatus, layout: TextLayout): Row {
  const { paint, nowMs } = layout;
  return {
    cells: [printable(status.name), stateInWords(status, nowMs), expiryOf(status, nowMs), nextTryOf(status, nowMs)],
    paintCell: (text, column) => (column === 1 ? paintState(text, paint) : text),
    details: renderDetails(status, layout),
  };
}

function expiryOf({ notAfterMs }: NameStatus, nowMs: number): string {
  return notAfterMs === undefined ? '-' : formatWhen(notAfterMs, nowMs);
}

function nextTryOf({ nextTryMs }: NameStatus, nowMs: number): string {
  if (nextTryMs === undefined) return '-';
  return nextTryMs > nowMs ? formatDistance(nextTryMs, nowMs) : 'now';
}

function renderDetails(status: NameStatus, { width, paint }: TextLayout): string[] {
  const { issuer, state, message, lastError } = status;
  const known = lastError === undefined || message.includes(lastError);
  const parts = [
    ...(issuer === undefined ? [] : [`issuer: ${printable(issuer)}`]),
    ...(state === 'issued' ? [] : [printable(message)]),
    ...(known && state !== 'issued' ? [] : lastErrorOf(status)),
  ];
  return parts.flatMap((part) => wrapText(part, width, detailIndent)).map((line) => paint('dim', line));
}

function lastErrorOf({ lastError, failures }: NameStatus): string[] {
  if (lastError === undefined) return [];
  return [`last error${failures > 1 ? `, of ${formatCount(failures, 'failure')}` : ''}: ${printable(lastError)}`];
}

/** `3 names: 2 valid, 1 failed` */
function summarize(names: readonly NameStatus[], nowMs: number): string {
  const counts = [...Map.groupBy(names, (status) => stateInWords(status, nowMs))].sort(([, a], [, b]) => b.length - a.length);
  return `${formatCount(names.length, 'name')}: ${counts.map(([words, own]) => `${own.length} ${words}`).join(', ')}`;
}
