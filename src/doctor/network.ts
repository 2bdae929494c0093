import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { errnoOf } from '../base/errors.ts';
import { findOptionalProgram, runProgram } from '../privileged/programs.ts';
import type { Found, Inspection } from './verdicts.ts';

interface Address {
  host: string;
  port: number;
}

export const networkInspections: readonly Inspection[] = [
  {
    id: 'network.http-port',
    effect: 'the daemon does not start',
    fix: 'stop the other program, or change http.listen',
    otherwise: 'missing',
    look: ({ config }) => tryPorts(config.http.listen),
  },
  {
    id: 'network.https-port',
    effect: 'the daemon does not start',
    fix: 'stop the other program, or change https.listen',
    otherwise: 'missing',
    look: ({ config }) => (config.https ? tryPorts(config.https.listen) : 'https is not configured'),
  },
  {
    id: 'network.ipv6',
    effect: 'addresses such as [::]:80, the default, can not be listened on',
    fix: 'turn IPv6 on (sysctl net.ipv6.conf.all.disable_ipv6=0), or listen on 0.0.0.0:80',
    otherwise: 'degraded',
    look() {
      const isThere = existsSync('/proc/net/if_inet6');
      const isOff = isThere && readFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'utf8').trim() === '1';
      return isThere && !isOff ? 'on' : { verdict: 'degraded', found: isThere ? 'turned off' : 'not in this kernel' };
    },
  },
];

async function tryPorts(addresses: readonly Address[]): Promise<Found> {
  const answers = await Promise.all(addresses.map(tryPort));
  const bad = answers.find(({ isFree }) => !isFree);
  const found = answers.map(({ text }) => text).join(', ');
  return bad
    ? {
        verdict: bad.isDenied ? 'degraded' : 'missing',
        found,
        ...(bad.isDenied && { fix: 'sudo tenantctl doctor', effect: 'nobody knows whether it is free' }),
      }
    : found;
}

/** Listens for a moment. */
async function tryPort({ host, port }: Address): Promise<{ isFree: boolean; isDenied?: boolean; text: string }> {
  const name = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const server = createServer();
  try {
    await once(server.listen({ host, port }), 'listening');
    await once(server.close(), 'close');
    return { isFree: true, text: `${name} is free` };
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EACCES') return { isFree: false, isDenied: true, text: `${name} could not be tried: that takes root` };
    if (code !== 'EADDRINUSE') return { isFree: false, text: `${name}: ${code ?? 'unknown'}` };
    const owner = await whoListens(port);
    // The daemon that runs here already: its edge master, or itself.
    return /tenantd|edge\.js/.test(owner)
      ? { isFree: true, text: `${name} is tenantd's own` }
      : { isFree: false, text: `${name} is in use by ${owner}` };
  }
}

async function whoListens(port: number): Promise<string> {
  try {
    const lines = await runProgram(findOptionalProgram('ss', 'iproute2'), ['-Hltnp', `sport = :${port}`]);
    const pids = [...new Set([...lines.matchAll(/pid=(\d+)/g)].map(([, pid]) => pid))];
    const names = pids.map(
      (pid) => `${readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 3).join(' ').trim()} (pid ${pid})`,
    );
    return names.join(', ') || 'another program';
  } catch {
    return 'another program'; // who it is, is a help and no more
  }
}
