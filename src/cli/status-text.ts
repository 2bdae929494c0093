import type { AppStatus, Status, TenantStatus } from '../protocol/control.ts';
import { lastFaultWords } from './fault-text.ts';
import { printable } from './printable.ts';
import { renderProblem } from './problem-text.ts';
import { formatBytes, formatCount, formatDuration } from './quantities.ts';
import { describeMark } from './tenant-mark-text.ts';
import type { Paint } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

export interface StatusLayout {
  width: number;
  paint: Paint;
  nowMs: number;
  /** One tenant was asked for: leave nothing out. */
  full: boolean;
}

const indent = '  ';
const gap = '  ';
const detailIndent = '      ';
const shownUrls = 3;
const columns = ['APP', 'KIND', 'STATE', 'WORKERS', 'RESTARTS'] as const;
const firstNumber = 3;
type Widths = readonly number[];

const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });
const ordinalEndings: Partial<Record<Intl.LDMLPluralRule, string>> = { one: 'st', two: 'nd', few: 'rd' };

export function renderStatus(status: Status, layout: StatusLayout): string {
  const blocks = [renderDaemon(status, layout), ...renderTenants(status.tenants, layout)];
  if (status.problems.length > 0) {
    const { width, paint } = layout;
    const problems = status.problems.flatMap((problem) => renderProblem(problem, { width, paint, indent }));
    blocks.push([paint('bold', 'Problems of the daemon and the machine'), ...problems]);
  }
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function renderDaemon({ version, pid, startedAt, edge }: Status, { width, paint, nowMs }: StatusLayout): string[] {
  const uptime = formatDuration(nowMs - Date.parse(startedAt));
  const listens = [...edge.http.map((address) => `http ${address}`), ...edge.https.map((address) => `https ${address}`)];
  const edges = formatCount(edge.processes.length, 'edge process', 'edge processes');
  return [
    `${paint('bold', `tenantd ${printable(version)}`)}, pid ${pid}, up ${uptime}`,
    ...wrapText([edges, ...listens].map(printable).join(', '), width),
  ];
}

function renderTenants(tenants: TenantStatus[], layout: StatusLayout): string[][] {
  if (tenants.length === 0) {
    const advice = 'There are no tenants. Make a folder with a tenant.yaml in tenantsDir (see tenantd.yaml), and its apps in apps/.';
    return [wrapText(advice, layout.width)];
  }
  const apps = tenants.flatMap((tenant) => tenant.apps);
  const widths = columns.map((name, index) => Math.max(name.length, ...apps.map((app) => (cellsOf(app)[index] ?? '').length)));
  const head = indent + [...alignCells(columns, widths), 'URL'].join(gap);
  const [first = [], ...rest] = tenants.map((tenant) => renderTenant(tenant, widths, layout));
  return [[layout.paint('dim', head), ...first], ...rest];
}

function renderTenant(tenant: TenantStatus, widths: Widths, layout: StatusLayout): string[] {
  const { width, paint } = layout;
  const figures = printable(
    `plan ${tenant.plan}, ${formatBytes(tenant.memoryBytes)}, ${tenant.cpuSeconds.toFixed(1)} s CPU${renderDisk(tenant, layout)}`,
  );
  const name = printable(tenant.name);
  const besides = name.length + tenant.state.length + figures.length + 2 * gap.length <= width;
  const idle = tenant.apps.length === 0 && !tenant.mark ? [`${indent}it has no apps: put one in its folder apps/`] : [];
  return [
    paint('bold', name) + gap + paintState(tenant.state, tenant.state, paint) + (besides ? gap + figures : ''),
    ...(besides ? [] : wrapText(figures, width, indent)),
    ...(tenant.mark ? wrapText(describeMark(tenant.mark, layout.nowMs), width, indent) : []),
    ...(layout.full ? wrapText(`domains: ${tenant.domains.map(printable).join(', ') || 'none'}`, width, indent) : []),
    ...(layout.full ? renderNetwork(tenant, width) : []),
    ...idle,
    ...tenant.apps.flatMap((app) => renderApp(app, widths, layout)),
    ...tenant.problems.flatMap((problem) => renderProblem(problem, { width, paint, indent })),
    ...(tenant.lastFault ? wrapText(`last fault ${lastFaultWords(tenant.lastFault, layout.nowMs)}`, width, indent) : []),
  ];
}

function renderDisk({ diskBytes, diskLimitBytes, files, filesLimit }: TenantStatus, { full }: StatusLayout): string {
  if (diskBytes === undefined || diskLimitBytes === undefined) return '';
  const bytes = `, disk ${formatBytes(diskBytes)} of ${formatBytes(diskLimitBytes)}`;
  return full && files !== undefined && filesLimit !== undefined ? `${bytes}, ${files} of ${filesLimit} files` : bytes;
}

function renderNetwork({ network }: TenantStatus, width: number): string[] {
  if (!network) return [];
  const { bytesOut, bytesIn, refused, lookups } = network;
  const traffic = `network: ${formatBytes(bytesOut)} out, ${formatBytes(bytesIn)} in, ${formatCount(refused, 'packet')} refused`;
  const names = lookups ? `, ${formatCount(lookups.queries, 'name')} asked for, ${lookups.refusedNames} refused` : '';
  const last = [lookups?.lastRefusedName, lookups?.lastRefusedAnswer].filter((name) => name !== undefined);
  return wrapText(printable(`${traffic}${names}${last.length > 0 ? ` (last: ${last.join(', ')})` : ''}`), width, indent);
}

function renderApp(app: AppStatus, widths: Widths, layout: StatusLayout): string[] {
  const { width, paint } = layout;
  const [name = '', kind = '', state = '', ...numbers] = alignCells(cellsOf(app), widths);
  const cells = [name, kind, paintState(app.state, state, paint), ...numbers].join(gap);
  const urlColumn = indent.length + sum(widths) + gap.length * widths.length;
  const [first = '', ...more] = renderUrls(app.urls, layout.full);
  const besides = urlColumn + first.length <= width;
  return [
    indent + (besides ? `${cells}${gap}${first}` : cells).trimEnd(),
    ...(besides ? more : [first, ...more]).map((url) => urlIndent(besides ? urlColumn : width, url, width) + url),
    ...(layout.full ? renderLife(app, layout) : []),
    ...renderReason(app, layout),
    ...(app.lastLines ?? []).map((line) => paint('dim', `${detailIndent}| ${cut(printable(line), width - detailIndent.length - 2)}`)),
  ];
}

/** Below the first one where it fits there. */
function urlIndent(column: number, url: string, width: number): string {
  return column + url.length <= width ? ' '.repeat(column) : detailIndent;
}

function cellsOf({ name, kind, state, workers, restarts }: AppStatus): string[] {
  return [printable(name), kind ?? '-', state, kind === 'static' ? '-' : String(workers.length), String(restarts)];
}

/** Names to the left, numbers to the right. */
function alignCells(cells: readonly string[], widths: Widths): string[] {
  return cells.map((cell, index) => (index < firstNumber ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function renderUrls(urls: string[], full: boolean): string[] {
  const shown = (full ? urls : urls.slice(0, shownUrls)).map(printable);
  return shown.length === urls.length ? shown : [...shown, `and ${urls.length - shown.length} more`];
}

function renderLife({ state, since, release }: AppStatus, { width, nowMs }: StatusLayout): string[] {
  const life = `${state} for ${formatDuration(nowMs - Date.parse(since))}`;
  return wrapText(release === 'local' ? life : `${life}, release ${printable(release)}`, width, detailIndent);
}

function renderReason({ reason, nextTryAt, failures }: AppStatus, { width, nowMs }: StatusLayout): string[] {
  const next = nextTryAt === undefined ? [] : [nextTry(nextTryAt, failures, nowMs)];
  const parts = [...(reason === undefined ? [] : [printable(reason)]), ...next];
  return parts.length === 0 ? [] : wrapText(parts.join(', '), width, detailIndent);
}

function nextTry(nextTryAt: string, failures: number | undefined, nowMs: number): string {
  const leftMs = Date.parse(nextTryAt) - nowMs;
  const when = leftMs > 0 ? `next try in ${formatDuration(Math.max(1000, leftMs))}` : 'next try now';
  return failures === undefined ? when : `${when}, the ${ordinalOf(failures + 1)}`;
}

function ordinalOf(number: number): string {
  const ending = ordinalEndings[ordinals.select(number)] ?? 'th';
  return `${number}${ending}`;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`;
}

function paintState(state: TenantStatus['state'] | AppStatus['state'], text: string, paint: Paint): string {
  if (state === 'running') return paint('green', text);
  if (state === 'failed' || state === 'quarantined') return paint('red', text);
  return paint('yellow', text);
}
