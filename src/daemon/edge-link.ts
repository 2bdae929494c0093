import { rmSync } from 'node:fs';
import net from 'node:net';
import { z } from 'zod';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { childrenOf } from '../privileged/processes.ts';
import { bindTcpSocket, type InheritableSocket, listenUnixSocket } from '../privileged/sockets.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { type AppRoute, edgeEvents, type EdgeRequests, type GrantUse, type TenantRoutes, type TenantStall } from '../protocol/edge.ts';
import { edgeGatewaysDir, edgeLogsDir } from '../protocol/edge-paths.ts';
import { EdgeCertificates, ownCertificateId } from './edge-certificates.ts';
import { type EdgeConfig, toEdgeSettings } from './edge-settings.ts';
import { keepLastOutput } from './last-output.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** As recorded with its sandbox. `settings`: what it was started with, as text to compare. */
export const edgeRole = z.object({ role: z.literal('edge'), settings: z.string().optional() });

/**
 * The edge master as the daemon sees it: its sandbox, its connection, and the routes and certificates it is to have.
 *
 * Invariants:
 * - Once released, `routes` and `certificates` are the whole truth; the master gets all of it at every connection and each change
 *   after.
 * - The end of a snapshot waits for the certificates: edges forget what they were not told until then.
 * - The listening sockets are bound once and kept, so that a new master accepts what waits at a dead one's.
 */
export interface EdgeLink {
  start(adopted: Sandbox | undefined): Promise<void>;
  /** From now on `routes` is what is wanted; until then edges keep what they had, and until `certificates` settles nothing is forgotten. */
  release(certificates?: Promise<void>): void;
  setTenant(routes: TenantRoutes): void;
  setApp(tenant: TenantName, route: AppRoute): void;
  /** With its certificates. */
  removeTenant(tenant: TenantName): void;
  readonly certificates: Pick<EdgeCertificates, 'set' | 'remove' | 'stateOf' | 'serves'>;
  /** Answered when every edge has it. */
  passChallenge<Method extends 'set-challenge' | 'remove-challenge'>(method: Method, params: EdgeRequests[Method]['params']): Promise<null>;
  /** True when nothing is open at the upstream any more (also when there is no edge). */
  drainUpstream(id: string, timeoutMs: number): Promise<boolean>;
  edgePids(): number[];
  problems(): Problem[];
  stop(graceMs: number): Promise<void>;
}

/** What edges say, and somebody else decides on. */
export interface EdgeEvents {
  /** Of a tenant's name: as the tenant lists it. */
  onMissingCertificate: (name: string) => void;
  /** Whether a tenant's own certificate can be used, and for what, is known. */
  onOwnCertificate: (tenant: TenantName) => void;
  onGrantUse: (uses: readonly GrantUse[]) => void;
  onTenantStall: (stall: TenantStall) => void;
}

const challengeTimeLimitMs = 10_000;
const group = 'edge';
/** As many times what a tenant has: it works for all of them. */
const edgeShare = 4;
const restartPolicy: BackoffPolicy = { firstMs: 100, maxMs: 10_000, healthyMs: 30_000 };

export function createEdgeLink(machine: Machine, config: EdgeConfig, events: EdgeEvents): EdgeLink {
  const { paths, log, edgeUser } = machine;
  const addresses = [...config.http.listen, ...(config.https?.listen ?? [])];
  const settings = toEdgeSettings(config);
  const settingsKey = JSON.stringify([addresses, settings]);
  const routes = new Map<TenantName, TenantRoutes>();
  const certificates = new EdgeCertificates(tell);
  const listeners: InheritableSocket[] = [];
  let sandbox: Sandbox | undefined;
  let channel: Channel | undefined;
  let failures = 0;
  let incarnation = 0;
  let released = false;
  let certificatesKnown = Promise.resolve();
  let stopping = false;
  let closeServer = async (): Promise<void> => {};

  function accept(socket: net.Socket): void {
    // Only the master can open the directory; a second connection is its own new one after the first broke.
    channel?.close();
    const accepted = createChannel({
      stream: socket,
      maxQueuedBytes: 64 << 20,
      handlers: handlersFor(certificates, events, log),
      onFault: (error) => log.warn({ error: error.message }, 'the edge said something unreadable'),
    });
    channel = accepted;
    void accepted.closed.then(() => channel === accepted && (channel = undefined));
    sendSnapshot();
  }

  function sendSnapshot(): void {
    if (!released) return;
    const told = channel;
    told?.notify('snapshot-begin', {});
    for (const tenant of routes.values()) tell('set-tenant', tenant);
    certificates.sendAll();
    void certificatesKnown.then(() => told?.notify('snapshot-end', {}));
  }

  function tell(method: string, params: unknown): void {
    if (released) channel?.notify(method, params);
  }

  async function launch(): Promise<void> {
    // What was bound before one of them was found busy stays.
    for (const address of addresses.slice(listeners.length)) listeners.push(bindTcpSocket(address));
    machine.groups?.setShare(group, edgeShare);
    sandbox = await machine.registry.start(
      {
        id: `edge.${Date.now().toString(36)}.${incarnation++}`,
        uid: edgeUser.uid,
        gid: edgeUser.gid,
        hostname: 'edge',
        env: { ...baseEnvironment, HOME: '/tmp' },
        binds: [
          ...programBinds(machine),
          { source: paths.edgeDir, target: '/run/tenantd/edge', access: 'read' },
          { source: paths.socketsDir, target: '/run/tenantd/sockets', access: 'read' },
          { source: paths.edgeLogsDir, target: edgeLogsDir, access: 'write' },
          { source: paths.gatewaysDir, target: edgeGatewaysDir, access: 'write' },
        ],
        tmpBytes: 16 << 20,
        tmpInodes: 1_000,
        workingDirectory: '/',
        command: programCommand('edge', settings),
      },
      // A network of its own with nothing in it: the listening sockets are the machine's, whoever accepts from them.
      {
        ...{ network: 'empty', output: 'pipe', outOfMemoryScore: 0, inherit: listeners.map(({ fd }) => fd), mayReset: true },
        group: { tenant: group, member: `master.${incarnation}` },
      },
      { role: 'edge', settings: settingsKey } satisfies z.infer<typeof edgeRole>,
    );
    watch(sandbox);
  }

  function watch(watched: Sandbox): void {
    const lastOutput = keepLastOutput(watched.stdout);
    void watched.exited.then(({ exitCode }) => {
      if (stopping) return;
      failures = Date.now() - watched.startedAtMs >= restartPolicy.healthyMs ? 1 : failures + 1;
      const delayMs = failures === 1 ? 0 : backoffDelayMs(restartPolicy, failures - 1);
      log.error({ exitCode, restartInMs: delayMs, output: lastOutput() }, 'the edge master ended');
      setTimeout(() => void relaunch(), delayMs);
    });
  }

  async function relaunch(): Promise<void> {
    if (stopping) return;
    try {
      await launch();
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the edge master could not be started again');
      failures += 1;
      setTimeout(() => void relaunch(), backoffDelayMs(restartPolicy, failures));
    }
  }

  return {
    async start(adopted) {
      const server = net.createServer(accept);
      closeServer = await listenUnixSocket(server, paths.edgeSocket, { uid: 0, gid: edgeUser.gid, mode: 0o660 });
      sandbox = adopted;
      if (adopted) watch(adopted);
      else await launch();
    },
    release(known = Promise.resolve()) {
      if (released) return;
      released = true;
      certificatesKnown = known;
      sendSnapshot();
    },
    setTenant(tenantRoutes) {
      routes.set(tenantRoutes.tenant, tenantRoutes);
      tell('set-tenant', tenantRoutes);
    },
    setApp(tenant, route) {
      const known = routes.get(tenant);
      if (!known) return;
      routes.set(tenant, { ...known, apps: [...known.apps.filter(({ app }) => app !== route.app), route] });
      tell('set-app', { tenant, ...route });
    },
    removeTenant(tenant) {
      if (routes.delete(tenant)) tell('remove-tenant', { tenant });
      certificates.removeAll(tenant);
    },
    certificates,
    async passChallenge(method, params) {
      if (!channel) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the edge is not connected', 'try again');
      await channel.request(method, params, challengeTimeLimitMs);
      return null;
    },
    async drainUpstream(id, timeoutMs) {
      if (!channel) return true;
      try {
        const answer = await channel.request('drain-upstream', { id, timeoutMs }, timeoutMs + 2_000);
        return z.object({ drained: z.boolean() }).parse(answer).drained;
      } catch (error) {
        // With the edge, whatever was open has ended.
        if (stopping) return true;
        log.warn({ upstream: id, error: messageOf(error) }, 'the edge did not tell when an upstream was drained');
        return false;
      }
    },
    edgePids() {
      const master = sandbox?.commandPid() ?? 0;
      return master === 0 ? [] : childrenOf(master);
    },
    problems() {
      const isOutdated = sandbox !== undefined && edgeRole.safeParse(sandbox.role).data?.settings !== settingsKey;
      return isOutdated ? [outdatedEdge] : [];
    },
    async stop(graceMs) {
      stopping = true;
      try {
        await channel?.request('shutdown', { timeoutMs: graceMs }, graceMs + 2_000);
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the edge did not shut down when asked to');
      }
      await sandbox?.stop(2_000);
      await machine.groups?.removeTenant(group);
      await closeServer();
      for (const listener of listeners) listener.close();
      rmSync(paths.edgeSocket, { force: true });
    },
  };
}

function handlersFor(certificates: EdgeCertificates, events: EdgeEvents, log: Log): Record<keyof typeof edgeEvents, Handler> {
  return {
    hello: (params) => edgeEvents.hello.parse(params),
    certificate: (params) => {
      const event = edgeEvents.certificate.parse(params);
      certificates.judge(event);
      if (event.problem !== undefined) log.warn({ tenant: event.tenant, certificate: event.id }, `refused: ${event.problem}`);
      if (event.id === ownCertificateId) events.onOwnCertificate(event.tenant as TenantName);
    },
    'grant-use': (params) => events.onGrantUse(edgeEvents['grant-use'].parse(params).uses),
    'tenant-stall': (params) => events.onTenantStall(edgeEvents['tenant-stall'].parse(params)),
    'handshake-without-certificate': (params) =>
      events.onMissingCertificate(edgeEvents['handshake-without-certificate'].parse(params).name),
    log: (params) => {
      const { level, message } = edgeEvents.log.parse(params);
      log[level]({ from: 'edge' }, message);
    },
  };
}

/** Only it has the listening sockets: to end it would refuse connections, which a restart after a crash must not do. */
const outdatedEdge: Problem = {
  code: 'TENANTD_E_RESTART_NEEDED',
  message: 'the edge runs on from before the daemon was killed, with other settings than `http`, `https`, `edge` and `logs` have now',
  fix: 'stop tenantd with SIGTERM, which ends the edge too, and start it',
};
