import { readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { controlGroupLinesOf } from './facts-process.ts';

/** Where a process of the machine is. */
export interface SeenProcess {
  pid: number;
  /** As `pid:[4026531836]`. */
  pidNamespace: string;
  network: string;
  mounts: string;
  /** The lines of /proc/PID/cgroup. */
  groups: string[];
}

/** Between two breaths: a machine with ten thousand processes must not keep anybody waiting. */
const atOnce = 64;

/** Every process of this machine that is there now, this one included; the kernel's own threads too. */
export async function scanProcesses(): Promise<SeenProcess[]> {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const seen: SeenProcess[] = [];
  for (const [index, pid] of pids.entries()) {
    if (index % atOnce === atOnce - 1) await breathe();
    const found = look(pid);
    if (found) seen.push(found);
  }
  return seen;
}

function look(pid: number): SeenProcess | undefined {
  try {
    const [pidNamespace = '', network = '', mounts = ''] = ['pid', 'net', 'mnt'].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
    return { pid, pidNamespace, network, mounts, groups: controlGroupLinesOf(pid) };
  } catch {
    return undefined; // ended meanwhile
  }
}
