import { rmSync } from 'node:fs';
import net from 'node:net';
import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { UnixUser } from '../privileged/users.ts';
import { listenUnixSocket } from '../privileged/sockets.ts';
import {
  certsCalls,
  type CertsConfiguration,
  certsEvents,
  type CertsNotifications,
  type CertsRequests,
  certsResults,
  type NameStatus,
} from '../protocol/certs.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { CertificateNames } from './certificate-names.ts';
import { createCertsSandbox, hookInSandbox } from './certs-sandbox.ts';
import { ownCertificateId } from './edge-certificates.ts';
import type { EdgeLink } from './edge-link.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import { createWaiters } from './waiters.ts';

/**
 * The process `certs` as the daemon sees it: its sandbox, its connection, the names it is to have certificates for, and what it
 * said of them.
 *
 * Invariants:
 * - Once released, it gets all names at every connection and each change after.
 * - Its certificates pass through to the edges, for names that the tenant has; nothing here reads them.
 * - Without a usable configuration it is given none: it serves on what it has, and begins nothing.
 */
export interface CertsLink {
  start(adopted: Sandbox | undefined): Promise<void>;
  /** Replaces the configuration before; undefined: that one stays. */
  configure(configuration: CertsConfiguration | undefined): void;
  /** From now on the names set are those that are wanted; until then it keeps what it had. */
  release(): void;
  /** All that the tenant wants of it; none: the tenant is gone, or has what it needs. */
  setNames(tenant: TenantName, names: readonly string[]): void;
  /** A client came for this name, and there was no certificate. */
  hint(name: string): void;
  /** Settles when the edges have all certificates that there are, or when that can't be waited for. */
  readonly settled: Promise<void>;
  request<Method extends keyof CertsRequests>(
    method: Method,
    params: CertsRequests[Method]['params'],
  ): Promise<z.infer<(typeof certsResults)[Method]>>;
  statusOf(tenant: TenantName, name: string): NameStatus | undefined;
  manages(tenant: TenantName, name: string): boolean;
  problems(tenant: TenantName): Problem[];
  pid(): number;
  stop(): Promise<void>;
}

/** A check asks resolvers several times. */
const requestTimeLimitMs = 30_000;
/** It comes back within a second, when it or the daemon was killed. */
const connectTimeLimitMs = 5_000;
/** Without another certificate: so long edges keep what they had from a daemon before. */
const settleTimeLimitMs = 5_000;
/** A page of names with all that there is to say of each. */
const maxFrameBytes = 8 << 20;

export function createCertsLink(machine: Machine, user: UnixUser, edge: EdgeLink): CertsLink {
  const { paths, log } = machine;
  const names = new CertificateNames();
  const waiters = createWaiters();
  const sandbox = createCertsSandbox(machine, user);
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
  let configuration: CertsConfiguration | undefined;
  let channel: Channel | undefined;
  let released = false;
  let settleTimer: NodeJS.Timeout | undefined;
  let closeServer = async (): Promise<void> => {};

  function accept(socket: net.Socket): void {
    channel?.close();
    const accepted = createChannel({
      stream: socket,
      maxFrameBytes,
      handlers,
      onFault: (error) => log.warn({ error: error.message }, 'the process for certificates said something unreadable'),
    });
    channel = accepted;
    waiters.notify();
    void accepted.closed.then(() => channel === accepted && (channel = undefined));
    if (configuration) tell('configure', configuration);
    sendSnapshot();
  }

  function tell<Method extends keyof CertsNotifications>(method: Method, params: CertsNotifications[Method]): void {
    channel?.notify(method, params);
  }

  function sendSnapshot(): void {
    if (!released) return;
    tell('snapshot-begin', {});
    for (const wanted of names.all()) tell('set-names', wanted);
    tell('snapshot-end', {});
  }

  const handlers: Record<keyof typeof certsEvents | keyof typeof certsCalls, Handler> = {
    hello: (params) => certsEvents.hello.parse(params),
    log(params) {
      const { level, message } = certsEvents.log.parse(params);
      log[level]({ from: 'certs' }, message);
    },
    'certificates-complete'(params) {
      certsEvents['certificates-complete'].parse(params);
      clearTimeout(settleTimer);
      settle();
    },
    'set-certificate'(params) {
      const { tenant, id, chain, key } = certsCalls['set-certificate'].parse(params);
      settleTimer?.refresh();
      // What came too late: the tenant does not have the name any more.
      if (names.has(tenant, id)) edge.certificates.set({ tenant: tenant as TenantName, id, chain, key });
    },
    'remove-certificate'(params) {
      const { tenant, id } = certsCalls['remove-certificate'].parse(params);
      if (id !== ownCertificateId) edge.certificates.remove(tenant as TenantName, id);
    },
    'set-challenge': (params) => edge.passChallenge('set-challenge', certsCalls['set-challenge'].parse(params)),
    'remove-challenge': (params) => edge.passChallenge('remove-challenge', certsCalls['remove-challenge'].parse(params)),
    report(params) {
      for (const status of certsCalls.report.parse(params).names) names.note(status);
    },
  };

  return {
    settled,
    async start(adopted) {
      closeServer = await listenUnixSocket(net.createServer(accept), paths.certsSocket, { uid: 0, gid: user.gid, mode: 0o660 });
      await sandbox.start(adopted);
    },
    configure(next) {
      if (!next) return;
      configuration = toSandbox(next);
      sandbox.setHook(next.acme?.dnsHook);
      tell('configure', configuration);
    },
    release() {
      if (released) return;
      released = true;
      sendSnapshot();
      settleTimer = setTimeout(settle, settleTimeLimitMs).unref();
    },
    setNames(tenant, wanted) {
      const change = names.set(tenant, wanted);
      if (!change) return;
      for (const name of change.removed) edge.certificates.remove(tenant, name);
      if (!released) return;
      if (wanted.length > 0) tell('set-names', { tenant, names: wanted });
      else tell('remove-tenant', { tenant });
    },
    hint: (name) => tell('handshake-without-certificate', { name }),
    async request(method, params) {
      const connected = await waiters.until(() => channel, 'the process for certificates', connectTimeLimitMs).catch(() => undefined);
      if (!connected)
        throw new TenantdError('TENANTD_E_CERTS', 'the process for certificates is not there', 'try again; see the log of the daemon');
      const answer = await connected.request(method, params, requestTimeLimitMs);
      return certsResults[method].parse(answer) as never;
    },
    statusOf: (tenant, name) => names.statusOf(tenant, name),
    manages: (tenant, name) => names.has(tenant, name),
    problems: (tenant) => names.problems(tenant),
    pid: () => sandbox.pid(),
    async stop() {
      await sandbox.stop();
      channel?.close();
      await closeServer();
      rmSync(paths.certsSocket, { force: true });
    },
  };
}

function toSandbox({ acme, ...rest }: CertsConfiguration): CertsConfiguration {
  return { ...rest, ...(acme && { acme: { ...acme, ...(acme.dnsHook && { dnsHook: hookInSandbox(acme.dnsHook) }) } }) };
}
