import { noUsage, type UsageFigures, usageFigureNames, type UsageResult, type UsageRow } from '../protocol/usage-calls.ts';
import { printable } from './printable.ts';
import { formatBytes } from './quantities.ts';
import type { Paint } from './terminal.ts';
import { renderTable, type Row } from './text-table.ts';

interface UsageLayout {
  byApp?: boolean;
  byDay?: boolean;
  byHour?: boolean;
  width: number;
  paint: Paint;
}

const heads = ['TENANT', 'REQUESTS', 'IN', 'OUT', 'CPU', 'MEMORY', 'DISK', 'EGRESS'];

/** Eight columns of 80: times and apps stand in the first. */
export function renderUsage({ month, rows }: UsageResult, layout: UsageLayout): string {
  if (rows.length === 0) return `Nothing was used in ${month}.\n`;
  const total = rows.reduce((sum, row) => sumOf(sum, row), noUsage);
  const shown: Row[] = rows.map((row) => ({ cells: [nameOf(row, layout), ...cellsOf(row)] }));
  const lines = renderTable(heads, [...shown, { cells: ['total', ...cellsOf(total)] }], { ...layout, indent: '' });
  return [...lines, '', `${month}, UTC. MEMORY and DISK in GiB hours, EGRESS in and out.`, ''].join('\n');
}

function nameOf({ tenant, app, from }: UsageRow, { byApp, byDay, byHour }: UsageLayout): string {
  const name = byApp && app !== '' ? `${tenant}/${app ?? ''}` : tenant;
  const time = byHour ? ` ${from.slice(5, 13).replace('T', ' ')}h` : byDay ? ` ${from.slice(5, 10)}` : '';
  return printable(name + time);
}

function cellsOf(figures: UsageFigures): string[] {
  const { requests, bytesIn, bytesOut, cpuSeconds, memoryGibHours, diskGibHours, egressBytesIn, egressBytesOut } = figures;
  return [
    ...[formatCount(requests), formatBytes(bytesIn), formatBytes(bytesOut), formatSeconds(cpuSeconds)],
    ...[amount(memoryGibHours), amount(diskGibHours), formatBytes(egressBytesIn + egressBytesOut)],
  ];
}

function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

function formatSeconds(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return seconds < 36_000 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 3_600)} h`;
}

function amount(gibHours: number): string {
  if (gibHours >= 100) return String(Math.round(gibHours));
  return gibHours >= 1 ? gibHours.toFixed(1) : gibHours.toFixed(3);
}

function sumOf(one: UsageFigures, other: UsageFigures): UsageFigures {
  return Object.fromEntries(usageFigureNames.map((name) => [name, one[name] + other[name]])) as unknown as UsageFigures;
}
