import { type UsageRow, usageFigureNames } from '../protocol/usage-calls.ts';

/** `bytesIn` -> `bytes_in`: columns keep their names and their order; what is added comes last. */
const header = ['tenant', 'app', 'from', 'to', ...usageFigureNames.map(toColumn)];

/** RFC 4180, with a header, plain numbers and times in UTC. No sums: who adds a column up must not count them. */
export function renderUsageCsv(rows: readonly UsageRow[]): string {
  const records = rows.map((row) => [row.tenant, row.app ?? '', row.from, row.to, ...usageFigureNames.map((name) => plain(row[name]))]);
  return [header, ...records].map((record) => `${record.map(toCell).join(',')}\r\n`).join('');
}

function toColumn(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Never as 1e-7. */
function plain(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(6).replace(/0+$/, '');
}

/** A spreadsheet takes what begins like this for a formula. */
function toCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
