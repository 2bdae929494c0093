import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import type { TestDaemon } from '../support/test-daemon.ts';
import { namesIn, read, systemProcesses } from '../support/system-processes.ts';

/** What a daemon's system has on the machine: as the kernel knows it, not as the daemon says. */
export interface Footprint {
  /** Must be the same whenever the same apps run. */
  counts: Record<string, number>;
  /** Bounded: caches and buffers may have grown a little. */
  descriptors: Record<string, number>;
  memoryBytes: Record<string, number>;
}

export function footprintOf(daemon: TestDaemon): Footprint {
  const pids = processesOf(daemon.directory);
  const counts = {
    ...countBy(pids.map((pid) => `process ${programOf(pid)}`)),
    'zombies of the daemon': zombiesOf(daemon.pid()),
    networks: new Set(pids.map((pid) => link(`/proc/${pid}/ns/net`))).size,
    'mounts in the machine': read('/proc/self/mountinfo').split(daemon.directory).length - 1,
    ...countBy(
      groupsOf(daemon)
        .flatMap((group) => foldersBelow(group))
        .map((path) => `control group ${nameOfGroup(path)}`),
    ),
    'loop devices': linesOf('losetup', ['-ln', '-O', 'BACK-FILE'], (line) => line.includes(daemon.directory)),
    'network devices': linesOf('ip', ['-o', 'link'], () => true),
    'packet rules': linesOf('nft', ['list', 'ruleset'], (line) => !line.includes('elements') && line.trim() !== ''),
    users: read('/etc/passwd').split(`\n${daemon.userPrefix}`).length - 1,
    ...filesIn(daemon),
  };
  return { counts, ...resources(daemon) };
}

/** Of what lasts as long as the system does: descriptors, and memory (PSS). */
function resources(daemon: TestDaemon): Pick<Footprint, 'descriptors' | 'memoryBytes'> {
  const lasting = systemProcesses(daemon).filter(({ what }) => !what.includes(':'));
  const sum = (of: (pid: number) => number): Record<string, number> => {
    const sums: Record<string, number> = {};
    for (const { pid, what } of lasting) sums[what] = (sums[what] ?? 0) + of(pid);
    return sums;
  };
  return { descriptors: sum((pid) => namesIn(`/proc/${pid}/fd`).length), memoryBytes: sum(pssOf) };
}

export interface Growth {
  what: string;
  before: number;
  after: number;
}

/** A daemon that took others' sandboxes up holds a little more than the one that started them. */
const descriptorSlack = 16;
const memoryFactor = 1.5;
const memorySlackBytes = 24 << 20;

/** What is more, or less, than it was; of descriptors and memory, what is much more. */
export function compareFootprints(before: Footprint, after: Footprint): Growth[] {
  const differing = (kind: keyof Footprint, isWrong: (before: number, after: number) => boolean): Growth[] =>
    [...new Set([...Object.keys(before[kind]), ...Object.keys(after[kind])])]
      .map((what) => ({ what, before: before[kind][what] ?? 0, after: after[kind][what] ?? 0 }))
      .filter((growth) => isWrong(growth.before, growth.after))
      .map((growth) => ({ ...growth, what: kind === 'counts' ? growth.what : `${kind} of ${growth.what}` }));
  return [
    ...differing('counts', (left, right) => left !== right),
    ...differing('descriptors', (left, right) => right > left + descriptorSlack),
    ...differing('memoryBytes', (left, right) => right > left * memoryFactor + memorySlackBytes),
  ];
}

/** Of a system that was stopped. */
export function leftovers(daemon: TestDaemon): string[] {
  const counts: Record<string, number> = footprintOf(daemon).counts;
  const stays = new Set(['users', 'networks', 'network devices', 'zombies of the daemon', 'packet rules']);
  const left = Object.entries(counts).filter(([what, count]) => count > 0 && !stays.has(what) && !what.startsWith('file '));
  const rules = linesOf('nft', ['list', 'tables'], () => true);
  const links = linesOf('ip', ['-o', 'link'], (line) => / td[0-9a-f]/.test(line));
  return [
    ...left.map(([what, count]) => `${what}: ${count}`),
    ...(rules + links > 0 ? [`packet rules: ${rules}, links: ${links}`] : []),
    ...namesIn(`${daemon.directory}/run/sandboxes`).map((name) => `a record: ${name}`),
  ];
}

/** All that run a program of its folder, or have a file or mount of it. */
export function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => {
      const facts = [read(`/proc/${pid}/cmdline`), link(`/proc/${pid}/exe`), link(`/proc/${pid}/cwd`), read(`/proc/${pid}/mountinfo`)];
      return facts.some((fact) => fact.includes(directory));
    });
}

/** `worker.js`, `bwrap`, `python3`. */
function programOf(pid: number): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0');
  const script = words.find((word) => /\/(?:lib|dist)\/[a-z]+\.js$/.test(word));
  return (script ?? words[0] ?? '').split('/').at(-1) ?? '';
}

function zombiesOf(parent: number): number {
  return namesIn('/proc').filter((pid) => /^\d+$/.test(pid) && new RegExp(`\\) Z ${parent} `).test(read(`/proc/${pid}/stat`))).length;
}

/** The daemon names its groups after its state directory. */
function groupsOf(daemon: TestDaemon): string[] {
  const name = `tenantd-${createHash('sha256').update(`${daemon.directory}/state`).digest('hex').slice(0, 8)}`;
  const hierarchies = ['/sys/fs/cgroup', ...namesIn('/sys/fs/cgroup').map((hierarchy) => `/sys/fs/cgroup/${hierarchy}`)];
  return hierarchies.map((hierarchy) => `${hierarchy}/${name}`).filter((path) => existsSync(`${path}/cgroup.procs`));
}

function foldersBelow(path: string): string[] {
  const children = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [path, ...children.flatMap(({ name }) => foldersBelow(`${path}/${name}`))];
}

/** `t-acme/w.site.*` for each worker of that app, in whichever hierarchy. */
function nameOfGroup(path: string): string {
  return path.replace(/^.*\/tenantd-[0-9a-f]{8}/, '').replaceAll(/\.[a-z0-9]{5,}(\.\d+)?(?=\/|$)/g, '.*');
}

/** Of runDir by their names, without what makes them unique; and of what is made beside a name before it gets it. */
function filesIn(daemon: TestDaemon): Record<string, number> {
  const named = (name: string): string => name.replaceAll(/[./][a-z0-9]{5,}(\.\d+)(?=[./]|$)|\.[a-z0-9]{5,}(?=[./]|$)/g, '.*');
  // A stock that is used up and filled again.
  const files = listAll(`${daemon.directory}/run`).filter((name) => !name.startsWith('spare-pipes/'));
  const unfinished = listAll(`${daemon.directory}/state`).filter((name) => name.endsWith('.new'));
  return {
    ...countBy(files.map((name) => `file in run: ${named(name)}`)),
    ...countBy(unfinished.map((name) => `file in state: ${name}`)),
  };
}

function listAll(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, encoding: 'utf8' });
  } catch {
    return []; // no folder, or gone meanwhile
  }
}

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

function linesOf(program: string, args: readonly string[], isCounted: (line: string) => boolean): number {
  return execFileSync(program, args, { encoding: 'utf8' }).split('\n').filter(Boolean).filter(isCounted).length;
}

function countBy(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // gone meanwhile
  }
}
