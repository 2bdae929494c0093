import { closeSync, openSync } from 'node:fs';
import { messageOf, TenantdError } from '../base/errors.ts';
import { systemCallNumbers } from './launch-steps.ts';
import { startHolder } from './namespace-holder.ts';
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

/** CLONE_NEWNET; then SIOCSIFFLAGS with IFF_UP (netdevice(7)): the kernel gives it its addresses. */
const makeNetwork = `
call('a new network', $values[0], 0x40000000);
socket my $any, 2, 2, 0 or fail('socket');
ioctl $any, 0x8914, my $up = pack('Z16 S x22', 'lo', 1) or fail('lo');
`;

/** A new network with nothing but its own loopback. */
export async function createNetwork({ perl }: Pick<Programs, 'perl'>): Promise<Network> {
  const holder = await startHolder(perl, makeNetwork)
    .make([systemCallNumbers().unshare])
    .catch((error: unknown) => {
      throw new TenantdError('TENANTD_E_LAYER_MISSING', `no network namespace: ${messageOf(error)}`, 'use a kernel with CONFIG_NET_NS');
    });
  try {
    return openNetworkOf(holder.pid);
  } finally {
    holder.release();
  }
}

/** The network of a living process. */
export function openNetworkOf(pid: number): Network {
  const fd = openSync(`/proc/${pid}/ns/net`, 'r');
  return { fd, path: `/proc/${process.pid}/fd/${fd}` };
}

export function closeNetwork(network: Network): void {
  closeSync(network.fd);
}
