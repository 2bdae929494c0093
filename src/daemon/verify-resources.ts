import type { FoundLimits, ResourceLimits } from '../privileged/cgroups.ts';
import { compare, type Finding } from './verify-finding.ts';

const pageBytes = 4_096;

/** The limits of a tenant's control group, read back; `found` is undefined when the group is gone. */
export function checkLimits(found: FoundLimits | undefined, { memoryBytes, processes, cpu }: ResourceLimits): Finding[] {
  if (!found) return [compare('resources', 'limits', 'in a control group', 'the group is gone', '/sys/fs/cgroup')];
  // Whole pages are what the kernel keeps.
  const pages = Math.floor(memoryBytes / pageBytes) * pageBytes;
  return [
    compare(
      'resources',
      'memory',
      `${pages} bytes`,
      `${show(Math.floor(found.memoryBytes / pageBytes) * pageBytes)} bytes`,
      found.files.memoryBytes,
    ),
    compare('resources', 'processes', String(processes), show(found.processes), found.files.processes),
    compare('resources', 'cpu', `${round(cpu)} cores`, `${show(round(found.cpu))} cores`, found.files.cpu),
  ];
}

/** As the group's files can hold it: hundredths of a thousandth of a core. */
function round(cores: number): number {
  return Math.round(cores * 100_000) / 100_000;
}

function show(value: number): string {
  if (value === Infinity || value > Number.MAX_SAFE_INTEGER) return 'unlimited';
  return Number.isNaN(value) ? 'unreadable' : String(value);
}
