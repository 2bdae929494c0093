import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { Found, Inspection } from './verdicts.ts';

const mebibyte = 1 << 20;
const gibibyte = 1 << 30;
const little = { memoryBytes: 900 * mebibyte, diskBytes: 2 * gibibyte, openFiles: 65_536, watches: 16_384, instances: 128 };

export const roomInspections: readonly Inspection[] = [
  {
    id: 'room.memory',
    effect: 'there is room for a few small apps only: tenantd itself takes about 200 MB, an app 50 to 100',
    fix: 'give the machine more memory',
    otherwise: 'degraded',
    look() {
      const text = readFileSync('/proc/meminfo', 'utf8');
      const bytesOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1_024;
      const found = `${show(bytesOf('MemTotal'))}, ${show(bytesOf('MemAvailable'))} free; ${bytesOf('SwapTotal') === 0 ? 'no swap' : `swap ${show(bytesOf('SwapTotal'))}`}`;
      return bytesOf('MemTotal') < little.memoryBytes ? { verdict: 'degraded', found } : found;
    },
  },
  {
    id: 'room.disk',
    effect: "tenants' data and logs soon find the disk full, whatever their plans say",
    fix: 'make room, or move stateDir and logDir to a larger disk',
    otherwise: 'degraded',
    look: ({ config }) => lookAtDisks(config),
  },
  {
    id: 'room.open-files',
    effect: 'the edge can hold fewer connections, and every app fewer files',
    fix: 'ulimit -Hn 1048576, or LimitNOFILE=1048576 in the unit',
    otherwise: 'degraded',
    look() {
      const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '0';
      return hard === 'unlimited' || Number(hard) >= little.openFiles ? hard : { verdict: 'degraded', found: hard };
    },
  },
  {
    id: 'room.watches',
    effect: 'the daemon may hear late of changes in the folders of many tenants, and apps that watch files fail',
    fix: 'sysctl -w fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024, and the same in /etc/sysctl.d',
    otherwise: 'degraded',
    look() {
      const [watches = 0, instances = 0] = ['watches', 'instances'].map((name) =>
        Number(readFileSync(`/proc/sys/fs/inotify/max_user_${name}`, 'utf8')),
      );
      const found = `${watches} watches and ${instances} watchers a user`;
      return watches < little.watches || instances < little.instances ? { verdict: 'degraded', found } : found;
    },
  },
];

function lookAtDisks({ tenantsDir, stateDir, logDir }: DaemonConfig): Found {
  const places = [...new Set([tenantsDir, stateDir, logDir].map(nearestDirectory))];
  const rooms = places.map((place) => {
    const { bavail, bsize } = statfsSync(place);
    return { place, bytes: bavail * bsize };
  });
  const found = rooms.map(({ place, bytes }) => `${show(bytes)} free at ${place}`).join(', ');
  return rooms.some(({ bytes }) => bytes < little.diskBytes) ? { verdict: 'degraded', found } : found;
}

/** Where it would be made. */
export function nearestDirectory(path: string): string {
  return existsSync(path) || path === '/' ? path : nearestDirectory(dirname(path));
}

function show(bytes: number): string {
  return bytes < gibibyte ? `${Math.round(bytes / mebibyte)} MiB` : `${(bytes / gibibyte).toFixed(1)} GiB`;
}
