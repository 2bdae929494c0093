import type { TenantName } from '../base/ids.ts';
import { DaemonLink } from '../protocol/daemon-link.ts';
import { maxRouteFrameBytes } from '../protocol/edge-paths.ts';
import type { EdgeRequests, EdgeUseRequests, LimitHit, TenantStall } from '../protocol/edge.ts';
import type { EdgeUsageTold } from '../protocol/edge-usage.ts';
import { joinUses, maxUsesTold } from './app-uses.ts';
import { type ChallengeMessage, ChallengeRecord } from './challenge-record.ts';
import { EdgeChildren } from './edge-children.ts';
import { Gateways } from './gateways.ts';
import type { LogLevel } from './fault-log.ts';
import { LimitCounts } from './limit-counts.ts';
import { successionHandlers } from './succession.ts';
import { createSharedKeys, type SharedKeys } from './shared-keys.ts';
import { type RouteMessage, routeMethods, RouteRecord } from './route-record.ts';
import { UsageCourier } from './usage-courier.ts';

/** What edges tell the daemon. */
const passedEvents = ['certificate', 'grant-use', 'handshake-without-certificate', 'wake-app'];
/** After which other apps may be callers than before. */
const callerMethods = new Set<RouteMessage['method']>(['set-tenant', 'remove-tenant', 'snapshot-end']);
/** For an edge that hangs: the CA does not wait for ever either. */
const challengeTimeLimitMs = 5_000;
/** The daemon waits for a little longer. */
const letSleepTimeLimitMs = 3_000;
const usePeriodMs = 1_000;
/** For the daemon to write down what was counted; it may be away for a while. */
const usageSettleMs = 60_000;
const usageSettleAtSignalMs = 5_000;
/** The daemon, which is there, waits for two seconds more than it gave. */
const usageSettleAtRequestMs = 1_000;

export interface MasterOptions {
  controlSocket: string;
  gatewaysDir: string;
  /** See EdgeSettings. */
  standby?: boolean;
  processes: number;
  /** Held open, never accepted from: what waits there is there for the next edge. */
  listenerFds: readonly number[];
  edgeCommand: readonly [string, ...string[]];
}

export interface Master {
  shutdown(timeoutMs: number): Promise<void>;
  /** The daemon asked it to end, and every edge has. */
  readonly ended: Promise<void>;
}

/** Starts the edges and stands between them and the daemon. It outlives the daemon, and the edges never outlive it. */
export function runMaster({ controlSocket, gatewaysDir, standby = false, processes, listenerFds, edgeCommand }: MasterOptions): Master {
  const record = new RouteRecord();
  const limits = new LimitCounts();
  const challenges = new ChallengeRecord();
  const { promise: ended, resolve: settleEnded } = Promise.withResolvers<void>();
  const log = (level: LogLevel, message: string): void => {
    if (!link.notify('log', { level, message })) process.stderr.write(`${level}: ${message}\n`);
  };
  const keys: SharedKeys = createSharedKeys({ tell: (message) => children.tell(message), nowMs: () => performance.now() });
  const children: EdgeChildren = new EdgeChildren({
    command: edgeCommand,
    listenerFds,
    count: processes,
    log,
    replay: () => [...keys.replay(), ...challenges.replay(), ...record.replay()],
    handlers: {
      log: (params) => {
        const { level, message } = params as { level: LogLevel; message: string };
        log(level, message);
      },
      ...Object.fromEntries(passedEvents.map((method) => [method, (params: unknown) => void link.notify(method, params)])),
      'limit-hits': (params) => limits.add((params as { hits: LimitHit[] }).hits),
      usage: (params) => usage.add((params as EdgeUsageTold).usage),
      'tenant-stall': (params) => {
        const { tenant, asideMs } = params as TenantStall;
        gateways.setAside(tenant as TenantName, asideMs, () => record.tenants());
        link.notify('tenant-stall', params);
      },
    },
  });
  const gateways = new Gateways({
    directory: gatewaysDir,
    standby,
    onCall: (caller, socket) => children.hand(caller, socket),
    reportFault: log,
  });
  const askAll = async (message: ChallengeMessage): Promise<null> => {
    challenges.record(message);
    await children.askAll(message.method, message.params, challengeTimeLimitMs);
    return null;
  };
  const letSleep = async (app: EdgeRequests['let-sleep']['params']): Promise<boolean> => {
    if (!record.beginSleep(app)) return false;
    const otherwise = { ifEnded: { asleep: true }, ifSilent: { asleep: false } };
    const answers = await children.ask('let-sleep', app, letSleepTimeLimitMs, otherwise);
    if (answers.every(({ asleep }) => asleep)) return record.endSleep(app);
    for (const message of record.undoSleep(app)) children.tell(message);
    return false;
  };
  const tellUse = async (): Promise<void> => {
    const noUse: EdgeUseRequests['take-use']['result'] = { apps: [] };
    const answers = link.isConnected ? await children.ask('take-use', {}, usePeriodMs, { ifEnded: noUse, ifSilent: noUse }) : [];
    const hits = link.isConnected ? limits.take() : [];
    if (hits.length > 0) link.notify('limit-hits', { hits });
    const uses = joinUses(answers.flatMap(({ apps }) => apps));
    for (let first = 0; first < uses.length; first += maxUsesTold) link.notify('app-use', { apps: uses.slice(first, first + maxUsesTold) });
    useTimer.refresh();
  };
  const useTimer = setTimeout(() => void tellUse(), usePeriodMs).unref();
  const usage = new UsageCourier({ deliver: (batch) => link.request('usage', batch), isConnected: () => link.isConnected });
  setInterval(() => usage.tell(), usePeriodMs).unref();
  const pass = (method: RouteMessage['method'], params: unknown): void => {
    const message = { method, params } as RouteMessage;
    record.record(message);
    children.tell(message);
    if (callerMethods.has(method)) gateways.update(() => record.tenants());
  };
  const shutDown = async (timeoutMs: number): Promise<void> => {
    gateways.closeAll();
    await children.shutdown(timeoutMs);
    usage.tell();
  };
  const settleUsage = (timeoutMs: number): Promise<void> => {
    usage.tell();
    return usage.settled(timeoutMs);
  };
  const link: DaemonLink = new DaemonLink({
    ...{ controlSocket, maxFrameBytes: maxRouteFrameBytes },
    onFault: (error) => log('error', error.message),
    onLost: () => {
      record.abandonSnapshot();
      for (const message of record.undoSleep()) children.tell(message);
    },
    handlers: {
      ...Object.fromEntries(routeMethods.map((method) => [method, (params: unknown) => pass(method, params)])),
      'drain-upstream': async (params) => {
        const { id, timeoutMs } = params as EdgeRequests['drain-upstream']['params'];
        return { drained: await children.drainUpstream(id, timeoutMs) };
      },
      'let-sleep': async (params) => ({ asleep: await letSleep(params as EdgeRequests['let-sleep']['params']) }),
      'set-challenge': (params) => askAll({ method: 'set-challenge', params: params as EdgeRequests['set-challenge']['params'] }),
      'remove-challenge': (params) => askAll({ method: 'remove-challenge', params: params as EdgeRequests['remove-challenge']['params'] }),
      ...successionHandlers({
        ...{ children, keys, challenges, gateways, listenerFds, tenants: () => record.tenants() },
        // After the answer to a shutdown that it may have been asked for meanwhile.
        onEnded: () => void settleUsage(usageSettleMs).then(() => setImmediate(settleEnded)),
      }),
      shutdown: async (params) => {
        await shutDown((params as EdgeRequests['shutdown']['params']).timeoutMs);
        await settleUsage(usageSettleAtRequestMs);
        // After the answer, which is written in this turn.
        setImmediate(settleEnded);
        return null;
      },
    },
  });
  return {
    ended,
    async shutdown(timeoutMs) {
      await shutDown(timeoutMs);
      await settleUsage(usageSettleAtSignalMs);
      // After the answer to whoever asked for it went out.
      setImmediate(() => {
        link.close();
        settleEnded();
      });
    },
  };
}
