import type { AccessLine, AccessRecord } from '../protocol/access.ts';
import { printable } from './printable.ts';
import { formatBytes, formatCount } from './quantities.ts';
import type { Paint, Terminal } from './terminal.ts';

/** `time  status  METHOD host/path  time taken (in the app)  bytes sent  client`, and how it ended unless that was well. */
export function renderAccessRecord(record: AccessRecord, { paint }: Pick<Terminal, 'paint'>): string {
  const time = paint('dim', printable(record.time).replace('T', ' '));
  if ('dropped' in record) return `${time}  ${paint('yellow', `${formatCount(record.dropped, 'request')} not logged here`)}\n`;
  const { method, host, path, bytesOut, client, outcome } = record;
  const request = `${method} ${host}${path}`;
  const cells = [paintStatus(record.status, paint), printable(request), duration(record), formatBytes(bytesOut), printable(client)];
  if (outcome !== 'ok') cells.push(printable(outcome));
  return `${[time, ...cells].join('  ')}\n`;
}

function duration({ ms, appMs }: AccessLine): string {
  return `${ms.toFixed(1)} ms${appMs === undefined ? '' : ` (app ${appMs.toFixed(1)})`}`;
}

function paintStatus(status: number, paint: Paint): string {
  const text = status === 0 ? '  -' : String(status);
  if (status >= 500 || status === 0) return paint('red', text);
  if (status >= 400) return paint('yellow', text);
  return status >= 300 ? paint('dim', text) : paint('green', text);
}
