import { statfs } from 'node:fs/promises';
import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Paths } from './paths.ts';
import { currentOf, knownReleases, type ReleasePlace, type Room, roomBeside } from './release-place.ts';
import { proposedOf } from './release-proposals.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

/** What there is for a tenant's releases: of its plan, and of the machine's disk. */
export interface ReleaseRoom {
  /** For one release more; nobody else is promised it until `giveBack`. Throws TENANTD_E_DISK_FULL when that is nothing. */
  forNew(tenant: Tenant, place: ReleasePlace): Promise<Room>;
  giveBack(place: ReleasePlace): void;
  /** For all releases of the app, beside those of others. */
  besideApp(tenant: Tenant, app: AppName): Promise<Room>;
  /**
   * Before a release is made the current one: another deploy of the tenant may have taken the room that this one was promised.
   * Throws TENANTD_E_DISK_FULL.
   */
  readonly assertFits: (tenant: Tenant, place: ReleasePlace, row: ReleaseRow) => void;
}

interface RoomParts {
  store: Pick<Store, 'proposals' | 'releases'>;
  paths: Paths;
  placeOf: (tenant: TenantName, app: AppName) => ReleasePlace;
}

/** Of what the machine's disk has left and nobody is promised: another deploy has room, too. */
const freeShare = 0.5;

export function createReleaseRoom({ store, paths, placeOf }: RoomParts): ReleaseRoom {
  /** Of the machine's disk, to deploys that are under way: at most eight (release-turns). */
  const promisedBytes = new Map<ReleasePlace, number>();

  /** `stays`: of the app's own releases those that will not make room for others. */
  function keptBeside(tenant: Tenant, app: AppName, stays: (row: ReleaseRow) => boolean): ReleaseRow[] {
    const apps = (tenant.picture.desired()?.apps ?? []).map((folder) => folder.app);
    return apps.flatMap((name) => knownReleases(store, placeOf(tenant.name, name)).filter((row) => name !== app || stays(row)));
  }

  async function roomOf(tenant: Tenant, kept: readonly ReleaseRow[]): Promise<Room> {
    const { bavail, bsize } = await statfs(paths.tenantDirOf(tenant.name));
    const promised = [...promisedBytes.values()].reduce((total, bytes) => total + bytes, 0);
    return roomBeside(kept, tenant.picture.limits(), Math.floor((bavail * bsize - promised) * freeShare));
  }

  function keptWith(tenant: Tenant, place: ReleasePlace): ReleaseRow[] {
    const stays = new Set([currentOf(place), proposedOf(store, place.tenant, place.app)?.release]);
    return keptBeside(tenant, place.app, ({ id }) => stays.has(id));
  }

  return {
    async forNew(tenant, place) {
      const room = await roomOf(tenant, keptWith(tenant, place));
      if (room.bytes === 0 || room.entries === 0) throw noRoom(tenant);
      promisedBytes.set(place, room.bytes);
      return room;
    },
    giveBack: (place) => void promisedBytes.delete(place),
    besideApp: (tenant, app) =>
      roomOf(
        tenant,
        keptBeside(tenant, app, () => false),
      ),
    assertFits(tenant, place, row) {
      const room = roomBeside(keptWith(tenant, place), tenant.picture.limits(), Infinity);
      if (row.bytes > room.bytes || row.files > room.entries) throw noRoom(tenant);
    },
  };
}

function noRoom({ name }: Tenant): TenantdError {
  const message = `there is no room for another release of ${name}: its plan's, or that of the machine's disk, is taken`;
  return new TenantdError('TENANTD_E_DISK_FULL', message, "remove what releases do not need, or raise the plan's `disk` or `files`");
}
