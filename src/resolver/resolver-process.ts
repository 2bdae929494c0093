import { isPublicAddress } from '../base/public-address.ts';
import { DaemonLink } from '../protocol/daemon-link.ts';
import { logThrough } from '../protocol/link-log.ts';
import type { OpenAddresses, ResolverConfiguration, ResolverNotifications } from '../protocol/resolver.ts';
import type { Handler } from '../protocol/channel.ts';
import { Answerer } from './answerer.ts';
import { createCounterReports } from './counter-reports.ts';
import { Listeners } from './listeners.ts';
import { Lookups } from './lookups.ts';
import { Openings } from './openings.ts';
import { createOwnAddresses } from './own-addresses.ts';
import { Responder } from './responder.ts';
import { Tenants } from './tenants.ts';
import { Upstreams } from './upstreams.ts';

export interface ResolverOptions {
  controlSocket: string;
  nowMs?: () => number;
}

/** Each has a socket; above, names that are not cached fail until there is room. */
const maxUpstreamQuestions = 2_048;
/** The longest list that a tenant may have. */
const maxFrameBytes = 4 << 20;

/** Answers tenants, also while the daemon is away; may be killed at any moment. */
export function runResolver({ controlSocket, nowMs = () => performance.now() }: ResolverOptions): { close: () => void } {
  const log = logThrough((level, message) => link.notify('log', { level, message }));
  const ownAddresses = createOwnAddresses(nowMs);
  const upstreams = new Upstreams(maxUpstreamQuestions);
  const tenants = new Tenants(nowMs);
  const lookups = new Lookups({ upstreams, nowMs, isOpen: (address) => isPublicAddress(address) && !ownAddresses.has(address) });
  const openings = new Openings({ log, call: (params: OpenAddresses) => link.request('open-addresses', params) });
  const answerer = new Answerer({ lookups, log, nowMs, open: (tenant, lookup, ttlSeconds) => openings.open(tenant, lookup, ttlSeconds) });
  const listeners = new Listeners(new Responder(tenants, answerer, log), log);
  const reports = createCounterReports(tenants, (counters) => link.notify('counters', counters));

  const handlers: Record<keyof ResolverNotifications, Handler> = {
    configure(params) {
      const { listen, upstreams: servers } = params as ResolverConfiguration;
      // What others said may not be what these say; but a daemon that comes back says the same again.
      if (upstreams.setServers(servers)) lookups.forgetAll();
      listeners.configure(listen);
    },
    'snapshot-begin': () => tenants.beginSnapshot(),
    'snapshot-end'() {
      tenants.endSnapshot();
      openings.daemonKnowsAll();
      reports.sendAll();
    },
    'set-tenant'(params) {
      const settings = params as ResolverNotifications['set-tenant'];
      tenants.set(settings);
      openings.daemonKnows(settings.tenant);
    },
    'remove-tenant': (params) => tenants.remove((params as ResolverNotifications['remove-tenant']).tenant),
  };
  const link: DaemonLink = new DaemonLink({
    ...{ controlSocket, maxFrameBytes, handlers },
    onFault: (error) => log.error({}, error.message),
    onLost() {
      tenants.abandonSnapshot();
      openings.daemonLost();
    },
  });
  return {
    close() {
      link.close();
      listeners.close();
      reports.stop();
    },
  };
}
