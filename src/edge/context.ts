import { AccessEntry } from './access-entry.ts';
import type { AccessLogs } from './access-log.ts';
import { Certificates } from './certificates.ts';
import { RequestHead } from '../http1/request-head.ts';
import { ResponseHead } from '../http1/response-head.ts';
import { Challenges } from './challenges.ts';
import { CompressionShare } from './compression-share.ts';
import { ContextTokens } from './context-token.ts';
import { Deadlines } from './deadlines.ts';
import type { EdgeOptions } from './edge.ts';
import type { FaultLog } from './fault-log.ts';
import { ForwardedClient } from './forwarded-client.ts';
import { endCalls, type OpenCall } from './open-calls.ts';
import { GrantUses } from './grants.ts';
import { Http2Context } from '../http2/context.ts';
import { defaultHttp2Limits } from '../http2/limits.ts';
import { LimitCounts } from './limit-counts.ts';
import type { EdgeLimits } from './limits.ts';
import { createRequestIds } from './request-id.ts';
import { RouteTable } from './route-table.ts';
import type { StallGuard } from './stall-guard.ts';
import { createTrustedProxies, type TrustedProxies } from './trusted-proxies.ts';
import { Upstreams } from './upstreams.ts';
import { Wakes } from './wakes.ts';

/** What every connection of one edge process shares. */
export interface EdgeContext {
  readonly limits: EdgeLimits;
  readonly deadlines: Deadlines;
  readonly upstreams: Upstreams;
  readonly routes: RouteTable;
  readonly wakes: Wakes;
  readonly trustedProxies: TrustedProxies;
  /** Read anew for each request of a trusted proxy. */
  readonly forwardedClient: ForwardedClient;
  readonly certificates: Certificates;
  readonly challenges: Challenges;
  readonly contextTokens: ContextTokens;
  readonly grantUses: GrantUses;
  readonly limitCounts: LimitCounts;
  /** Connections of apps that call other tenants'. */
  readonly calls: Set<OpenCall>;
  readonly http2: Http2Context;
  readonly compression: CompressionShare;
  /** Where plain http is sent to; undefined when there is no https. */
  readonly httpsPort: number | undefined;
  readonly accessLogs: AccessLogs | undefined;
  /** Filled anew for each line. */
  readonly accessEntry: AccessEntry;
  readonly nextRequestId: () => string;
  /** Filled anew by each parse; used up before the next one. */
  readonly requestHead: RequestHead;
  readonly responseHead: ResponseHead;
  readonly reportFault: FaultLog;
  readonly stallGuard: StallGuard | undefined;
  /** No connection is kept for another request, nor told that it is. */
  closing: boolean;
  /** But those that were told so before are. */
  retiring: boolean;
}

export function createContext(options: EdgeOptions, limits: EdgeLimits): EdgeContext {
  const { socketsDir, httpsPort, accessLogs, reportFault, stallGuard, trustedProxies: blocks = [], processes = 1 } = options;
  const trustedProxies = createTrustedProxies(blocks);
  const deadlines = new Deadlines(limits.tickMs);
  const calls = new Set<OpenCall>();
  const upstreams = new Upstreams(socketsDir, deadlines, limits, stallGuard);
  const endUngranted = (): void => endCalls(calls, (caller, called) => routes.isGranted(caller, called));
  const routes: RouteTable = new RouteTable(upstreams, { processes, onGrantsTaken: endUngranted });
  const { wakeRepeatMs: repeatMs, wakesPerSecond: perSecond } = limits;
  const wakes = new Wakes({ tell: options.tellWake ?? (() => {}), repeatMs, perSecond, nowMs: () => performance.now() });
  deadlines.watch(wakes);
  return {
    limits,
    deadlines,
    upstreams,
    routes,
    wakes,
    trustedProxies,
    forwardedClient: new ForwardedClient(trustedProxies),
    certificates: new Certificates(),
    challenges: new Challenges(),
    contextTokens: new ContextTokens(),
    grantUses: new GrantUses(),
    limitCounts: new LimitCounts(),
    calls,
    compression: new CompressionShare(),
    http2: new Http2Context({ limits: defaultHttp2Limits, nowMs: () => deadlines.nowMs, schedule: (flush) => void setImmediate(flush) }),
    httpsPort,
    accessLogs,
    accessEntry: new AccessEntry(),
    nextRequestId: createRequestIds(),
    requestHead: new RequestHead(),
    responseHead: new ResponseHead(),
    reportFault,
    stallGuard,
    closing: false,
    retiring: false,
  };
}
