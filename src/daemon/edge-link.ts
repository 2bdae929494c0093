import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { Channel } from '../protocol/channel.ts';
import type { EdgesReplaced } from '../protocol/control.ts';
import type { AppRoute, TenantRoutes } from '../protocol/edge.ts';
import { EdgeCertificates } from './edge-certificates.ts';
import { edgeEventHandlers, type EdgeEvents } from './edge-events.ts';
import type { EdgeMaster } from './edge-master.ts';
import { EdgeMasters } from './edge-masters.ts';
import { createEdgeQuestions, type EdgeQuestions } from './edge-questions.ts';
import type { EdgeConfig } from './edge-settings.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

/**
 * The edges as the rest of the daemon sees them, and the routes and certificates they are to have.
 *
 * Invariants:
 * - Once released, `routes` and `certificates` are the whole truth; each master gets all of it at every connection and each change
 *   after, also one that only finishes what is open.
 * - The end of a snapshot waits for the certificates: edges forget what they were not told until then.
 */
export type { AppUse, EdgeEvents } from './edge-events.ts';

export interface EdgeLink extends Pick<EdgeQuestions, 'passChallenge' | 'drainUpstream'> {
  /** With what a daemon before this one left of them. */
  start(adopted: readonly Sandbox[]): Promise<void>;
  /** For the edges that are started from now on: see `replace`. */
  configure(edge: EdgeConfig['edge']): void;
  /** From now on `routes` is what is wanted; until then edges keep what they had, and until `certificates` settles nothing is forgotten. Edges that a daemon of another build started, or with other settings, are replaced. */
  release(certificates?: Promise<void>): void;
  /**
   * New edges, from the present build and with the present settings, in the place of the old. Settles when they accept and the old ones no
   * longer do; when it rejects (TENANTD_E_EDGE, TENANTD_E_EDGE_SOCKETS, TENANTD_E_PORT_BUSY), the old ones go on.
   */
  replace(): Promise<EdgesReplaced>;
  setTenant(routes: TenantRoutes): void;
  setApp(tenant: TenantName, route: AppRoute): void;
  /** With its certificates. */
  removeTenant(tenant: TenantName): void;
  readonly certificates: Pick<EdgeCertificates, 'set' | 'remove' | 'stateOf' | 'serves'>;
  /** True when nothing of it is open: its route is `sleeping` from now on. Otherwise it stays as it is; also when it was set meanwhile. */
  letSleep(tenant: TenantName, app: AppName): Promise<boolean>;
  edgePids(): number[];
  problems(): Problem[];
  stop(graceMs: number): Promise<void>;
}

export function createEdgeLink(machine: Machine, config: EdgeConfig, events: EdgeEvents): EdgeLink {
  const { log } = machine;
  const routes = new Map<TenantName, TenantRoutes>();
  const certificates = new EdgeCertificates(tell);
  const handlersOf = edgeEventHandlers(certificates, events, log);
  const masters = new EdgeMasters({ machine, config, handlersOf, sendSnapshot });
  const questions = createEdgeQuestions({ masters, log });
  let released = false;
  let certificatesKnown = Promise.resolve();

  function sendSnapshot(master: EdgeMaster, channel: Channel): void {
    if (!released) return;
    master.isTold = true;
    channel.notify('snapshot-begin', {});
    for (const tenant of routes.values()) channel.notify('set-tenant', tenant);
    certificates.sendAll((method, params) => channel.notify(method, params));
    void certificatesKnown.then(() => channel.notify('snapshot-end', {}));
  }

  function tell(method: string, params: unknown): void {
    for (const master of masters.all()) master.tell(method, params);
  }

  function routeOf(tenant: TenantName, app: AppName): AppRoute | undefined {
    return routes.get(tenant)?.apps.find((route) => route.app === app);
  }

  function setApp(tenant: TenantName, route: AppRoute): void {
    const known = routes.get(tenant);
    if (!known) return;
    routes.set(tenant, { ...known, apps: [...known.apps.filter(({ app }) => app !== route.app), route] });
    tell('set-app', { tenant, ...route });
  }

  async function replace(): Promise<EdgesReplaced> {
    if (!released)
      throw new TenantdError('TENANTD_E_EDGE', 'new edges would not know the tenants yet', 'try again when tenantctl status shows them');
    await masters.replace();
    const finishing = masters.all().filter(({ role }) => role.phase === 'retiring');
    return {
      processes: (masters.current?.edgePids() ?? []).map((pid) => ({ pid })),
      finishing: finishing.flatMap((master) => master.edgePids()).length,
    };
  }

  return {
    start: (adopted) => masters.start(adopted),
    configure: (edge) => masters.configure({ ...config, edge }),
    release(known = Promise.resolve()) {
      if (released) return;
      released = true;
      certificatesKnown = known;
      for (const master of masters.all()) if (master.channel) sendSnapshot(master, master.channel);
      if (!masters.isOutdated()) return;
      log.info({}, 'the edges are of another version, or have other settings: new ones take their place');
      replace().catch((error: unknown) => log.error({ error: messageOf(error) }, 'the edges run on as they were'));
    },
    replace,
    setTenant(tenantRoutes) {
      routes.set(tenantRoutes.tenant, tenantRoutes);
      tell('set-tenant', tenantRoutes);
    },
    setApp,
    removeTenant(tenant) {
      if (routes.delete(tenant)) tell('remove-tenant', { tenant });
      certificates.removeAll(tenant);
    },
    certificates,
    passChallenge: questions.passChallenge,
    drainUpstream: questions.drainUpstream,
    async letSleep(tenant, app) {
      const route = routeOf(tenant, app);
      const agreed = await questions.maySleep(tenant, app);
      const known = routeOf(tenant, app);
      if (!known) return false;
      const isAsleep = agreed && known === route;
      // What was set meanwhile counts; and edges may have agreed too late.
      setApp(tenant, isAsleep ? { ...known, state: 'sleeping' } : known);
      return isAsleep;
    },
    edgePids: () => masters.current?.edgePids() ?? [],
    problems: () => (masters.isOutdated() ? [outdatedEdge] : []),
    stop: (graceMs) => masters.stop(graceMs),
  };
}

const outdatedEdge: Problem = {
  code: 'TENANTD_E_RESTART_NEEDED',
  message: 'the edges run with another version, or with other settings, than tenantd has now',
  fix: 'tenantctl reload --edges: new ones take their place, and no connection is refused',
};
