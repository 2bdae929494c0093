import { readFileSync } from 'node:fs';

/** Proportional set size of all of them together: a page that several processes share counts once in all. */
export function pssOf(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return total + Number(kibibytes) * 1024;
  }, 0);
}
