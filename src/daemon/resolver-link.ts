import { rmSync } from 'node:fs';
import net from 'node:net';
import { z } from 'zod';
import type { TenantName } from '../base/ids.ts';
import type { ResourceLimits } from '../privileged/cgroups.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { listenUnixSocket } from '../privileged/sockets.ts';
import { makeServiceUser } from '../privileged/users.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import {
  type OpenAddresses,
  type QueryCounters,
  resolverCalls,
  type ResolverConfiguration,
  resolverEvents,
  type ResolverNotifications,
  type TenantEgressNames,
} from '../protocol/resolver.ts';
import { resolverPaths } from '../protocol/resolver-paths.ts';
import { createTurns } from './in-turn.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import { createServiceSandbox, type ServiceSandbox } from './service-sandbox.ts';

export const resolverRole = z.strictObject({ role: z.literal('resolver') });

/**
 * The resolver of tenants' names as the daemon sees it: its sandbox, its connection, and whom it answers for what.
 *
 * Invariants:
 * - It runs while some tenant may ask it, and not otherwise.
 * - It gets all tenants at every connection, and each change after. Until released it keeps those besides that it had.
 */
export interface ResolverLink {
  /** Of the daemon before. */
  adopt(sandbox: Sandbox): Promise<void>;
  configure(configuration: ResolverConfiguration): void;
  /** From now on the tenants set are those that there are: when each that was there before the daemon was set again, or is not wanted. */
  release(): Promise<void>;
  /** Also when nothing changed: what was opened for it is opened again. */
  setTenant(names: TenantEgressNames): Promise<void>;
  removeTenant(tenant: TenantName): Promise<void>;
  countersOf(tenant: TenantName): QueryCounters | undefined;
  /** 0 while it does not run. */
  pid(): number;
  stop(): Promise<void>;
}

export interface ResolverRequests {
  /** Settles when packets to all of them pass; rejects when none of them may be told. */
  openAddresses(request: OpenAddresses): Promise<void>;
}

const userName = 'tenantd-resolver';
const limits: ResourceLimits = { memoryBytes: 256 << 20, cpu: 1, processes: 32 };

export function createResolverLink(machine: Machine, requests: ResolverRequests): ResolverLink {
  const { paths, log } = machine;
  const inTurn = createTurns();
  const tenants = new Map<TenantName, TenantEgressNames>();
  const counters = new Map<string, QueryCounters>();
  let configuration: ResolverConfiguration = { listen: [], upstreams: [] };
  let running: { sandbox: ServiceSandbox; close: () => Promise<void> } | undefined;
  let channel: Channel | undefined;
  let released = false;
  let stopping = false;

  const handlers: Record<keyof typeof resolverEvents | keyof typeof resolverCalls, Handler> = {
    hello: (params) => resolverEvents.hello.parse(params),
    log(params) {
      const { level, message } = resolverEvents.log.parse(params);
      log[level]({ from: 'resolver' }, message);
    },
    counters(params) {
      for (const counted of resolverEvents.counters.parse(params).tenants)
        if (tenants.has(counted.tenant as TenantName)) counters.set(counted.tenant, counted);
    },
    'open-addresses': (params) => requests.openAddresses(resolverCalls['open-addresses'].parse(params)),
  };

  function accept(stream: net.Socket): void {
    channel?.close();
    const accepted = createChannel({
      ...{ stream, handlers },
      onFault: (error) => log.warn({ error: error.message }, 'the resolver said something unreadable'),
    });
    channel = accepted;
    void accepted.closed.then(() => channel === accepted && (channel = undefined));
    tell('configure', configuration);
    sendTenants();
  }

  function tell<Method extends keyof ResolverNotifications>(method: Method, params: ResolverNotifications[Method]): void {
    channel?.notify(method, params);
  }

  function sendTenants(): void {
    if (released) tell('snapshot-begin', {});
    for (const names of tenants.values()) tell('set-tenant', names);
    if (released) tell('snapshot-end', {});
  }

  /** Brings it up or down, as it is wanted now. */
  function settle(): Promise<void> {
    return inTurn(async () => {
      const isWanted = tenants.size > 0 && !stopping;
      if (isWanted) await bringUp();
      else if (released || stopping) await bringDown();
    });
  }

  async function bringUp(adopted?: Sandbox): Promise<void> {
    if (running) return;
    const user = await makeServiceUser(machine.programs, userName);
    ensureDirectory(paths.resolverDir, { uid: 0, gid: user.gid, mode: 0o750 });
    const close = await listenUnixSocket(net.createServer(accept), paths.resolverSocket, { uid: 0, gid: user.gid, mode: 0o660 });
    const sandbox = createServiceSandbox(machine, {
      ...{ name: 'resolver', title: 'the resolver', user, limits, heapMegabytes: 128 },
      controlSocket: { source: paths.resolverSocket, target: resolverPaths.controlSocket },
      binds: () => [],
      role: (): z.infer<typeof resolverRole> => ({ role: 'resolver' }),
    });
    running = { sandbox, close };
    await sandbox.start(adopted);
  }

  async function bringDown(): Promise<void> {
    if (!running) return;
    const { sandbox, close } = running;
    running = undefined;
    await sandbox.stop();
    channel?.close();
    await close();
    rmSync(paths.resolverSocket, { force: true });
  }

  return {
    adopt: (sandbox) => inTurn(() => bringUp(sandbox)),
    configure(next) {
      if (JSON.stringify(next) === JSON.stringify(configuration)) return;
      configuration = next;
      tell('configure', next);
    },
    async release() {
      if (released) return;
      released = true;
      sendTenants();
      await settle();
    },
    async setTenant(names) {
      tenants.set(names.tenant, names);
      tell('set-tenant', names);
      await settle();
    },
    async removeTenant(tenant) {
      counters.delete(tenant);
      if (tenants.delete(tenant)) tell('remove-tenant', { tenant });
      await settle();
    },
    countersOf: (tenant) => counters.get(tenant),
    pid: () => running?.sandbox.pid() ?? 0,
    async stop() {
      stopping = true;
      await settle();
    },
  };
}
