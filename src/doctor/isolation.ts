import { mkdirSync, readFileSync } from 'node:fs';
import { openControlGroups } from '../privileged/cgroups.ts';
import { closeNetwork, createNetwork } from '../privileged/networks.ts';
import { probeDisk } from '../privileged/probe-disk.ts';
import { openFilteredLauncher, probeSandbox, type SandboxUser } from '../privileged/probe-sandbox.ts';
import { copyBubblewrap, findOptionalProgram, findPrograms, runProgram } from '../privileged/programs.ts';
import { createLauncher, type LauncherOptions } from '../privileged/sandboxes.ts';
import type { Examination, Inspection } from './verdicts.ts';

/** `nobody`: for a moment, in a sandbox with nothing in it. */
const anyUser: SandboxUser = { uid: 65_534, gid: 65_534 };

/** The layers that isolate tenants, tried as the daemon tries them at its start. */
export const isolationInspections: readonly Inspection[] = [
  {
    id: 'isolation.programs',
    effect: 'the daemon does not start',
    fix: 'apt-get install bubblewrap e2fsprogs iproute2 mount passwd perl-base util-linux',
    otherwise: 'missing',
    look: () => `${Object.keys(findPrograms()).length} programs, among them ${findPrograms().bwrap}`,
  },
  {
    id: 'isolation.namespaces',
    needsRoot: true,
    effect: 'no sandbox can be made: the daemon does not start',
    fix: 'use a kernel with CONFIG_NAMESPACES; in a container, allow it to make namespaces and mounts',
    otherwise: 'missing',
    async look() {
      const { unshare } = findPrograms();
      await runProgram(unshare, ['--pid', '--fork', '--ipc', '--uts', '--cgroup', '--mount', '--net', '/bin/true']);
      return 'pid, ipc, uts, cgroup, mount and network namespaces can be made';
    },
  },
  {
    id: 'isolation.root',
    needsRoot: true,
    effect: 'no sandbox can be made: the daemon does not start',
    fix: 'see what bubblewrap says; in a container, allow it to mount',
    otherwise: 'missing',
    async look(examination) {
      await probeSandbox(createLauncher(launcherOptions(examination)), anyUser, ['/bin/true']);
      return 'bubblewrap makes a root of its own';
    },
  },
  {
    id: 'isolation.syscalls',
    needsRoot: true,
    effect: 'no tenant starts: apps would have every system call of an unprivileged process',
    fix: 'use a kernel with CONFIG_SECCOMP_FILTER',
    otherwise: 'missing',
    async look(examination) {
      await openFilteredLauncher(launcherOptions(examination), examination.directory, anyUser);
      return 'the filter is taken, and in force';
    },
  },
  {
    id: 'isolation.resources',
    needsRoot: true,
    effect: 'no tenant starts: memory, processors and processes would have no limit (isolation.without: [resources] allows that)',
    fix: 'boot with cgroup v2, or mount the memory, pids, cpu and cpuacct controllers',
    otherwise: 'missing',
    look: tryControlGroups,
  },
  {
    id: 'isolation.network',
    needsRoot: true,
    effect: 'no tenant starts: it would share the network of the machine (isolation.without: [network] allows that)',
    fix: 'use a kernel with CONFIG_NET_NS',
    otherwise: 'missing',
    async look() {
      closeNetwork(await createNetwork(findPrograms()));
      return 'networks with nothing but a loopback can be made';
    },
  },
  {
    id: 'isolation.egress',
    needsRoot: true,
    effect: 'tenants with network.egress have no network; others are not touched',
    fix: 'apt-get install nftables; use a kernel with CONFIG_VETH and CONFIG_NF_TABLES_INET',
    otherwise: 'degraded',
    look: tryEgress,
  },
  {
    id: 'isolation.disk',
    needsRoot: true,
    effect: 'no tenant starts: its data would have no limit (isolation.without: [disk] allows that)',
    fix: 'apt-get install e2fsprogs mount; use a kernel with loop devices and ext4; in a container, give it /dev/loop-control and /dev/loop*',
    otherwise: 'missing',
    async look({ directory }) {
      await probeDisk(findPrograms(), `${directory}/disk`);
      return 'disk images can be made, mounted and limited';
    },
  },
];

function launcherOptions({ directory }: Examination): LauncherOptions {
  const programs = findPrograms();
  const made = Object.fromEntries(['sandboxes', 'etc', 'scratch'].map((name) => [name, `${directory}/${name}`]));
  for (const path of Object.values(made)) mkdirSync(path, { recursive: true, mode: 0o755 });
  return {
    programs,
    bubblewrap: copyBubblewrap(programs, directory),
    directory: made['sandboxes'] ?? '',
    etcDirectory: made['etc'] ?? '',
    scratchDirectory: made['scratch'] ?? '',
  };
}

/** In a group of our own, with nobody in it. */
async function tryControlGroups(): Promise<string> {
  const groups = openControlGroups(`tenantd-doctor-${process.pid}`);
  const limits = { memoryBytes: 64 << 20, cpu: 0.5, processes: 64 };
  try {
    groups.setTenant('t-doctor', limits);
    const found = groups.limitsOf('t-doctor');
    if (found?.memoryBytes !== limits.memoryBytes || found.processes !== limits.processes || found.cpu !== limits.cpu)
      throw new Error('a limit that was set reads back as another one');
    return `cgroup v${groups.version}: memory, pids and cpu can be limited${groups.version === 1 ? ' (v2 also ends a whole app at once)' : ''}`;
  } finally {
    await groups.removeTenant('t-doctor');
    await groups.removeBase();
  }
}

/** In a network that ends with the command: nothing of the machine's is touched. */
async function tryEgress(): Promise<string> {
  const { unshare, sh, ip } = findPrograms();
  const nft = findOptionalProgram('nft', 'nftables');
  const script = `${ip} link add td0 type veth peer name td1 && ${nft} add table inet tenantd && ${nft} add chain inet tenantd test '{ type filter hook forward priority 0; policy drop; }'`;
  await runProgram(unshare, ['--net', '--', sh, '-ec', script]);
  const isOn = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  return `links and packet rules can be made; forwarding is ${isOn ? 'on' : 'off: tenantd turns it on with the first tenant that needs it'}`;
}
