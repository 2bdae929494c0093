import { readdirSync, readFileSync } from 'node:fs';
import { attempt, read, run } from './commands.ts';

/** What an installation could leave on a machine: to be the same before it and after its end. */
export async function footprint(): Promise<Record<string, string>> {
  const lines = async (program: string, ...args: string[]): Promise<string> => (await attempt(program, ...args)).output;
  return {
    files: await lines(
      ...(['find', '/etc', '/usr', '/srv', '/var/lib', '/run', '-xdev'] as const),
      ...['(', '-path', '/run/systemd', '-o', '-path', '/run/udev', '-o', '-path', '/run/log', '-o', '-path', '/var/lib/systemd', ')'],
      ...['-prune', '-o', '-print'],
    ).then(sorted),
    users: sorted(read('/etc/passwd')),
    groups: sorted(read('/etc/group')),
    mounts: sorted((await lines('findmnt', '--noheadings', '--list', '--output', 'TARGET')).replaceAll(/ +$/gm, '')),
    links: sorted((await lines('ip', '-brief', 'link')).replaceAll(/ .*/g, '')),
    rules: await lines('nft', 'list', 'tables'),
    loops: await lines('losetup', '--list', '--noheadings', '--output', 'BACK-FILE'),
    groupsOfTenantd: (await lines('find', '/sys/fs/cgroup', '-name', '*tenantd*')).trim(),
    processes: ownProcesses().join('\n'),
    failed: await lines('systemctl', '--failed', '--no-legend', '--plain'),
  };
}

export function differences(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.keys(before).flatMap((what) => {
    const [old, now] = [before, after].map((found) => new Set(found[what]?.split('\n') ?? [])) as [Set<string>, Set<string>];
    const added = [...now].filter((line) => !old.has(line));
    const gone = [...old].filter((line) => !now.has(line));
    return [...added.map((line) => `${what}: there is ${line}`), ...gone.map((line) => `${what}: gone is ${line}`)];
  });
}

/** Everything whose program or arguments are of tenantd. */
export function ownProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim())
    .filter((words) => /\/(?:usr\/lib|opt|var\/lib)\/tenantd\//.test(words));
}

export function monotonicMs(): number {
  return Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000);
}

/** The message of tenantd's journal, of this boot (0) or the one before (-1). */
export async function journal(boot = 0): Promise<string> {
  return run('journalctl', '--no-pager', '--boot', String(boot), '--unit', 'tenantd', '--output', 'cat');
}

function sorted(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join('\n');
}
