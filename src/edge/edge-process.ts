import { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createChannel } from '../protocol/channel.ts';
import type {
  CertificateEvent,
  EdgeChallenge,
  EdgeKeyNotifications,
  EdgeNotifications,
  EdgeRequests,
  EdgeUseRequests,
  TenantCertificate,
} from '../protocol/edge.ts';
import { maxReportedNames, maxRouteFrameBytes, maxUsageRows } from '../protocol/edge-paths.ts';
import type { EdgeUsageTold } from '../protocol/edge-usage.ts';
import { type AccessLogsOptions, createAccessLogs } from './access-log.ts';
import { createEdge, type Edge, type EdgeOptions } from './edge.ts';
import { CallHandover } from './call-handover.ts';
import type { Caller } from './gateways.ts';
import type { LogLevel } from './fault-log.ts';
import { createFaultLog } from './fault-log.ts';
import { connectionLimits } from './limits.ts';
import { StallGuard } from './stall-guard.ts';

export interface EdgeProcessOptions {
  /** The channel to the master. */
  channelFd: number;
  httpFds: readonly number[];
  httpsFds: readonly number[];
  httpsPort: number | undefined;
  trustedProxies: readonly string[];
  proxyProtocol: boolean;
  /** Of how many it is one. */
  processes: number;
  /** How many descriptors it may have. */
  openFiles: number;
  socketsDir: string;
  accessLogs: Omit<AccessLogsOptions, 'nowMs' | 'reportFault'> | undefined;
}

export interface EdgeProcess {
  shutdown(timeoutMs: number): Promise<void>;
  /** A connection of an app that calls another tenant's. */
  acceptCall(caller: Caller, socket: Socket): void;
  /** Asked to end, or left alone by the master: what was open has ended. */
  readonly ended: Promise<void>;
}

/** An edge whose master is gone lets open requests end for so long. */
const orphanGraceMs = 10_000;
const grantUseMs = 1_000;
/** What of an edge's counts is lost at most, when it is killed. */
const usageMs = 1_000;

/** One edge, told by its master what to do. It accepts from its first whole route table on. */
export function runEdge({ channelFd, httpFds, httpsFds, accessLogs: logSettings, openFiles, ...options }: EdgeProcessOptions): EdgeProcess {
  const send = (level: LogLevel, message: string): void => channel.notify('log', { level, message });
  const reportFault = createFaultLog(send, () => performance.now());
  const accessLogs = logSettings && createAccessLogs({ ...logSettings, nowMs: Date.now, reportFault });
  const tellMissingCertificate = (name: string): void => channel.notify('handshake-without-certificate', { name });
  const tellWake: EdgeOptions['tellWake'] = (app) => channel.notify('wake-app', app);
  const stallGuard = new StallGuard((stall) => channel.notify('tenant-stall', stall));
  const limits = connectionLimits(openFiles);
  const edge = createEdge({ ...options, limits, accessLogs, tellMissingCertificate, tellWake, stallGuard, reportFault });
  const { promise: ended, resolve: settleEnded } = Promise.withResolvers<void>();
  let ending: Promise<void> | undefined;
  let listening = false;
  const { promise: accepting, resolve: settleAccepting } = Promise.withResolvers<void>();
  /** That came before the first whole route table: then it takes them. */
  const earlyCalls = new CallHandover();
  const grantUseTimer = setInterval(tellGrantUse, grantUseMs);
  grantUseTimer.unref();
  const usageTimer = setInterval(tellUsage, usageMs).unref();

  /** Asked again, it is the edge's affair: it takes the shorter time. */
  function endAfter(last: Promise<void>): Promise<void> {
    ending ??= end(last);
    return ending;
  }
  const shutdown = (timeoutMs: number): Promise<void> => endAfter(edge.shutdown(timeoutMs));

  async function end(last: Promise<void>): Promise<void> {
    await last;
    clearInterval(grantUseTimer);
    tellGrantUse();
    await accessLogs?.close();
    clearInterval(usageTimer);
    // What was cut says so a turn later.
    await nextTurn();
    tellUsage();
  }

  function acceptCall(caller: Caller, socket: Socket): void {
    if (listening) edge.acceptCall(caller, socket);
    else earlyCalls.add(caller, socket);
  }

  function takeEarly(caller: Caller, socket: Socket, onHanded: (error: null) => void): void {
    edge.acceptCall(caller, socket);
    onHanded(null);
  }

  function tellGrantUse(): void {
    const uses = edge.grantUses.take();
    if (uses.length > 0) channel.notify('grant-use', { uses });
    const hits = edge.limitCounts.take();
    if (hits.length > 0) channel.notify('limit-hits', { hits });
  }

  function tellUsage(): void {
    for (;;) {
      const usage = edge.routes.usage.take(maxUsageRows);
      if (usage.length === 0) return;
      channel.notify('usage', { usage } satisfies EdgeUsageTold);
    }
  }

  async function listenOnce(): Promise<void> {
    if (listening || ending) return;
    listening = true;
    for (const fd of httpFds) await edge.listen({ fd }, 'http');
    for (const fd of httpsFds) await edge.listen({ fd }, 'https');
    settleAccepting();
    earlyCalls.setTakers([{ hand: takeEarly }]);
    send('info', 'an edge accepts connections');
  }

  const channel = createChannel({
    stream: new Socket({ fd: channelFd }),
    maxFrameBytes: maxRouteFrameBytes,
    onFault: (error) => send('error', error.message),
    handlers: {
      ...routeHandlers(edge, listenOnce),
      'remove-tenant': (params: unknown) => {
        const { tenant } = params as EdgeNotifications['remove-tenant'];
        edge.routes.removeTenant(tenant);
        accessLogs?.forget(tenant);
      },
      ...keyHandlers(edge),
      ...useHandlers(edge),
      ...certificateHandlers(edge, (event) => channel.notify('certificate', event)),
      'drain-upstream': async (params) => {
        const { id, timeoutMs } = params as EdgeRequests['drain-upstream']['params'];
        return { drained: await edge.drainUpstream(id, timeoutMs) };
      },
      'await-accepting': () => accepting.then(() => true),
      retire: (params) => {
        accessLogs?.retire();
        void endAfter(edge.retire((params as EdgeRequests['retire']['params']).timeoutMs)).then(settleEnded);
        return null;
      },
      shutdown: async (params) => {
        await shutdown((params as EdgeRequests['shutdown']['params']).timeoutMs);
        // After the answer, which is written in this turn.
        setImmediate(settleEnded);
        return null;
      },
    },
  });
  void channel.closed.then(() => shutdown(orphanGraceMs)).then(settleEnded);
  return { ended, acceptCall, shutdown: (timeoutMs) => shutdown(timeoutMs).then(settleEnded) };
}

function useHandlers({ routes }: Edge) {
  return {
    'let-sleep': (params: unknown): EdgeRequests['let-sleep']['result'] => {
      const { tenant, app } = params as EdgeRequests['let-sleep']['params'];
      return { asleep: routes.letSleep(tenant, app) };
    },
    'take-use': (): EdgeUseRequests['take-use']['result'] => ({ apps: routes.uses.take() }),
  };
}

function keyHandlers({ contextTokens, setTicketKeys }: Edge) {
  return {
    'set-ticket-keys': (params: unknown) => setTicketKeys(Buffer.from((params as EdgeKeyNotifications['set-ticket-keys']).keys, 'base64')),
    'set-context-keys': (params: unknown) => contextTokens.setKeys((params as EdgeKeyNotifications['set-context-keys']).keys),
  };
}

function certificateHandlers({ certificates, challenges }: Edge, report: (event: CertificateEvent) => void) {
  return {
    'set-certificate': (params: unknown) => {
      const certificate = params as TenantCertificate;
      const { tenant, id } = certificate;
      const problem = certificates.set(certificate, Date.now());
      report({
        tenant,
        id,
        ...(problem === undefined ? { names: certificates.namesOf(tenant, id).slice(0, maxReportedNames) } : { problem }),
      });
    },
    'set-challenge': (params: unknown) => {
      challenges.set(params as EdgeChallenge);
      return null;
    },
    'remove-challenge': (params: unknown) => {
      challenges.remove(params as EdgeChallenge);
      return null;
    },
    'remove-certificate': (params: unknown) => {
      const { tenant, id } = params as EdgeNotifications['remove-certificate'];
      certificates.remove(tenant, id);
    },
  };
}

function routeHandlers({ routes, certificates }: Edge, onWhole: () => Promise<void>) {
  return {
    'snapshot-begin': () => {
      routes.beginSnapshot();
      certificates.beginSnapshot();
    },
    'snapshot-end': () => {
      routes.endSnapshot();
      certificates.endSnapshot();
      return onWhole();
    },
    'set-tenant': (params: unknown) => routes.setTenant(params as EdgeNotifications['set-tenant']),
    'set-app': (params: unknown) => routes.setApp(params as EdgeNotifications['set-app']),
  };
}
