import type { AppRoute, AppUse } from '../../../src/protocol/edge.ts';
import type { AppName } from '../../../src/base/ids.ts';
import type { EdgeLimits } from '../../../src/edge/limits.ts';
import type { EdgeOptions } from '../../../src/edge/edge.ts';
import { request } from '../../support/client.ts';
import { appRoute, type EdgeUnderTest, startEdge, tenant } from './edge-under-test.ts';

export interface SleepyEdge extends EdgeUnderTest {
  /** Apps of which the daemon was told that somebody waits. */
  wakes: string[];
  /** Sets the state of `site`, with more of its route. */
  set: (state: AppRoute['state'], route?: Partial<AppRoute>) => void;
  letSleep: () => boolean;
  /** What is told of use, as `tenant/app open+waiting`. */
  takeUse: () => string[];
  /** Until the edge has read all that was sent before. */
  hasRead: () => Promise<void>;
}

/** One whose app is on the socket `one`, when it is ready. */
export async function startSleepyEdge(limits: Partial<EdgeLimits> = {}, options: Partial<EdgeOptions> = {}): Promise<SleepyEdge> {
  const wakes: string[] = [];
  const edge = await startEdge(limits, { tellWake: (app) => wakes.push(`${app.tenant}/${app.app}`), ...options });
  const { routes } = edge.edge;
  return {
    ...edge,
    wakes,
    set: (state, route) => routes.setApp({ tenant, ...appRoute(state, state === 'ready' ? ['one'] : []), ...route }),
    letSleep: () => routes.letSleep(tenant, 'site' as AppName),
    takeUse: () => routes.uses.take().map(shown),
    async hasRead() {
      await request(edge.port, { host: 'unknown' });
    },
  };
}

function shown({ tenant, app, open, waiting }: AppUse): string {
  return `${tenant}/${app} ${open}+${waiting}`;
}
