import { messageOf } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { AppState } from '../protocol/control.ts';
import { currentOf, previousOf, type ReleasePlace } from './release-place.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { ReleaseParts } from './releases.ts';
import type { ReleaseTurns } from './release-turns.ts';
import type { Tenant } from './tenant.ts';

/** Takes back a release that fails soon after it began to serve. What it goes by is in the store, and so outlives this daemon. */
export interface ReleaseWatch {
  noteState(tenant: Tenant, place: ReleasePlace, state: AppState): void;
  /** After anything that was done with an app's releases. */
  look(place: Pick<ReleasePlace, 'tenant' | 'app'>): void;
  /** Of releases that were taken back, until the next deploy. */
  problems(tenant: TenantName): Problem[];
}

export const watchActor = 'tenantd';
const takenBack = `taken back by ${watchActor}: `;

export function createReleaseWatch(
  { store, log }: Pick<ReleaseParts, 'store' | 'log'>,
  turns: ReleaseTurns,
  options: {
    watchMs: () => number;
    rollBack: (tenant: Tenant, app: AppName, failure: string) => Promise<unknown>;
  },
): ReleaseWatch {
  const problems = new Map<string, Problem>();

  function isWatched(row: ReleaseRow | undefined): boolean {
    return row?.switchedAt !== undefined && row.failure === undefined && Date.now() - Date.parse(row.switchedAt) < options.watchMs();
  }

  async function takeBack(tenant: Tenant, place: ReleasePlace, state: AppState): Promise<void> {
    const { app } = place;
    const release = currentOf(place);
    if (turns.isTaken(place) || !isWatched(store.releases.get(tenant.name, app, release))) return;
    if (previousOf(store, place) === undefined) return;
    const why = tenant.stateOf(app)?.reason ?? `it is ${state}`;
    log.warn({ tenant: tenant.name, app, release, why }, 'a release failed soon after it began to serve: the one before takes its place');
    await options.rollBack(tenant, app, `${takenBack}${why}`);
  }

  return {
    noteState(tenant, place, state) {
      if (state !== 'failed' && state !== 'quarantined') return;
      takeBack(tenant, place, state).catch((error: unknown) => {
        log.error({ tenant: tenant.name, app: place.app, error: messageOf(error) }, 'a release that failed could not be taken back');
      });
    },
    look({ tenant, app }) {
      const key = `${tenant}/${app}`;
      const newest = store.releases.of(tenant, app).find((row) => row.switchedAt !== undefined);
      problems.delete(key);
      if (!newest?.failure?.startsWith(takenBack)) return;
      const message = `the release ${newest.id} was ${newest.failure}`;
      problems.set(key, { code: 'TENANTD_E_ROLLED_BACK', message, fix: 'mend it, and deploy it again', tenant, app });
    },
    problems: (tenant) => [...problems.values()].filter((problem) => problem.tenant === tenant),
  };
}
