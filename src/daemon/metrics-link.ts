import { rmSync } from 'node:fs';
import net from 'node:net';
import { z } from 'zod';
import type { Log } from '../base/log.ts';
import type { ListenAddress } from '../config/addresses.ts';
import type { ResourceLimits } from '../privileged/cgroups.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { bindTcpSocket, bindUnixSocket, listenUnixSocket } from '../privileged/sockets.ts';
import { makeServiceUser, type UnixUser } from '../privileged/users.ts';
import { type Channel, createChannel } from '../protocol/channel.ts';
import { metricsPaths } from '../protocol/metrics-paths.ts';
import type { MetricsSnapshot } from '../protocol/metrics.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import { createServiceSandbox } from './service-sandbox.ts';

/** As recorded with its sandbox. `listen`: what the socket was bound to that it inherited. */
export const metricsRole = z.strictObject({ role: z.literal('metrics'), listen: z.string() });

/** An address, or the path of a Unix socket. */
type MetricsListen = ListenAddress | { path: string };

/**
 * The process `metrics`, which answers Prometheus: the daemon parses no HTTP.
 *
 * Invariant: it has no network, and of the daemon it can ask for one thing.
 */
interface MetricsLink {
  start(adopted: Sandbox | undefined): Promise<void>;
  stop(): Promise<void>;
}

const userName = 'tenantd-metrics';
const limits: ResourceLimits = { memoryBytes: 256 << 20, cpu: 0.5, processes: 32 };
const maxQueuedBytes = 64 << 20;
const hello = z.strictObject({ version: z.string().max(64) });

export interface MetricsLinkParts {
  machine: Machine;
  /** Undefined: nobody is to ask. */
  listen: MetricsListen | undefined;
  snapshot: () => MetricsSnapshot;
  log: Log;
}

/** With what a daemon before this one left of it. Answers what ends it. */
export async function startMetrics({ listen, ...parts }: MetricsLinkParts, sandboxes: readonly Sandbox[]): Promise<() => Promise<void>> {
  const [first, ...others] = sandboxes.filter(({ role }) => metricsRole.safeParse(role).success);
  await Promise.all(others.map((sandbox) => sandbox.stop(0)));
  if (listen) {
    const link = await createMetricsLink({ ...parts, listen });
    await link.start(first);
    return () => link.stop();
  }
  await first?.stop(0);
  return async () => {};
}

async function createMetricsLink({ machine, listen, snapshot, log }: MetricsLinkParts & { listen: MetricsListen }): Promise<MetricsLink> {
  const { paths } = machine;
  const user = await makeServiceUser(machine.programs, userName);
  const listenText = 'path' in listen ? `unix:${listen.path}` : `${listen.host}:${listen.port}`;
  let channel: Channel | undefined;
  let closeServer = async (): Promise<void> => {};

  function accept(stream: net.Socket): void {
    channel?.close();
    channel = createChannel({
      ...{ stream, maxQueuedBytes, maxOpenRequests: 10 },
      handlers: { hello: (params) => hello.parse(params), snapshot: () => snapshot() },
      onFault: (error) => log.warn({ error: error.message }, 'the process for metrics said something unreadable'),
    });
  }

  const sandbox = createServiceSandbox(machine, {
    ...{ name: 'metrics', title: 'the process for metrics', user, limits, heapMegabytes: 128 },
    controlSocket: { source: paths.metricsSocket, target: metricsPaths.controlSocket },
    binds: () => [],
    role: (): z.infer<typeof metricsRole> => ({ role: 'metrics', listen: listenText }),
    network: 'empty',
    bindListener: () => bindListener(listen, user),
  });

  return {
    async start(adopted) {
      ensureDirectory(paths.metricsDir, { uid: 0, gid: user.gid, mode: 0o750 });
      closeServer = await listenUnixSocket(net.createServer(accept), paths.metricsSocket, { uid: 0, gid: user.gid, mode: 0o660 });
      await sandbox.start(adopted);
    },
    async stop() {
      await sandbox.stop();
      channel?.close();
      await closeServer();
      if ('path' in listen) rmSync(listen.path, { force: true });
    },
  };
}

/** Anew for each start: while nobody serves, nobody is kept waiting. Of a Unix socket the group may read: who is to ask is put into it. */
function bindListener(listen: MetricsListen, { gid }: UnixUser): { fd: number; close(): void } {
  return 'path' in listen ? bindUnixSocket(listen.path, { uid: 0, gid, mode: 0o660 }) : bindTcpSocket(listen);
}
