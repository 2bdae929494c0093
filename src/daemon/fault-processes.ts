import type { ControlGroups } from '../privileged/cgroups.ts';
import type { KernelKill } from '../privileged/kernel-kills.ts';
import { processUseOf } from '../privileged/process-use.ts';
import type { FaultProcess } from '../protocol/fault-calls.ts';
import { oneLine } from './fault-words.ts';

/** A fork bomb has more: then only so many of them are looked at. */
const mostPids = 512;
const mostNames = 8;
const mostNameCharacters = 64;

type Order = 'memoryBytes' | 'cpuSeconds' | 'count';

/** What runs in a tenant's groups, by app and name, the largest first. */
export function livingProcesses(
  groups: Pick<ControlGroups, 'membersOf' | 'pidsOf'>,
  group: string,
  appOf: (member: string) => string | undefined,
  order: Order,
): FaultProcess[] {
  const pids = groups.membersOf(group).flatMap((member) => groups.pidsOf(group, member).map((pid) => ({ pid, app: appOf(member) })));
  const seen = pids.slice(0, mostPids).flatMap(({ pid, app }) => {
    const use = processUseOf(pid);
    return use ? [{ ...use, ...(app !== undefined && { app }) }] : [];
  });
  return together(seen)
    .toSorted((a, b) => (b[order] ?? 0) - (a[order] ?? 0))
    .slice(0, mostNames);
}

export function killedProcesses(kills: readonly KernelKill[], app: string | undefined): FaultProcess[] {
  const killed = kills.map(({ pid, name, memoryBytes }) => ({ pid, name, memoryBytes, ...(app !== undefined && { app }) }));
  return together(killed)
    .slice(0, mostNames)
    .map((process) => ({ ...process, killed: true }));
}

type One = Pick<FaultProcess, 'app' | 'name' | 'memoryBytes' | 'cpuSeconds'> & { pid: number };

function together(processes: readonly One[]): FaultProcess[] {
  return [...Map.groupBy(processes, ({ app = '', name }) => `${app}\0${name}`).values()].flatMap((alike): FaultProcess[] => {
    const [first] = alike;
    if (!first) return [];
    const sum = (valueOf: (one: One) => number): number => alike.reduce((total, one) => total + valueOf(one), 0);
    return [
      {
        ...{ name: oneLine(first.name, mostNameCharacters), ...(first.app !== undefined && { app: first.app }) },
        ...{ count: alike.length, ...(alike.length === 1 && { pid: first.pid }), memoryBytes: sum(({ memoryBytes }) => memoryBytes) },
        ...(first.cpuSeconds !== undefined && { cpuSeconds: Math.round(sum(({ cpuSeconds = 0 }) => cpuSeconds) * 100) / 100 }),
      },
    ];
  });
}
