import type { TenantName } from '../base/ids.ts';
import type { RequestLimits, TenantRoutes, TenantTls } from '../protocol/edge.ts';
import { AddressCounts } from './address-counts.ts';
import { Admission } from './admission.ts';
import { edgeShare } from './edge-share.ts';
import { TokenBucket } from './token-bucket.ts';
import { UsageCounters, UsageTally } from './usage-tally.ts';

/** What the edge knows of a tenant besides its routes, and what it counts. The object lives as long as the tenant is routed. */
export class TenantState {
  readonly name: TenantName;
  /** The counts and the rate among them are this edge's share. */
  limits: RequestLimits;
  tls: TenantTls;
  brandName: string | undefined;
  suspended: boolean;
  readonly rate: TokenBucket;
  readonly admission: Admission;
  /** Its open connections, by client. */
  readonly addresses = new AddressCounts();
  webSockets = 0;
  /** That wait for one of its apps to start or wake. */
  heldRequests = 0;
  /** What it uses outside of its apps. */
  readonly usage: UsageCounters;
  readonly tally: UsageTally;
  private readonly processes: number;

  constructor(routes: TenantRoutes, processes: number, nowMs: number, tally = new UsageTally()) {
    this.name = routes.tenant;
    this.tally = tally;
    this.usage = new UsageCounters(tally, this.name, '');
    this.processes = processes;
    this.limits = this.shareOf(routes.limits);
    this.tls = routes.tls;
    this.brandName = routes.brandName;
    this.suspended = routes.suspended ?? false;
    this.rate = new TokenBucket(this.limits.requestsPerSecond, nowMs);
    this.admission = new Admission(this.limits.concurrentRequests, this.limits.queuedRequests);
  }

  get mayOpenTunnel(): boolean {
    return this.webSockets < this.limits.webSockets;
  }

  change(routes: TenantRoutes, nowMs: number): void {
    this.limits = this.shareOf(routes.limits);
    this.tls = routes.tls;
    this.brandName = routes.brandName;
    this.suspended = routes.suspended ?? false;
    this.rate.setRate(this.limits.requestsPerSecond, nowMs);
    this.admission.setLimits(this.limits.concurrentRequests, this.limits.queuedRequests);
  }

  private shareOf(limits: RequestLimits): RequestLimits {
    const { processes } = this;
    return {
      ...limits,
      requestsPerSecond: limits.requestsPerSecond / processes,
      concurrentRequests: edgeShare(limits.concurrentRequests, processes),
      queuedRequests: edgeShare(limits.queuedRequests, processes),
      webSockets: edgeShare(limits.webSockets, processes),
      connectionsPerAddress: edgeShare(limits.connectionsPerAddress, processes),
    };
  }
}
