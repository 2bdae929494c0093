import { readFileSync } from 'node:fs';

/** What a process is called, and what it takes. */
export interface ProcessUse {
  pid: number;
  /** The tenant's words: any bytes, 15 at most. */
  name: string;
  memoryBytes: number;
  cpuSeconds: number;
}

/** getconf PAGESIZE and CLK_TCK, on both of our architectures as Debian builds them. */
const pageBytes = 4_096;
const ticksPerSecond = 100;

/** From /proc/PID/stat (proc_pid_stat(5)); undefined when it is gone. */
export function processUseOf(pid: number): ProcessUse | undefined {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined; // gone
  }
}

/** The name may hold spaces and brackets: it ends with the last one. */
export function parseStat(pid: number, stat: string): ProcessUse {
  const [start, end] = [stat.indexOf('('), stat.lastIndexOf(')')];
  const fields = stat.slice(end + 2).split(' ');
  const number = (field: number): number => Number(fields[field - 3] ?? 0);
  return {
    pid,
    name: stat.slice(start + 1, end),
    memoryBytes: number(24) * pageBytes,
    cpuSeconds: (number(14) + number(15)) / ticksPerSecond,
  };
}
