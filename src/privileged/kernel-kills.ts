import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';

/** A process that the kernel ended for want of memory. */
export interface KernelKill {
  pid: number;
  /** The tenant's words. */
  name: string;
  memoryBytes: number;
  /** Not at a group's limit: the machine had none left. */
  ofMachine: boolean;
}

/** What the kernel's log says of processes that it ended: those of the groups whose path ends so. Each is told once. */
export interface KernelKills {
  take(pathEnd: string): KernelKill[];
  close(): void;
}

/** Of groups that nobody asks for, such as other programs'. */
const mostKept = 512;
const recordBytes = 8_192;
/** Records that are read in one go; the kernel's buffer has some thousands. */
const mostRecords = 20_000;

/**
 * /dev/kmsg, which a machine may not let us read: then nothing is ever told. A record is a line; names in it can hold anything, so fields
 * of ours are sought from the line's beginning, and those after a name from its end.
 */
export function openKernelKills(file = '/dev/kmsg'): KernelKills {
  const parser = createKillParser();
  const buffer = Buffer.alloc(recordBytes);
  let fd: number | undefined;
  let isRefused = false;

  function open(): number | undefined {
    if (fd !== undefined || isRefused) return fd;
    try {
      fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch {
      isRefused = true; // containers: what is told goes without the names of who was ended
    }
    return fd;
  }

  /** False at its end. EPIPE: records were overwritten before they were read; those after them follow. */
  function readRecord(from: number): boolean {
    try {
      const length = readSync(from, buffer);
      parser.read(buffer.toString('latin1', 0, length));
      return length > 0;
    } catch (error) {
      return errnoOf(error) === 'EPIPE';
    }
  }

  function readRecords(from: number): void {
    for (let left = mostRecords; left > 0 && readRecord(from); left--);
  }

  return {
    take(pathEnd) {
      const from = open();
      if (from !== undefined) readRecords(from);
      return parser.take(pathEnd);
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      [fd, isRefused] = [undefined, true];
    },
  };
}

/** Reads records one by one (mm/oom_kill.c). The kernel ends one after another, so what is ended belongs to the group named last. */
export function createKillParser(): { read(record: string): void; take(pathEnd: string): KernelKill[] } {
  let kills: (KernelKill & { path: string })[] = [];
  let group = { path: '', ofMachine: false };

  return {
    read(record) {
      const text = kernelTextOf(record);
      const path = groupIn(text);
      if (path !== undefined) group = { path, ofMachine: !text.includes('constraint=CONSTRAINT_MEMCG,') && text.startsWith('oom-kill:') };
      const kill = killIn(text);
      if (kill && group.path !== '') kills = [...kills, { ...kill, ...group }].slice(-mostKept);
    },
    take(pathEnd) {
      const taken = kills.filter(({ path }) => path.endsWith(pathEnd));
      kills = kills.filter(({ path }) => !path.endsWith(pathEnd));
      return taken.map(({ pid, name, memoryBytes, ofMachine }) => ({ pid, name, memoryBytes, ofMachine }));
    },
  };
}

/** `6,65089,45558018409,-;TEXT`: of the kernel itself, whose facility is 0 (Documentation/ABI/testing/dev-kmsg); else ''. */
function kernelTextOf(record: string): string {
  const start = record.indexOf(';');
  if (start === -1 || Number.parseInt(record, 10) >= 8) return '';
  const [text = ''] = record.slice(start + 1).split('\n', 1);
  return text;
}

/** Groups of ours have no `,` and no blank in their names. */
function groupIn(text: string): string | undefined {
  if (text.startsWith('oom-kill:')) return /,task_memcg=([^,]*),task=/.exec(text)?.[1];
  return /^Tasks in (\S+) are going to be killed due to memory\.oom\.group set$/.exec(text)?.[1];
}

const killPattern = /^(?:Memory cgroup out|Out) of memory(?: \([^)]*\))?: Killed process (\d+) \((.*)\) total-vm:\d+kB, (.*)$/;

function killIn(text: string): Pick<KernelKill, 'pid' | 'name' | 'memoryBytes'> | undefined {
  const found = killPattern.exec(text);
  if (!found) return undefined;
  const [, pid = '', name = '', sizes = ''] = found;
  const kilobytes = [...sizes.matchAll(/(?:anon|file|shmem)-rss:(\d+)kB/g)].reduce((total, [, size]) => total + Number(size), 0);
  return { pid: Number(pid), name, memoryBytes: kilobytes * 1024 };
}
