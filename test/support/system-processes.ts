import { readdirSync, readFileSync } from 'node:fs';
import type { TestDaemon } from './test-daemon.ts';

export type ProcessRole = 'daemon' | 'edge' | 'edge-master' | 'certs' | 'resolver' | 'host' | 'worker' | 'other';

export interface SystemProcess {
  pid: number;
  role: ProcessRole;
  /** For people: `worker of plain-hit/site: its sandbox's first process`. */
  what: string;
  tenant?: string;
  /** The first process of its sandbox, with which all in there dies; of the daemon, itself. */
  sandbox: number;
}

interface SandboxRecord {
  /** Its file is `ID.json`. */
  id: string;
  monitor: { pid: number; startTicks: number };
  reaper: { pid: number; startTicks: number };
  role: { role: string; tenant?: string; app?: string; phase?: string };
  verified?: true;
}

/** Every process of this daemon's own system, found by the records that it keeps, never by a name. */
export function systemProcesses(daemon: TestDaemon): SystemProcess[] {
  return [{ pid: daemon.pid(), role: 'daemon', what: 'the daemon', sandbox: daemon.pid() }, ...sandboxRecords(daemon).flatMap(processesOf)];
}

/** Of those that are there at the moment: each may go while they are read. */
export function sandboxRecords(daemon: TestDaemon): SandboxRecord[] {
  const directory = `${daemon.directory}/run/sandboxes`;
  return namesIn(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const text = read(`${directory}/${name}`);
      return text === '' ? [] : [JSON.parse(text) as SandboxRecord];
    });
}

function processesOf({ monitor, reaper, role }: SandboxRecord): SystemProcess[] {
  if (startTicksOf(reaper.pid) !== reaper.startTicks) return []; // it has ended, and its pid may be another's
  const owner = role.tenant === undefined ? role.role : `${role.role} of ${role.tenant}${role.app === undefined ? '' : `/${role.app}`}`;
  const common = { sandbox: reaper.pid, ...(role.tenant !== undefined && { tenant: role.tenant }) };
  const main = mainRole(role.role);
  const shared = [
    { pid: reaper.pid, role: main, what: `${owner}: its sandbox's first process`, ...common },
    ...(startTicksOf(monitor.pid) === monitor.startTicks
      ? [{ pid: monitor.pid, role: main, what: `${owner}: its bubblewrap`, ...common }]
      : []),
  ];
  const commands = childrenOf(reaper.pid).map((pid) => ({ pid, role: main, what: owner, ...common }));
  if (main !== 'edge-master') return [...shared, ...commands];
  const edges = commands.flatMap(({ pid }) => childrenOf(pid)).map((pid) => ({ pid, role: 'edge' as const, what: 'an edge', ...common }));
  return [...shared, ...commands, ...edges];
}

function mainRole(role: string): ProcessRole {
  if (role === 'edge') return 'edge-master';
  const known: ProcessRole[] = ['certs', 'resolver', 'host', 'worker'];
  return known.find((name) => name === role) ?? 'other';
}

export function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

/** In clock ticks after the machine's start (proc(5), field 22); NaN for a process that is gone. */
function startTicksOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? Number.NaN);
}

export function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // gone meanwhile
  }
}

export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // gone meanwhile
  }
}
