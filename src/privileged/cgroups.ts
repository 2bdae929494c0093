import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import {
  groupPathIn,
  groupsIn,
  idOf,
  isGroup,
  makeGroup,
  readKeyed,
  readNumber,
  readText,
  removeGroups,
  toLimit,
  writeOptional,
} from './cgroup-files.ts';

export interface ResourceLimits {
  memoryBytes: number;
  /** In cores: 0.5 is half of one. */
  cpu: number;
  processes: number;
}

export interface ResourceUse {
  memoryBytes: number;
  cpuSeconds: number;
}

/**
 * Control groups below one base group of this daemon: `<base>/<tenant>` has the plan's limits, `<base>/<tenant>/<member>`
 * holds the processes of one sandbox. Names are checked here again; groups of others are never touched.
 */
export interface ControlGroups {
  version: 1 | 2;
  /**
   * Makes the group, or sets the limits of the one there. False when its processes hold more memory than the new limit: the old one
   * then stays, and it has to be set again when they hold less. (Version 1 refuses; version 2 would end one of them.)
   */
  setTenant(tenant: string, limits: ResourceLimits): boolean;
  /** Makes a group without limits, which has so many times the processor time of a tenant when all want more than there is. */
  setShare(name: string, times: number): void;
  /** Makes the group of one sandbox; answers with the files a process writes its pid to in order to join. */
  makeMember(tenant: string, member: string, limits?: ResourceLimits): string[];
  /** As the kernel has them; undefined when the group is gone. */
  limitsOf(tenant: string): FoundLimits | undefined;
  /** Of a process with these lines of /proc/PID/cgroup: the hierarchies in which it is not in the member's group. */
  astrayIn(tenant: string, member: string, lines: readonly string[]): string[];
  /** The tenant in whose group, or in one below it, such a process is; undefined when it is in none of ours. */
  tenantOf(lines: readonly string[]): string | undefined;
  /** Puts a process where it belongs. */
  putBack(tenant: string, member: string, pid: number): void;
  useOf(tenant: string, member?: string): ResourceUse | undefined;
  /** How often the kernel ended a process of the group for want of memory. */
  outOfMemoryKills(tenant: string, member: string): number;
  /** Undefined when the group is gone. */
  countersOf(tenant: string, member?: string): GroupCounters | undefined;
  pidsOf(tenant: string, member: string): number[];
  /** Threads count, too. */
  processesOf(tenant: string): number;
  /** How the path of such a group ends in the kernel's log. */
  pathEndOf(tenant: string, member: string): string;
  membersOf(tenant: string): string[];
  tenants(): string[];
  /** Waits, bounded, until the group is empty; its processes were killed before. */
  removeMember(tenant: string, member: string): Promise<void>;
  removeTenant(tenant: string): Promise<void>;
  removeBase(): Promise<void>;
}

/** Since the group was made. */
export interface GroupCounters {
  /** Tells it from an earlier one of the same name. */
  id: string;
  /** Of the group itself in version 1, with those below it in version 2. */
  outOfMemoryKills: number;
  /** For want of processes. Counted where the fork was asked for, or (version 2, from Linux 6.11 on) at the limit. */
  refusedForks: number;
  /** In which it had work, and in which of these it was held back: of a tenant alone. */
  periods: number;
  throttledPeriods: number;
}

export interface FoundLimits extends ResourceLimits {
  /** The files that say so, by limit. */
  files: Record<keyof ResourceLimits, string>;
}

const namePattern = /^[a-z][a-z0-9.-]{0,63}$/;
const cpuPeriodUs = 100_000;
/**
 * Of all that runs here, beside one other group of the machine: a login session, say. Else all tenants together, and the edge that
 * serves them, would have no more than that.
 */
const baseShare = 10;
/** What a group has that nobody gave another (cgroup-v2; sched-design-CFS). */
const v2Weight = 100;
const v1Shares = 1_024;
const v1Controllers = ['memory', 'pids', 'cpu', 'cpuacct'] as const;
const cpuV1 = v1Controllers.indexOf('cpu');
const v2Controllers = ['memory', 'pids', 'cpu'] as const;

/** Throws TENANTD_E_LAYER_MISSING when neither version offers memory, pids and cpu. `v2Base` is a delegated group's path. */
export function openControlGroups(baseName: string, options: { root?: string; v2Base?: string } = {}): ControlGroups {
  const root = options.root ?? '/sys/fs/cgroup';
  const reasons: string[] = [];
  for (const open of [() => openV2(options.v2Base ?? root, baseName), () => openV1(root, baseName)]) {
    try {
      return open();
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  const fix = 'boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or mount the memory, pids, cpu and cpuacct controllers';
  throw new TenantdError('TENANTD_E_LAYER_MISSING', `no control groups: ${reasons.join('; ')}`, fix);
}

function openV2(parent: string, baseName: string): ControlGroups {
  const offered = readFileSync(`${parent}/cgroup.controllers`, 'utf8').trim().split(/\s+/);
  const missing = v2Controllers.filter((controller) => !offered.includes(controller));
  if (missing.length > 0) throw new Error(`cgroup v2 at ${parent} lacks ${missing.join(', ')}`);
  const enableAll = v2Controllers.map((controller) => `+${controller}`).join(' ');
  writeFileSync(`${parent}/cgroup.subtree_control`, enableAll);
  const base = `${parent}/${baseName}`;
  makeGroup(base);
  writeFileSync(`${base}/cgroup.subtree_control`, enableAll);
  writeFileSync(`${base}/cpu.weight`, String(baseShare * v2Weight));
  return createGroups(2, [base], {
    controllers: [''],
    joinFile: 'cgroup.procs',
    limitsOf([dir]) {
      const [quota = '', periodUs = ''] = readText(`${dir}/cpu.max`).split(' ');
      return {
        memoryBytes: toLimit(readText(`${dir}/memory.max`)),
        processes: toLimit(readText(`${dir}/pids.max`)),
        cpu: toLimit(quota) / Number(periodUs),
        files: { memoryBytes: `${dir}/memory.max`, processes: `${dir}/pids.max`, cpu: `${dir}/cpu.max` },
      };
    },
    limit(tenantDirs, limits) {
      return tenantDirs.every((dir) => {
        writeFileSync(`${dir}/cgroup.subtree_control`, enableAll);
        return limitV2(dir, limits);
      });
    },
    share([dir], times) {
      writeFileSync(`${dir}/cgroup.subtree_control`, enableAll);
      writeFileSync(`${dir}/cpu.weight`, String(times * v2Weight));
    },
    // All of a sandbox ends together: a half-killed app is worse than a dead one.
    prepareMember: (dirs) => dirs.forEach((dir) => writeFileSync(`${dir}/memory.oom.group`, '1')),
    limitMember([dir], limits) {
      limitV2(dir ?? '', limits);
      writeFileSync(`${dir}/cpu.weight`, '1');
    },
    memoryBytes: ([dir]) => readNumber(`${dir}/memory.current`),
    cpuSeconds: ([dir]) => readKeyed(`${dir}/cpu.stat`, 'usage_usec') / 1e6,
    outOfMemoryKills: ([dir]) => readKeyed(`${dir}/memory.events`, 'oom_kill'),
    counterDirs: ([dir = '']) => ({ pids: dir, cpu: dir }),
  });
}

function openV1(root: string, baseName: string): ControlGroups {
  const missing = v1Controllers.filter((controller) => !isGroup(`${root}/${controller}`));
  if (missing.length > 0) throw new Error(`cgroup v1 at ${root} lacks ${missing.join(', ')}`);
  const bases = v1Controllers.map((controller) => `${root}/${controller}/${baseName}`);
  for (const base of bases) makeGroup(base);
  writeFileSync(`${bases[cpuV1]}/cpu.shares`, String(baseShare * v1Shares));
  return createGroups(1, bases, {
    controllers: v1Controllers,
    // A thread that moves itself locks out nobody else's forks: with all threads of a process it takes 10 ms until those are through (RCU).
    joinFile: 'tasks',
    limitsOf([memory, pids, cpu]) {
      const quota = readText(`${cpu}/cpu.cfs_quota_us`);
      return {
        memoryBytes: toLimit(readText(`${memory}/memory.limit_in_bytes`)),
        processes: toLimit(readText(`${pids}/pids.max`)),
        cpu: quota === '-1' ? Infinity : toLimit(quota) / readNumber(`${cpu}/cpu.cfs_period_us`),
        files: { memoryBytes: `${memory}/memory.limit_in_bytes`, processes: `${pids}/pids.max`, cpu: `${cpu}/cpu.cfs_quota_us` },
      };
    },
    limit: limitV1,
    share: (dirs, times) => writeFileSync(`${dirs[cpuV1]}/cpu.shares`, String(times * v1Shares)),
    prepareMember: () => {},
    limitMember(dirs, limits) {
      limitV1(dirs, limits);
      writeFileSync(`${dirs[cpuV1]}/cpu.shares`, '2');
    },
    memoryBytes: ([memory]) => readNumber(`${memory}/memory.usage_in_bytes`),
    cpuSeconds: (dirs) => readNumber(`${dirs[3]}/cpuacct.usage`) / 1e9,
    outOfMemoryKills: ([memory]) => readKeyed(`${memory}/memory.oom_control`, 'oom_kill'),
    counterDirs: ([, pids = '', cpu = '']) => ({ pids, cpu }),
  });
}

function limitV2(dir: string, { memoryBytes, cpu, processes }: ResourceLimits): boolean {
  writeOptional(`${dir}/memory.swap.max`, '0');
  writeFileSync(`${dir}/pids.max`, String(processes));
  limitCpu(`${dir}/cpu.max.burst`, cpu, (quotaUs) => writeFileSync(`${dir}/cpu.max`, `${quotaUs} ${cpuPeriodUs}`));
  if (memoryBytes < heldBytesV2(dir)) return false;
  writeFileSync(`${dir}/memory.max`, String(memoryBytes));
  return true;
}

/** What the kernel could take back is not held: copies of files, and what it keeps of their names. */
function heldBytesV2(dir: string): number {
  const reclaimable = ['active_file', 'inactive_file', 'slab_reclaimable'].map((key) => readKeyed(`${dir}/memory.stat`, key));
  return readNumber(`${dir}/memory.current`) - reclaimable.reduce((total, bytes) => total + bytes, 0);
}

function limitV1([memory, pids, cpu]: string[], limits: ResourceLimits): boolean {
  writeFileSync(`${pids}/pids.max`, String(limits.processes));
  writeFileSync(`${cpu}/cpu.cfs_period_us`, String(cpuPeriodUs));
  limitCpu(`${cpu}/cpu.cfs_burst_us`, limits.cpu, (quotaUs) => writeFileSync(`${cpu}/cpu.cfs_quota_us`, String(quotaUs)));
  return limitMemory(memory ?? '', limits.memoryBytes);
}

/**
 * What it left of one period it may use in the next, beside that one's (sched-bwc, from Linux 5.14 on): an app of half a core
 * that starts would stand still for half of its second period. Never above the quota, so none while that changes.
 */
function limitCpu(burstFile: string, cpu: number, setQuota: (quotaUs: number) => void): void {
  const quotaUs = Math.round(cpu * cpuPeriodUs);
  writeOptional(burstFile, '0');
  setQuota(quotaUs);
  writeOptional(burstFile, String(quotaUs));
}

/** Memory alone first: memory+swap may never be the smaller of the two (cgroup-v1/memory). */
function limitMemory(dir: string, limitBytes: number): boolean {
  const bytes = String(limitBytes);
  const files = [`${dir}/memory.limit_in_bytes`, `${dir}/memory.memsw.limit_in_bytes`];
  if (readNumber(`${dir}/memory.limit_in_bytes`) < limitBytes) files.reverse();
  for (const file of files) writeOptional(file, bytes);
  try {
    writeFileSync(`${dir}/memory.limit_in_bytes`, bytes);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw error;
    return false;
  }
}

interface Hierarchy {
  /** As /proc/PID/cgroup names them, one a directory. */
  controllers: readonly string[];
  /** Where a process without threads writes `0` to join. */
  joinFile: 'cgroup.procs' | 'tasks';
  limitsOf(tenantDirs: string[]): FoundLimits;
  /** All take one directory a hierarchy, in the order of the bases. */
  limit(tenantDirs: string[], limits: ResourceLimits): boolean;
  share(dirs: string[], times: number): void;
  prepareMember(dirs: string[]): void;
  /** Also gives it the least share of the processor when others want some. */
  limitMember(dirs: string[], limits: ResourceLimits): void;
  memoryBytes(dirs: string[]): number;
  cpuSeconds(dirs: string[]): number;
  outOfMemoryKills(dirs: string[]): number;
  counterDirs(dirs: string[]): { pids: string; cpu: string };
}

function createGroups(version: 1 | 2, bases: string[], hierarchy: Hierarchy): ControlGroups {
  const [firstBase = ''] = bases;
  const dirsOf = (...names: string[]): string[] => {
    for (const name of names) {
      if (!namePattern.test(name) || name.includes('..'))
        throw new TenantdError('TENANTD_E_INTERNAL', `not a group name: ${name}`, 'report this');
    }
    return bases.map((base) => [base, ...names].join('/'));
  };
  return {
    version,
    setTenant(tenant, limits) {
      const dirs = dirsOf(tenant);
      dirs.forEach(makeGroup);
      return hierarchy.limit(dirs, limits);
    },
    setShare(name, times) {
      const dirs = dirsOf(name);
      dirs.forEach(makeGroup);
      hierarchy.share(dirs, times);
    },
    makeMember(tenant, member, limits) {
      const dirs = dirsOf(tenant, member);
      dirs.forEach(makeGroup);
      hierarchy.prepareMember(dirs);
      if (limits) hierarchy.limitMember(dirs, limits);
      return dirs.map((dir) => `${dir}/${hierarchy.joinFile}`);
    },
    limitsOf(tenant) {
      const dirs = dirsOf(tenant);
      return isGroup(dirs[0]) ? hierarchy.limitsOf(dirs) : undefined;
    },
    astrayIn(tenant, member, lines) {
      const wanted = `/${basename(firstBase)}/${tenant}/${member}`;
      return hierarchy.controllers.filter((controller) => !groupPathIn(lines, controller).endsWith(wanted));
    },
    tenantOf(lines) {
      const base = `/${basename(firstBase)}/`;
      const path = hierarchy.controllers.map((controller) => groupPathIn(lines, controller)).find((found) => found.includes(base));
      return path?.slice(path.indexOf(base) + base.length).split('/', 1)[0];
    },
    putBack(tenant, member, pid) {
      for (const dir of dirsOf(tenant, member)) writeFileSync(`${dir}/cgroup.procs`, String(pid));
    },
    useOf(tenant, member) {
      const dirs = member === undefined ? dirsOf(tenant) : dirsOf(tenant, member);
      if (!isGroup(dirs[0])) return undefined;
      return { memoryBytes: hierarchy.memoryBytes(dirs), cpuSeconds: hierarchy.cpuSeconds(dirs) };
    },
    outOfMemoryKills: (tenant, member) => hierarchy.outOfMemoryKills(dirsOf(tenant, member)),
    countersOf(tenant, member) {
      const dirs = member === undefined ? dirsOf(tenant) : dirsOf(tenant, member);
      const id = idOf(dirs[0]);
      if (id === undefined) return undefined;
      const { pids, cpu } = hierarchy.counterDirs(dirs);
      // A sandbox has no share of its own: it is held back as its tenant.
      const keys = member === undefined ? ['nr_periods', 'nr_throttled'] : [];
      const [periods, throttledPeriods] = keys.map((key) => readKeyed(`${cpu}/cpu.stat`, key));
      return {
        ...{ id, outOfMemoryKills: hierarchy.outOfMemoryKills(dirs), refusedForks: readKeyed(`${pids}/pids.events`, 'max') },
        ...{ periods: periods ?? 0, throttledPeriods: throttledPeriods ?? 0 },
      };
    },
    pidsOf: (tenant, member) =>
      readText(`${dirsOf(tenant, member)[0]}/cgroup.procs`)
        .split('\n')
        .map(Number)
        .filter(Boolean),
    processesOf: (tenant) => readNumber(`${hierarchy.counterDirs(dirsOf(tenant)).pids}/pids.current`),
    pathEndOf: (tenant, member) => `/${basename(firstBase)}/${tenant}/${member}`,
    membersOf: (tenant) => groupsIn(dirsOf(tenant)[0]),
    tenants: () => groupsIn(firstBase),
    removeMember: (tenant, member) => removeGroups(dirsOf(tenant, member)),
    removeTenant: (tenant) => removeGroups(dirsOf(tenant)),
    removeBase: () => removeGroups(bases),
  };
}
