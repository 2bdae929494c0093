import { Certificates } from './certificates.ts';
import { RequestHead } from '../http1/request-head.ts';
import { ResponseHead } from '../http1/response-head.ts';
import { Deadlines } from './deadlines.ts';
import type { FaultLog } from './fault-log.ts';
import type { EdgeLimits } from './limits.ts';
import { createRequestIds } from './request-id.ts';
import { RouteTable } from './route-table.ts';
import { Upstreams } from './upstreams.ts';

/** What every connection of one edge process shares. */
export interface EdgeContext {
  readonly limits: EdgeLimits;
  readonly deadlines: Deadlines;
  readonly upstreams: Upstreams;
  readonly routes: RouteTable;
  readonly certificates: Certificates;
  /** Where plain http is sent to; undefined when there is no https. */
  readonly httpsPort: number | undefined;
  readonly nextRequestId: () => string;
  /** Filled anew by each parse; used up before the next one. */
  readonly requestHead: RequestHead;
  readonly responseHead: ResponseHead;
  readonly reportFault: FaultLog;
  /** Shutting down: no connection is kept for another request. */
  closing: boolean;
}

export interface ContextOptions {
  socketsDir: string;
  limits: EdgeLimits;
  httpsPort?: number | undefined;
  reportFault: FaultLog;
}

export function createContext({ socketsDir, limits, httpsPort, reportFault }: ContextOptions): EdgeContext {
  const deadlines = new Deadlines(limits.tickMs);
  const upstreams = new Upstreams(socketsDir, deadlines, limits);
  return {
    limits,
    deadlines,
    upstreams,
    routes: new RouteTable(upstreams),
    certificates: new Certificates(),
    httpsPort,
    nextRequestId: createRequestIds(),
    requestHead: new RequestHead(),
    responseHead: new ResponseHead(),
    reportFault,
    closing: false,
  };
}
