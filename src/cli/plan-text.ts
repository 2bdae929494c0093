import type { LimitInfo, PlanInfo, PlanShowResult, WorkerSize } from '../protocol/plan-calls.ts';
import { printable } from './printable.ts';
import { formatBytes, formatCount, formatDuration } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const sizes = new Set(['memory', 'disk', 'bodySize', 'headerSize', 'uriSize']);
const boundless = new Set(['requestsPerSecond', 'connectionsPerAddress', 'requestTimeout']);
const indent = '  ';
/** More are counted. */
const mostTenants = 200;

/** As a person would write it in tenantd.yaml, about. */
function formatLimit(key: string, value: number): string {
  if (value === 0 && boundless.has(key)) return 'none';
  // JSON has no Infinity.
  if (value === null) return 'none';
  if (sizes.has(key)) return formatBytes(value);
  if (key.endsWith('Timeout')) return formatDuration(value);
  return key === 'cpu' ? String(Math.round(value * 1_000) / 1_000) : String(value);
}

/** One line a plan, with what is asked about first. */
export function renderPlans(plans: readonly PlanInfo[], { width, paint }: TextLayout): string {
  const heads = ['PLAN', 'MEMORY', 'CPU', 'PROCESSES', 'DISK', 'REQUESTS/S', 'TENANTS', ''];
  const shown = ['memory', 'cpu', 'processes', 'disk', 'requestsPerSecond'];
  const rows = plans.map(({ name, isDefault, limits, tenants }) => ({
    cells: [printable(name), ...shown.map((key) => formatLimit(key, limits[key] ?? 0)), String(tenants.length), isDefault ? 'default' : ''],
  }));
  return `${renderTable(heads, rows, { width, paint, indent: '' }).join('\n')}\n`;
}

export function renderPlan({ name, isDefault, limits, tenants }: PlanInfo, { width, paint }: TextLayout): string {
  const rows = Object.entries(limits).map(([key, value]) => ({ cells: [key, formatLimit(key, value)] }));
  const names = tenants.slice(0, mostTenants).map(printable).join(', ');
  const rest = tenants.length > mostTenants ? ` and ${tenants.length - mostTenants} more` : '';
  const whose = tenants.length === 0 ? 'no tenant has it' : `${formatCount(tenants.length, 'tenant')}: ${names}${rest}`;
  return [
    `${paint('bold', printable(name))}${isDefault ? ', the default plan' : ''}`,
    ...wrapText(whose, width),
    ...renderTable(['LIMIT', 'VALUE'], rows, { width, paint, indent }),
    '',
  ].join('\n');
}

export function renderTenantPlan({ tenant, plan, limits, workers }: PlanShowResult, layout: TextLayout): string {
  const { width, paint } = layout;
  const rows = limits.map((limit) => ({ cells: cellsOf(limit), paintCell: paintDifferent(limit, layout) }));
  return [
    `${paint('bold', printable(tenant))}, plan ${printable(plan)}`,
    ...renderTable(['LIMIT', 'PLAN', 'OWN', 'NOW', 'USED'], rows, { width, paint, indent }),
    ...workers.filter(isOther).flatMap((worker) => wrapText(sizeWords(worker), width, indent)),
    '',
  ].join('\n');
}

/** What the kernel has is not what is wanted. */
function paintDifferent({ plan, own, now }: LimitInfo, { paint }: TextLayout): (text: string, column: number) => string {
  const wanted = own ?? plan;
  const differs = now !== undefined && Math.abs(now - wanted) > wanted / 1_000;
  return (text, column) => (column === 3 && differs ? paint('yellow', text) : text);
}

function cellsOf({ key, plan, own, now, used }: LimitInfo): string[] {
  return [key, ...[plan, own, now, used].map((value) => (value === undefined ? '' : formatLimit(key, value)))];
}

function isOther({ heapMegabytes, tmpBytes, wanted }: WorkerSize): boolean {
  return heapMegabytes !== wanted.heapMegabytes || tmpBytes !== wanted.tmpBytes;
}

function sizeWords({ app, pid, heapMegabytes, tmpBytes, wanted }: WorkerSize): string {
  const sizes = (heap: number, tmp: number): string => `heap ${heap} MiB, /tmp ${formatBytes(tmp)}`;
  return `worker ${pid} of ${printable(app)}: ${sizes(heapMegabytes, tmpBytes)}; a new one: ${sizes(wanted.heapMegabytes, wanted.tmpBytes)}`;
}
