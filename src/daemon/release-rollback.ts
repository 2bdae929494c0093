import { TenantdError } from '../base/errors.ts';
import { localRelease } from '../base/release-ids.ts';
import { appManifestSchema, type AppManifest } from '../config/app-manifest.ts';
import { releasesIn, switchCurrent } from '../privileged/release-folders.ts';
import type { RollbackResult } from '../protocol/release-calls.ts';
import { jobPaths } from '../protocol/job.ts';
import { manifestOf } from './release-jobs.ts';
import { currentOf, previousOf, type ReleasePlace } from './release-place.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { ReleaseParts } from './releases.ts';
import type { Tenant } from './tenant.ts';

export interface RollbackOrder {
  tenant: Tenant;
  place: ReleasePlace;
  /** Default: what served before the current one. */
  to: string | undefined;
  /** What is kept with the release that is left; undefined: it goes for a new one, and there is nothing wrong with it. */
  failure: string | undefined;
}

/** The same way as a deploy's: the release serves before the current one ends, or nothing changes. */
export async function rollBack(parts: ReleaseParts, { tenant, place, to, failure }: RollbackOrder): Promise<RollbackResult> {
  const previous = currentOf(place);
  const release = to ?? previousOf(parts.store, place);
  assertTarget(place, release, previous);
  const manifest = await readManifestOf(parts, place, release);
  await tenant.tryRelease(place.app, { release, manifest, commit: () => commit(parts, place, { release, previous, failure }) });
  await parts.refresh(place.tenant);
  return { release, previous };
}

function assertTarget({ tenant, app, dir }: ReleasePlace, release: string | undefined, current: string): asserts release is string {
  const fix = `see tenantctl app releases ${tenant}/${app}`;
  if (release === undefined)
    throw noRelease(`no release of ${tenant}/${app} served before the current one`, `${fix}, and name one with --to`);
  if (release === current) throw noRelease(`${release} is the current release of ${tenant}/${app}`, fix);
  if (release !== localRelease && !releasesIn(dir).whole.includes(release))
    throw noRelease(`${tenant}/${app} has no release ${release}`, fix);
}

function noRelease(message: string, fix: string): TenantdError {
  return new TenantdError('TENANTD_E_NO_SUCH_RELEASE', message, fix);
}

/** Of a release as it was stored; of the operator's own folder as it is now. */
async function readManifestOf({ store, jobs, paths }: ReleaseParts, place: ReleasePlace, release: string): Promise<AppManifest> {
  const { tenant, app, uid } = place;
  const stored = appManifestSchema.safeParse(store.releases.get(tenant, app, release)?.manifest).data;
  if (stored) return stored;
  const binds = [{ source: paths.codeDirOf(tenant, app, release), target: `${jobPaths.appsDir}/${app}`, access: 'read' as const }];
  return manifestOf(await jobs.run({ tenant, app, uid, request: { job: 'manifest', apps: [app] }, binds }));
}

/** What it goes back to keeps its own `previous`: another rollback goes back one more. */
function commit(
  { store }: ReleaseParts,
  { tenant, app, dir }: ReleasePlace,
  change: { release: string; previous: string; failure: string | undefined },
): void {
  const { release, previous, failure } = change;
  const target = store.releases.get(tenant, app, release);
  const left = store.releases.get(tenant, app, previous);
  const switched = { switchedAt: new Date().toISOString(), ...(failure === undefined && { previous }) };
  if (target) store.releases.put(tenant, app, { ...withoutFailure(target), ...switched });
  switchCurrent(dir, release);
  if (left && failure !== undefined) store.releases.put(tenant, app, { ...left, failure });
}

function withoutFailure(row: ReleaseRow): ReleaseRow {
  const copy = { ...row };
  delete copy.failure;
  return copy;
}
