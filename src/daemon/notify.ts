import type { ListenAddress } from '../config/addresses.ts';
import type { Log } from '../base/log.ts';
import { type Assignments, openSystemdSocket } from '../privileged/notify-systemd.ts';
import { findOptionalProgram } from '../privileged/programs.ts';
import type { InheritableSocket } from '../privileged/sockets.ts';
import type { Tenant } from './tenant.ts';
import { type KeptSocket, keptNameOf, parseListenFds, takeKeptSockets } from './listen-fds.ts';

/** What started the daemon, as it is told of the daemon's life (sd_notify(3)). Without systemd nobody is told. */
export interface ServiceManager {
  /** Listening sockets that it kept while the daemon was away. */
  readonly kept: readonly KeptSocket[];
  /** How often it is to be told that the daemon is well; undefined when nobody listens. */
  readonly everyMs: number | undefined;
  ready(): void;
  reloading(): void;
  stopping(why: string): void;
  /** The daemon is well; `status` is shown by systemctl. */
  alive(status: string): void;
  keepSocket(address: ListenAddress, socket: InheritableSocket): void;
  dropSocket(address: ListenAddress): void;
  /** Settles when it was told everything. */
  close(): Promise<void>;
}

/** Where nobody waits for it, for those who read its status. */
const statusEveryMs = 15_000;

export const noServiceManager: ServiceManager = {
  kept: [],
  everyMs: undefined,
  ...{ ready: () => {}, reloading: () => {}, stopping: () => {}, alive: () => {}, keepSocket: () => {}, dropSocket: () => {} },
  close: () => Promise.resolve(),
};

/** As `parseListenFds`: to be called before anything else is opened. The sockets' first descriptors stay open. */
export async function takeServiceSockets(env: NodeJS.ProcessEnv, log: Log): Promise<KeptSocket[]> {
  const passed = parseListenFds(env, process.pid);
  if (passed.size === 0) return [];
  const complain = (error: string): void => log.warn({ error }, 'a listening socket that systemd kept can not be had');
  return takeKeptSockets(findOptionalProgram('perl', 'perl-base'), passed, complain);
}

export function openServiceManager(env: NodeJS.ProcessEnv, kept: readonly KeptSocket[], log: Log): ServiceManager {
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined || !/^[/@]/.test(socket)) return noServiceManager;
  const onComplaint = (error: string): void => log.warn({ error }, 'systemd could not be told');
  const systemd = openSystemdSocket({ perl: findOptionalProgram('perl', 'perl-base'), socket, onComplaint });
  let passing = Promise.resolve();
  /** One after another: what is kept under a name goes before another comes. */
  const passInTurn = (assignments: Assignments, fds: readonly number[] = []): void => {
    passing = passing.then(() => systemd.pass(assignments, fds));
  };
  const dropSocket = (address: ListenAddress): void => passInTurn({ FDSTOREREMOVE: 1, FDNAME: keptNameOf(address) });
  return {
    kept,
    everyMs: Math.min(statusEveryMs, (watchdogMsOf(env) ?? Infinity) / 3),
    ready: () => systemd.tell({ READY: 1 }),
    // sd_notify(3): systemd compares the time with that of its own request.
    reloading: () => systemd.tell({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1_000n) }),
    stopping: (why) => systemd.tell({ STOPPING: 1, STATUS: why }),
    alive: (status) => systemd.tell({ WATCHDOG: 1, STATUS: status }),
    keepSocket(address, { fd }) {
      dropSocket(address);
      // FDPOLL=0: one at which nobody listens yet looks as if it were closed.
      passInTurn({ FDSTORE: 1, FDPOLL: 0, FDNAME: keptNameOf(address) }, [fd]);
    },
    dropSocket,
    async close() {
      await passing;
      await systemd.close();
    },
  };
}

/** A reload that fails leaves the daemon as it was: ready. */
export async function tellReload<Result>(manager: ServiceManager, reload: () => Promise<Result>): Promise<Result> {
  manager.reloading();
  try {
    return await reload();
  } finally {
    manager.ready();
  }
}

/** `12 tenants: 7 running, 5 sleeping`. */
export function countStates(tenants: readonly Pick<Tenant, 'life'>[]): string {
  const counts = new Map<string, number>();
  for (const tenant of tenants) {
    const { state } = tenant.life();
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const parts = [...counts].map(([state, count]) => `${count} ${state}`);
  return `${tenants.length} ${tenants.length === 1 ? 'tenant' : 'tenants'}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}

function watchdogMsOf(env: NodeJS.ProcessEnv): number | undefined {
  const isMeant = env['WATCHDOG_PID'] === undefined || Number(env['WATCHDOG_PID']) === process.pid;
  const microseconds = Number(env['WATCHDOG_USEC']);
  return isMeant && microseconds > 0 ? microseconds / 1_000 : undefined;
}
