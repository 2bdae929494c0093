import type { AppName, TenantName } from '../base/ids.ts';
import { localRelease } from '../base/release-ids.ts';
import type { FileChanges } from '../protocol/proposal-calls.ts';
import { releasePaths } from '../protocol/release-job.ts';
import { currentOf, type ReleasePlace } from './release-place.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { ReleaseParts } from './releases.ts';
import type { Store } from './store.ts';

/** Of the app's releases the one that waits to be approved, and the id of its proposal. */
export function proposedOf(
  { proposals }: Pick<Store, 'proposals'>,
  tenant: TenantName,
  app: AppName,
): { release: string; proposal: string } | undefined {
  const isWaiting = (state: string): boolean => state === 'open' || state === 'approving';
  for (const { id, call, params, state } of proposals.of(tenant)) {
    const deploy = params as { app?: string; release?: string };
    if (call === 'app-deploy' && isWaiting(state) && deploy.app === app && deploy.release !== undefined)
      return { release: deploy.release, proposal: id };
  }
  return undefined;
}

/** Made for a proposal that is no more: they never served, and nobody can make them. */
export function unproposedIn(store: Pick<Store, 'proposals' | 'releases'>, place: ReleasePlace): ReleaseRow[] {
  const kept = new Set([currentOf(place), proposedOf(store, place.tenant, place.app)?.release]);
  return store.releases.of(place.tenant, place.app).filter((row) => row.switchedAt === undefined && !kept.has(row.id));
}

/** What a release would change in what serves. A job reads both, as the app's user. */
export async function compareReleases({ jobs, paths }: ReleaseParts, place: ReleasePlace, release: string): Promise<FileChanges> {
  const { tenant, app, uid } = place;
  const current = currentOf(place);
  // The operator's own folder has the releases in it, too.
  const ignored = current === localRelease ? ['releases', 'current'] : [];
  const { changes } = await jobs.run({
    ...{ tenant, app, uid, request: { job: 'diff-release', ignored } },
    binds: [
      { source: paths.codeDirOf(tenant, app, current), target: releasePaths.current, access: 'read' },
      { source: paths.releaseDirOf(tenant, app, release), target: releasePaths.release, access: 'read' },
    ],
  });
  if (!changes) throw new Error('a job compared nothing');
  return changes;
}
