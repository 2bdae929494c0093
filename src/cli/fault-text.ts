import type { FaultInfo, FaultProcess } from '../protocol/fault-calls.ts';
import { printable } from './printable.ts';
import { formatBytes, formatDistance } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { type Row, renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const indent = '  ';

/** The newest first; below each what happened, and with which processes. */
export function renderFaults(faults: readonly FaultInfo[], layout: TextLayout): string {
  if (faults.length === 0) return 'Nothing of that time.\n';
  const rows = faults.map((fault) => faultRow(fault, layout));
  return `${renderTable(['WHOSE', 'WHAT', 'TIMES', 'LAST', 'FIRST'], rows, { ...layout, indent: '' }).join('\n')}\n`;
}

function faultRow(fault: FaultInfo, { width, nowMs, paint }: TextLayout): Row {
  const { count, firstAt, lastAt, detail, processes = [] } = fault;
  const [killed, there] = [processes.filter((one) => one.killed), processes.filter((one) => !one.killed)];
  return {
    cells: [
      whoseOf(fault),
      fault.kind,
      String(count),
      formatDistance(Date.parse(lastAt), nowMs),
      count === 1 ? '' : formatDistance(Date.parse(firstAt), nowMs),
    ],
    paintCell: (text, column) => (column === 1 ? paint('yellow', text) : text),
    details: [
      ...wrapText(printable(detail), width, indent),
      ...(killed.length > 0 ? wrapText(`ended: ${killed.map(processWords).join(', ')}`, width, indent) : []),
      ...(there.length > 0 ? wrapText(`there: ${there.map(processWords).join(', ')}`, width, indent) : []),
    ],
  };
}

function whoseOf({ tenant, app }: FaultInfo): string {
  return printable(app === undefined ? tenant : `${tenant}/${app}`);
}

/** `node x3 of site 120 MiB`. */
function processWords({ name, app, count, pid, memoryBytes, cpuSeconds }: FaultProcess): string {
  const many = count > 1 ? ` x${count}` : '';
  const whose = app === undefined ? '' : ` of ${printable(app)}`;
  const number = pid === undefined ? '' : ` (pid ${pid})`;
  const time = cpuSeconds === undefined || cpuSeconds < 1 ? '' : ` ${Math.round(cpuSeconds)} s CPU`;
  return `${printable(name)}${many}${whose}${number} ${formatBytes(memoryBytes)}${time}`;
}

/** One line of `status`. */
export function lastFaultWords({ kind, app, lastAt, count, detail }: FaultInfo, nowMs: number): string {
  const times = count > 1 ? `, ${count} times` : '';
  const whose = app === undefined ? '' : ` of ${printable(app)}`;
  return `${formatDistance(Date.parse(lastAt), nowMs)}${times}: ${kind}${whose}: ${printable(detail)}`;
}
