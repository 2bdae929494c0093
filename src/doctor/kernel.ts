import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import type { Inspection } from './verdicts.ts';

const neededKernel = [5, 10] as const;
const neededPids = 65_536;

export const kernelInspections: readonly Inspection[] = [
  {
    id: 'kernel.version',
    effect: 'parts of the sandbox may be missing; the layers below say which',
    fix: `use a kernel of ${neededKernel.join('.')} or newer`,
    otherwise: 'degraded',
    look() {
      const [major = 0, minor = 0] = release().split('.').map(Number);
      const isNew = major > neededKernel[0] || (major === neededKernel[0] && minor >= neededKernel[1]);
      return isNew ? `Linux ${release()}` : { verdict: 'degraded', found: `Linux ${release()}` };
    },
  },
  {
    id: 'kernel.architecture',
    effect: 'there is no system call filter for it, and no pinned Node.js',
    fix: 'use a machine with x86_64 or aarch64',
    otherwise: 'missing',
    look: () => (['x64', 'arm64'].includes(process.arch) ? process.arch : { verdict: 'missing', found: process.arch }),
  },
  {
    id: 'kernel.capabilities',
    effect: 'the daemon can not make sandboxes, networks or users',
    fix: 'run it as root of the machine, or in a container that has all of these rights',
    otherwise: 'degraded',
    needsRoot: true,
    look: lookAtCapabilities,
  },
  {
    id: 'kernel.pid-max',
    effect: 'a tenant takes about 15 processes and threads: the machine runs out of pids',
    fix: 'sysctl -w kernel.pid_max=4194304, and the same in /etc/sysctl.d',
    otherwise: 'degraded',
    look() {
      const most = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
      return most >= neededPids ? String(most) : { verdict: 'degraded', found: String(most) };
    },
  },
  {
    id: 'kernel.apparmor',
    effect: '',
    fix: '',
    otherwise: 'degraded',
    look() {
      const isOn =
        existsSync('/sys/module/apparmor/parameters/enabled') &&
        readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
      const profile = existsSync('/etc/apparmor.d/bwrap-userns-restrict')
        ? ', with a profile for bubblewrap: tenantd runs a copy of its own, which that leaves alone'
        : '';
      return isOn ? `on${profile}` : 'off';
    },
  },
];

/** linux/capability.h; what is missing without each. */
const needed: ReadonlyMap<string, { bit: number; verdict: 'missing' | 'degraded' }> = new Map([
  ['CHOWN', { bit: 0, verdict: 'missing' }],
  ['DAC_OVERRIDE', { bit: 1, verdict: 'missing' }],
  ['KILL', { bit: 5, verdict: 'missing' }],
  ['SETGID', { bit: 6, verdict: 'missing' }],
  ['SETUID', { bit: 7, verdict: 'missing' }],
  ['SETPCAP', { bit: 8, verdict: 'missing' }],
  ['NET_BIND_SERVICE', { bit: 10, verdict: 'missing' }],
  ['NET_ADMIN', { bit: 12, verdict: 'missing' }],
  ['SYS_CHROOT', { bit: 18, verdict: 'missing' }],
  ['SYS_PTRACE', { bit: 19, verdict: 'missing' }],
  ['SYS_ADMIN', { bit: 21, verdict: 'missing' }],
  ['SYS_RESOURCE', { bit: 24, verdict: 'degraded' }],
]);

function lookAtCapabilities(): ReturnType<Inspection['look']> {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
  const lacking = [...needed].filter(([, { bit }]) => ((mask >> BigInt(bit)) & 1n) === 0n);
  if (lacking.length === 0) return 'all that are needed';
  const found = `without ${lacking.map(([name]) => `CAP_${name}`).join(', ')}`;
  if (lacking.some(([, { verdict }]) => verdict === 'missing')) return { verdict: 'missing', found };
  return { verdict: 'degraded', found, effect: 'apps can undo that they are the first to be ended when memory is short' };
}
