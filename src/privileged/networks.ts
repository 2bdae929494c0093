import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { TenantdError } from '../base/errors.ts';
import type { Programs } from './programs.ts';

/**
 * A network namespace held by an open descriptor instead of a mount: every mount slows the start of every later sandbox.
 * Processes inside hold it too, so it lives on when the daemon dies, and is found again through one of them.
 */
export interface Network {
  fd: number;
  /** What nsenter(1) takes; only valid while this daemon lives. */
  path: string;
}

/** A new network with nothing but its own loopback. */
export async function createNetwork(programs: Programs): Promise<Network> {
  const script = 'ip link set lo up && echo up && read -r _';
  const holder = spawn(programs.unshare, ['--net', '--', programs.sh, '-c', script], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  holder.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString('utf8').slice(0, 1_000)));
  const isUp = await Promise.race([once(holder.stdout, 'data').then(() => true), once(holder, 'exit').then(() => false)]);
  if (!isUp || holder.pid === undefined) {
    throw new TenantdError('TENANTD_E_LAYER_MISSING', `no network namespace: ${complaint.trim()}`, 'use a kernel with CONFIG_NET_NS');
  }
  const network = openNetworkOf(holder.pid);
  holder.stdin.end('\n');
  return network;
}

/** The network of a living process. */
export function openNetworkOf(pid: number): Network {
  const fd = openSync(`/proc/${pid}/ns/net`, 'r');
  return { fd, path: `/proc/${process.pid}/fd/${fd}` };
}

export function closeNetwork(network: Network): void {
  closeSync(network.fd);
}
