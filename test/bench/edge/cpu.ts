import { readFileSync } from 'node:fs';

export interface CpuTime {
  userUs: number;
  systemUs: number;
}

/** USER_HZ, a constant of Linux's interface on every platform of ours. */
const ticksPerSecond = 100;
/** proc(5): fields 14 and 15 of /proc/PID/stat, counted after the name, which may hold anything. */
const userField = 11;
const systemField = 12;

/** The process and all that it started. */
export function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

export function cpuTimeOf(pids: readonly number[]): CpuTime {
  const times = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  });
  const sum = (field: number): number => times.reduce((total, fields) => total + Number(fields[field]), 0) * (1e6 / ticksPerSecond);
  return { userUs: sum(userField), systemUs: sum(systemField) };
}

/** Sum of VmHWM: the most that was resident since the process began. Pages that two processes share count twice. */
export function peakMemoryOf(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    const kibibytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return total + kibibytes * 1024;
  }, 0);
}
