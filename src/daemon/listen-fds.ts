import { messageOf } from '../base/errors.ts';
import type { ListenAddress } from '../config/addresses.ts';
import { identifyProcess } from '../privileged/processes.ts';
import type { InheritableSocket } from '../privileged/sockets.ts';
import { takeListeningSockets } from '../privileged/take-sockets.ts';

/** A listening socket that systemd kept for this daemon (sd_listen_fds(3)). */
export interface KeptSocket {
  address: ListenAddress;
  socket: InheritableSocket;
}

const firstFd = 3;
/** `tenantd;[::];80`: systemd allows no colon in a name, so none is written as `_`. */
const namePattern = /^tenantd;([^;]+);(\d{1,5})$/;

export function keptNameOf({ host, port }: ListenAddress): string {
  return `tenantd;${host.replaceAll(':', '_')};${port}`;
}

function parseKeptName(name: string): ListenAddress | undefined {
  const [, host, port] = namePattern.exec(name) ?? [];
  return host === undefined ? undefined : { host: host.replaceAll('_', ':'), port: Number(port) };
}

/** What the environment says was passed to the process `pid`, by descriptor; what has no name of ours is left out. */
export function parseListenFds(env: NodeJS.ProcessEnv, pid: number): Map<number, ListenAddress> {
  const found = new Map<number, ListenAddress>();
  if (Number(env['LISTEN_PID']) !== pid) return found;
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':').slice(0, Number(env['LISTEN_FDS'] ?? 0));
  for (const [index, name] of names.entries()) {
    const address = parseKeptName(name);
    if (address) found.set(firstFd + index, address);
  }
  return found;
}

/**
 * Takes them again, by way of another process: systemd passes them without FD_CLOEXEC, which Node can not set, and every sandbox would
 * inherit them. The originals are to be closed with all else that is foreign. One that can't be had is bound anew, or taken from the edges.
 */
export async function takeKeptSockets(
  perl: string,
  passed: ReadonlyMap<number, ListenAddress>,
  onComplaint: (text: string) => void,
): Promise<KeptSocket[]> {
  const taken: KeptSocket[] = [];
  const own = identifyProcess(process.pid);
  if (!own) return taken;
  for (const [fd, address] of passed) {
    try {
      const [socket] = await takeListeningSockets(perl, own, [{ fd, port: address.port }]);
      if (socket) taken.push({ address, socket });
    } catch (error) {
      onComplaint(messageOf(error));
    }
  }
  return taken;
}
