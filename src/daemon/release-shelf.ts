import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import {
  releasesIn,
  removeAppFolder,
  removeLinks,
  removeUnfinished,
  removeUnfinishedLink,
  unfinish,
} from '../privileged/release-folders.ts';
import { releasePaths } from '../protocol/release-job.ts';
import type { ReleaseJobs } from './release-jobs.ts';
import { proposedOf, unproposedIn } from './release-proposals.ts';
import { currentOf, knownReleases, previousOf, type ReleasePlace, type Room, toPrune } from './release-place.ts';
import type { Store } from './store.ts';

/** Takes releases off the disk. A job empties a folder, as the user whose it is; root removes it once it is empty. */
export interface ReleaseShelf {
  /** Whole or not. Never the current one. */
  remove(place: ReleasePlace, id: string): Promise<void>;
  /**
   * Those that are too many, or too large, and those that were proposed in vain; never the current one, what served before it, one that is
   * proposed, and what something that lives was started from.
   * What can't be removed now is removed at the next start.
   */
  prune(place: ReleasePlace, keep: number, room: Room, isInUse: (id: string) => boolean): Promise<void>;
  /** A folder of an app that did not come to be, or is no more, under the name that it was put aside with. */
  removeApp(place: ReleasePlace): Promise<void>;
  /** What was cut off. */
  clearLeft(place: ReleasePlace): Promise<void>;
}

export function createReleaseShelf({
  store,
  jobs,
  log,
}: {
  store: Pick<Store, 'proposals' | 'releases' | 'appOf'>;
  jobs: ReleaseJobs;
  log: Log;
}): ReleaseShelf {
  async function remove(place: ReleasePlace, id: string): Promise<void> {
    const { tenant, app, dir, uid } = place;
    if (id === currentOf(place)) throw new Error(`${id} is current`);
    const folder = unfinish(dir, id);
    store.releases.remove(tenant, app, id);
    const request = { job: 'wipe-release' as const, folders: [releasePaths.release] };
    await jobs.run({ tenant, app, uid, request, binds: [{ source: folder, target: releasePaths.release, access: 'write' }] });
    removeUnfinished(dir, id);
  }

  /** A fault is logged: the next start tries again. */
  async function tryRemove(place: ReleasePlace, id: string): Promise<void> {
    await remove(place, id).catch((error: unknown) => {
      log.error({ tenant: place.tenant, app: place.app, release: id, error: messageOf(error) }, 'a release could not be removed');
    });
  }

  async function removeApp(place: ReleasePlace): Promise<void> {
    const { whole, unfinished } = releasesIn(place.dir);
    // Nothing is current in a folder that is no app's.
    removeLinks(place.dir);
    for (const id of [...whole, ...unfinished]) await remove(place, id);
    removeAppFolder(place.dir);
  }

  return {
    remove,
    async prune(place, keep, room, isInUse) {
      for (const { id } of unproposedIn(store, place)) await tryRemove(place, id);
      const kept = new Set([currentOf(place), previousOf(store, place), proposedOf(store, place.tenant, place.app)?.release]);
      const isNeeded = (id: string): boolean => kept.has(id) || isInUse(id);
      for (const { id } of toPrune(knownReleases(store, place), keep, room, isNeeded)) await tryRemove(place, id);
    },
    removeApp,
    async clearLeft(place) {
      removeUnfinishedLink(place.dir);
      for (const id of releasesIn(place.dir).unfinished) await tryRemove(place, id);
    },
  };
}
