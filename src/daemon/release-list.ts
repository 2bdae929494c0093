import { localRelease } from '../base/release-ids.ts';
import type { ReleaseStatus } from '../protocol/release-calls.ts';
import { currentOf, knownReleases, previousOf, type ReleasePlace } from './release-place.ts';
import { proposedOf } from './release-proposals.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { Store } from './store.ts';

type Mark = Pick<ReleaseStatus, 'release' | 'current' | 'previous' | 'proposal'>;

/** An app's releases as people see them, the newest first. */
export function listReleases(store: Pick<Store, 'appOf' | 'proposals' | 'releases'>, place: ReleasePlace): ReleaseStatus[] {
  const [current, previous] = [currentOf(place), previousOf(store, place)];
  const rows = knownReleases(store, place);
  const proposed = proposedOf(store, place.tenant, place.app);
  const mark = (release: string): Mark => ({
    ...{ release, current: release === current, previous: release === previous },
    ...(proposed?.release === release && { proposal: proposed.proposal }),
  });
  const isLocal = current === localRelease || rows.some((row) => row.previous === localRelease);
  return [...rows.map((row) => toStatus(row, mark(row.id))), ...(isLocal ? [mark(localRelease)] : [])];
}

function toStatus(row: ReleaseRow, mark: Mark): ReleaseStatus {
  const { createdAt, createdBy, files, bytes, switchedAt, failure } = row;
  return {
    ...{ ...mark, createdAt, createdBy, files, bytes },
    ...(switchedAt !== undefined && { switchedAt }),
    ...(failure !== undefined && { failure }),
  };
}
