import type { z } from 'zod';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Handler } from '../protocol/channel.ts';
import { edgeEvents, type GrantUse, type LimitHit, type TenantStall } from '../protocol/edge.ts';
import { edgeUsageCalls } from '../protocol/edge-usage.ts';
import { type EdgeCertificates, ownCertificateId } from './edge-certificates.ts';
import type { EdgeMaster } from './edge-master.ts';

/** What edges say, and somebody else decides on. */
export interface EdgeEvents {
  /** Of a tenant's name: as the tenant lists it. */
  onMissingCertificate: (name: string) => void;
  /** Whether a tenant's own certificate can be used, and for what, is known. */
  onOwnCertificate: (tenant: TenantName) => void;
  onGrantUse: (uses: readonly GrantUse[]) => void;
  onTenantStall: (stall: TenantStall) => void;
  onLimitHits: (hits: readonly LimitHit[]) => void;
  /** Whatever its names are. */
  onWake: (app: { tenant: string; app: string }) => void;
  onUse: (apps: readonly AppUse[]) => void;
  /** Settles when it is written down. `master`: by a name that no other one ever had. */
  onUsage: (master: string, batch: z.infer<(typeof edgeUsageCalls)['usage']>) => Promise<void>;
}

export type AppUse = z.infer<(typeof edgeEvents)['app-use']>['apps'][number];

export function edgeEventHandlers(
  certificates: EdgeCertificates,
  events: EdgeEvents,
  log: Log,
): (master: EdgeMaster) => Record<keyof typeof edgeEvents | keyof typeof edgeUsageCalls, Handler> {
  return (master) => ({
    hello: (params) => edgeEvents.hello.parse(params),
    certificate: (params) => {
      const event = edgeEvents.certificate.parse(params);
      // One that is of another build, it may be, and takes no new connections.
      if (master.role.phase === 'retiring') return;
      certificates.judge(event);
      if (event.problem !== undefined) log.warn({ tenant: event.tenant, certificate: event.id }, `refused: ${event.problem}`);
      if (event.id === ownCertificateId) events.onOwnCertificate(event.tenant as TenantName);
    },
    'grant-use': (params) => events.onGrantUse(edgeEvents['grant-use'].parse(params).uses),
    'wake-app': (params) => events.onWake(edgeEvents['wake-app'].parse(params)),
    'app-use': (params) => events.onUse(edgeEvents['app-use'].parse(params).apps),
    'limit-hits': (params) => events.onLimitHits(edgeEvents['limit-hits'].parse(params).hits),
    usage: (params) => events.onUsage(master.role.name, edgeUsageCalls.usage.parse(params)),
    'tenant-stall': (params) => events.onTenantStall(edgeEvents['tenant-stall'].parse(params)),
    'handshake-without-certificate': (params) =>
      events.onMissingCertificate(edgeEvents['handshake-without-certificate'].parse(params).name),
    log: (params) => {
      const { level, message } = edgeEvents.log.parse(params);
      log[level]({ from: 'edge' }, message);
    },
  });
}
