import type { BackupResult, RestoreResult } from '../protocol/backup-calls.ts';
import { printable } from './printable.ts';
import { formatBytes, formatCount } from './quantities.ts';

export function describeLeftOut({ count, shown }: BackupResult['leftOut']): string[] {
  if (count === 0) return [];
  const more = count > shown.length ? [`    and ${count - shown.length} more`] : [];
  return [`  left out:`, ...shown.map((line) => `    ${printable(line)}`), ...more];
}

export function renderMade(
  { tenant, from, domains, apps, data, secrets, state, pausedSchedules = 0, leftOut }: RestoreResult,
  seconds: number,
): string {
  const size = `${formatCount(apps.files + data.files, 'file')}, ${formatBytes(apps.bytes + data.bytes)}, ${formatCount(secrets, 'secret')}`;
  const paused = pausedSchedules === 0 ? [] : [`  its schedules are paused: see \`schedules\` in its tenant.yaml`];
  return [
    `${tenant}: made from ${printable(from)} in ${seconds.toFixed(1)} s (${size}); it is ${state}`,
    ...domains.map((domain) => `  ${printable(domain)}`),
    ...paused,
    ...describeLeftOut(leftOut),
    '',
  ].join('\n');
}
