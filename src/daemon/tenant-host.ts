import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { z } from 'zod';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { LaunchOptions } from '../privileged/sandboxes.ts';
import { listenUnixSocket } from '../privileged/sockets.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { hostEvents, hostPaths } from '../protocol/host.ts';
import { keepLastOutput } from './last-output.ts';
import { baseEnvironment, type Machine, programBinds, programCommand, tenantGroup } from './machine.ts';
import { createPace, paceReading } from './paced-reading.ts';
import { createRate } from './rate.ts';
import type { Sandbox } from './sandbox-registry.ts';

export const hostRole = z.strictObject({
  role: z.literal('host'),
  tenant: z.string(),
  /** Which directory was bound as /apps: device, inode and birth. */
  appsDirId: z.string(),
  /** Its listening socket for static apps, below the tenant's sockets. */
  staticSocket: z.string(),
  /** Static apps that it serves. */
  served: z.array(z.string()).exactOptional(),
});

export type HostState = 'absent' | 'waiting' | 'starting' | 'connected';

/**
 * One tenant's host process: its sandbox, its control socket and its connection.
 *
 * Invariants:
 * - The control socket's directory is bound into this tenant's host alone: who connects is this tenant.
 * - Each host has a socket of its own for static apps, made in the tenant's network: it serves while the host lives.
 */
export interface TenantHost {
  state(): HostState;
  /** Counts connections: another number is another host, or the same one that came back. */
  connection(): number;
  /** Its process is there, whether it is connected or not. */
  isAlive(): boolean;
  failures(): number;
  pid(): number;
  appsDirId(): string;
  staticSocket(): string;
  open(): Promise<void>;
  start(order: HostOrder): Promise<void>;
  /** Answers with the static apps that it served when the daemon before this one heard of it last. */
  adopt(sandbox: Sandbox): readonly string[];
  /** Remembered for the next daemon. */
  noteServed(apps: readonly string[]): void;
  request(method: string, params: unknown, timeoutMs?: number): Promise<unknown>;
  /** Lost while it is not connected. */
  notify(method: string, params: unknown): void;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface HostOrder {
  launch: Pick<LaunchOptions, 'network' | 'mounts'>;
  appsDir: string;
  appsDirId: string;
}

export interface TenantHostOptions {
  machine: Machine;
  tenant: TenantName;
  user: () => { uid: number; gid: number };
  handlers: Readonly<Record<string, Handler>>;
  /** It connected, ended, or may be tried again. */
  onChange: () => void;
}

const restartPolicy: BackoffPolicy = { firstMs: 250, maxMs: 30_000, healthyMs: 30_000 };
/** A frame may have a megabyte; lines of logs that are followed are most of what a host says. */
const hostPace = { burstBytes: 2 << 20, bytesPerSecond: 256 << 10, nowMs: Date.now };
const hostTmpBytes = 8 << 20;
/** The host buffers what its apps print and little else; threads for its garbage count as the tenant's processes. */
const hostNodeOptions = ['--max-old-space-size=48', '--max-semi-space-size=1', '--v8-pool-size=1'];

export function createTenantHost({ machine, tenant, user, handlers, onChange }: TenantHostOptions): TenantHost {
  const { paths, log } = machine;
  let sandbox: Sandbox | undefined;
  let channel: Channel | undefined;
  let role: z.infer<typeof hostRole> | undefined;
  let connections = 0;
  let failures = 0;
  let retryAtMs = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let stopping = false;
  /** What it may have written into the daemon's log. */
  const words = createRate({ burst: 50, perSecond: 2, nowMs: Date.now });
  let closeServer = async (): Promise<void> => {};

  function accept(socket: net.Socket): void {
    channel?.close();
    machine.stalls.own(socket, tenantGroup(tenant), () => {
      socket.destroy();
      void sandbox?.stop(0);
    });
    paceReading(socket, createPace(hostPace));
    const accepted = createChannel({
      stream: socket,
      handlers: { ...handlers, hello: (params) => hostEvents.hello.parse(params), log: hearLog },
      onFault: (error) => {
        if (words.take()) log.warn({ tenant, error: error.message.slice(0, 500) }, 'the tenant host said something unreadable');
      },
    });
    channel = accepted;
    connections += 1;
    void accepted.closed.then(() => {
      if (channel !== accepted) return;
      channel = undefined;
      onChange();
    });
    onChange();
  }

  function hearLog(params: unknown): void {
    const { level, message } = hostEvents.log.parse(params);
    if (words.take()) log[level]({ tenant, from: 'host' }, message);
  }

  function watch(watched: Sandbox): void {
    sandbox = watched;
    const lastOutput = keepLastOutput(watched.stdout);
    void watched.exited.then(({ exitCode, outOfMemory }) => {
      if (sandbox === watched) sandbox = undefined;
      if (stopping) return onChange();
      failures = Date.now() - watched.startedAtMs >= restartPolicy.healthyMs ? 1 : failures + 1;
      scheduleRetry(failures === 1 ? 0 : backoffDelayMs(restartPolicy, failures - 1));
      log.error(
        { tenant, exitCode, outOfMemory, restartInMs: Math.max(0, retryAtMs - Date.now()), output: lastOutput() },
        'the tenant host ended',
      );
      onChange();
    });
  }

  function scheduleRetry(delayMs: number): void {
    retryAtMs = Date.now() + delayMs;
    retryTimer = setTimeout(() => {
      retryTimer = undefined;
      onChange();
    }, delayMs);
  }

  function forgetStaticSocket(): void {
    if (role) rmSync(paths.socketOf(tenant, role.staticSocket), { force: true });
    role = undefined;
  }

  return {
    state() {
      if (channel) return 'connected';
      if (sandbox) return 'starting';
      return retryTimer ? 'waiting' : 'absent';
    },
    connection: () => connections,
    isAlive: () => sandbox !== undefined,
    failures: () => failures,
    pid: () => sandbox?.commandPid() ?? 0,
    appsDirId: () => role?.appsDirId ?? '',
    staticSocket: () => role?.staticSocket ?? '',

    async open() {
      closeServer = await listenUnixSocket(net.createServer(accept), paths.hostSocketOf(tenant), { uid: 0, gid: user().gid, mode: 0o660 });
    },

    async start(order) {
      stopping = false;
      const staticSocket = `host.${randomBytes(4).toString('hex')}.sock`;
      forgetStaticSocket();
      role = { role: 'host', tenant, appsDirId: order.appsDirId, staticSocket };
      try {
        const started = await machine.registry.start(
          specOf(machine, tenant, user(), order),
          {
            ...order.launch,
            outOfMemoryScore: 0,
            output: 'pipe',
            ownSocket: { path: paths.socketOf(tenant, staticSocket), uid: 0, gid: machine.edgeUser.gid, mode: 0o660 },
            inherit: [],
            group: { tenant: tenantGroup(tenant), member: 'host' },
          },
          role,
        );
        watch(started);
      } catch (error) {
        failures += 1;
        scheduleRetry(backoffDelayMs(restartPolicy, failures));
        throw error;
      }
    },

    adopt(adopted) {
      role = hostRole.parse(adopted.role);
      watch(adopted);
      return role.served ?? [];
    },
    noteServed(served) {
      if (!role || String(role.served ?? []) === String(served)) return;
      role = { ...role, served: [...served] };
      sandbox?.record(role);
    },

    request(method, params, timeoutMs) {
      return channel ? channel.request(method, params, timeoutMs) : Promise.reject(new Error(`the host of ${tenant} is not connected`));
    },

    notify: (method, params) => channel?.notify(method, params),

    async stop() {
      stopping = true;
      clearTimeout(retryTimer);
      retryTimer = undefined;
      failures = 0;
      if (sandbox) {
        await channel?.request('shutdown', {}, 3_000).catch((error: unknown) => {
          // It ended before its answer was read, which is what was asked for.
          if (error instanceof TenantdError && error.code === 'TENANTD_E_UNREACHABLE') return;
          log.warn({ tenant, error: messageOf(error) }, 'the tenant host did not shut down');
        });
        await sandbox?.stop(2_000);
      }
      // Its end may not have been heard on the connection yet.
      channel?.close();
      channel = undefined;
    },

    async close() {
      channel?.close();
      await closeServer();
      forgetStaticSocket();
    },
  };
}

function specOf(machine: Machine, tenant: TenantName, { uid, gid }: { uid: number; gid: number }, order: HostOrder) {
  const { paths } = machine;
  return {
    id: `h.${tenant}.${Date.now().toString(36)}`,
    ...{ uid, gid, hostname: tenant },
    env: { ...baseEnvironment, HOME: '/tmp' },
    binds: [
      ...programBinds(machine),
      { source: order.appsDir, target: hostPaths.appsDir, access: 'read' as const },
      { source: paths.hostDirOf(tenant), target: '/run/tenantd/control', access: 'read' as const },
      { source: paths.socketsDirOf(tenant), target: hostPaths.socketsDir, access: 'read' as const },
      { source: paths.pipesDirOf(tenant), target: hostPaths.pipesDir, access: 'read' as const },
      { source: paths.logsDirOf(tenant), target: hostPaths.logsDir, access: 'write' as const },
    ],
    tmpBytes: hostTmpBytes,
    tmpInodes: 1_000,
    workingDirectory: '/',
    command: programCommand('host', {}, hostNodeOptions),
  };
}
