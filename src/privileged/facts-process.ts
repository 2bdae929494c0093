import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

/** What /proc/PID/status says of a process' rights (proc(5)). */
export interface ProcessFacts {
  pid: number;
  isZombie: boolean;
  /** Real, effective, saved, file system. */
  uids: number[];
  gids: number[];
  groups: number[];
  /** By the file's own names: CapInh, CapPrm, CapEff, CapBnd, CapAmb; in hexadecimal. */
  capabilities: ReadonlyMap<string, string>;
  noNewPrivileges: number;
  /** 2: filtered. */
  seccompMode: number;
  seccompFilters: number;
  /** In each pid namespace, from the machine's down to its own. */
  namespacePids: number[];
}

export const capabilitySets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;
export const namespaceKinds = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const;
export type NamespaceKind = (typeof namespaceKinds)[number];
export type Namespaces = Readonly<Record<NamespaceKind, string>>;

/** Undefined when the process is gone. */
export function processFactsOf(pid: number): ProcessFacts | undefined {
  const text = readProc(`${pid}/status`);
  return text === undefined ? undefined : parseStatusFile(pid, text);
}

/** The name of a program is in it too, with every line end escaped: no line can be forged. */
export function parseStatusFile(pid: number, text: string): ProcessFacts {
  const fields = new Map(text.split('\n').map((line) => splitOnce(line, ':')));
  const numbers = (name: string): number[] => (fields.get(name) ?? '').split(/\s+/).filter(Boolean).map(Number);
  const number = (name: string): number => numbers(name)[0] ?? Number.NaN;
  return {
    pid,
    isZombie: /^\s*[ZX]/.test(fields.get('State') ?? ''),
    uids: numbers('Uid'),
    gids: numbers('Gid'),
    groups: numbers('Groups'),
    capabilities: new Map(capabilitySets.map((name) => [name, (fields.get(name) ?? '').trim()])),
    noNewPrivileges: number('NoNewPrivs'),
    seccompMode: number('Seccomp'),
    seccompFilters: number('Seccomp_filters'),
    namespacePids: numbers('NSpid'),
  };
}

/** As `net:[4026531840]`; undefined when the process is gone. */
export function namespacesOf(pid: number | 'self'): Namespaces | undefined {
  try {
    return Object.fromEntries(namespaceKinds.map((kind) => [kind, readlinkSync(`/proc/${pid}/ns/${kind}`)])) as Namespaces;
  } catch {
    return undefined; // gone
  }
}

/** The hard limits of getrlimit(2), by the names of /proc/PID/limits; Infinity where there is none. */
export function hardLimitsOf(pid: number): Map<string, number> {
  const lines = (readProc(`${pid}/limits`) ?? '').split('\n').slice(1);
  return new Map(
    lines.flatMap((line) => {
      const [, name = '', hard = ''] = /^(.{1,25}?)\s{2,}\S+\s+(\S+)/.exec(line) ?? [];
      return name === '' ? [] : [[name, hard === 'unlimited' ? Infinity : Number(hard)] as const];
    }),
  );
}

/** Which control groups: the lines of /proc/PID/cgroup, `4:memory:/tenantd-1/t-acme/host`. */
export function controlGroupLinesOf(pid: number): string[] {
  return (readProc(`${pid}/cgroup`) ?? '').split('\n').filter(Boolean);
}

/** Names of the environment that it was started with. It may have written over it since: no more than a hint to anybody but itself. */
export function environmentNamesOf(pid: number): string[] {
  const text = readBeginning(`/proc/${pid}/environ`, 65_536);
  const names = text.split('\0').flatMap((entry) => (entry === '' ? [] : [splitOnce(entry, '=')[0].slice(0, 128)]));
  return [...new Set(names)].slice(0, 1_000);
}

export interface Descriptor {
  fd: number;
  /** As /proc/PID/fd shows it: a path, `socket:[1]`, `pipe:[2]`, `anon_inode:[eventpoll]`. */
  target: string;
  /** Of the mount it was opened through (fdinfo's `mnt_id`). */
  mountId: string;
}

/** The lowest ones: what a process inherited is among these, and no process can make this take long. */
export function descriptorsOf(pid: number, most = 256): Descriptor[] {
  const lowest = readNames(`/proc/${pid}/fd`)
    .map(Number)
    .sort((a, b) => a - b)
    .slice(0, most);
  return lowest.flatMap((fd) => {
    const target = readLink(`/proc/${pid}/fd/${fd}`);
    const mountId = /^mnt_id:\s*(\d+)$/m.exec(readProc(`${pid}/fdinfo/${fd}`) ?? '')?.[1];
    return target === undefined || mountId === undefined ? [] : [{ fd, target, mountId }];
  });
}

/** Of the network that the process is in. */
export function interfacesOf(pid: number): string[] {
  const lines = (readProc(`${pid}/net/dev`) ?? '').split('\n').slice(2);
  return lines.flatMap((line) => (line.includes(':') ? [splitOnce(line, ':')[0].trim()] : []));
}

const mostSocketTableBytes = 4 << 20;

/**
 * Whether a Unix socket, as `socket:[1]`, belongs to the network that the process is in; undefined where that has too many
 * sockets to look through: their number is the tenant's to choose.
 */
export function isSocketOfNetwork(pid: number, socket: string): boolean | undefined {
  const inode = /^socket:\[(\d+)\]$/.exec(socket)?.[1];
  if (inode === undefined) return false;
  const table = readBeginning(`/proc/${pid}/net/unix`, mostSocketTableBytes);
  if (new RegExp(`^(?:\\S+ +){6}${inode}(?: |$)`, 'm').test(table)) return true;
  return table.length < mostSocketTableBytes ? false : undefined;
}

/** Its program's name, for people: whatever runs there chose it. */
export function commandNameOf(pid: number): string {
  return (readProc(`${pid}/comm`) ?? '?').trim().replace(/[^\x20-\x7e]/g, '?');
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function readProc(name: string): string | undefined {
  try {
    return readFileSync(`/proc/${name}`, 'utf8');
  } catch {
    return undefined; // gone
  }
}

function readBeginning(file: string, mostBytes: number): string {
  const buffer = Buffer.alloc(mostBytes);
  let filled = 0;
  try {
    const fd = openSync(file, 'r');
    try {
      for (let read = -1; read !== 0 && filled < mostBytes; filled += read) read = readSync(fd, buffer, filled, mostBytes - filled, filled);
    } finally {
      closeSync(fd);
    }
  } catch {
    // gone, or has none
  }
  return buffer.toString('utf8', 0, filled);
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // gone
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed meanwhile
  }
}
