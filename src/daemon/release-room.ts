import { statfs } from 'node:fs/promises';
import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Paths } from './paths.ts';
import { currentOf, knownReleases, type ReleasePlace, type Room, roomBeside } from './release-place.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

/** What there is for a tenant's releases: of its plan, and of the machine's disk. */
export interface ReleaseRoom {
  /** For one release more. Throws TENANTD_E_DISK_FULL when that is nothing. */
  forNew(tenant: Tenant, place: ReleasePlace): Promise<Room>;
  /** For all releases of the app, beside those of others. */
  besideApp(tenant: Tenant, app: AppName): Promise<Room>;
  /**
   * Before a release is made the current one: another deploy of the tenant may have taken the room that this one was promised.
   * Throws TENANTD_E_DISK_FULL.
   */
  readonly assertFits: (tenant: Tenant, place: ReleasePlace, row: ReleaseRow) => void;
}

interface RoomParts {
  store: Pick<Store, 'releases'>;
  paths: Paths;
  placeOf: (tenant: TenantName, app: AppName) => ReleasePlace;
}

/** Of what the machine's disk has left. */
const freeShare = 0.9;

export function createReleaseRoom({ store, paths, placeOf }: RoomParts): ReleaseRoom {
  /** `stays`: of the app's own releases those that will not make room for others. */
  function keptBeside(tenant: Tenant, app: AppName, stays: (row: ReleaseRow) => boolean): ReleaseRow[] {
    const apps = (tenant.picture.desired()?.apps ?? []).map((folder) => folder.app);
    return apps.flatMap((name) => knownReleases(store, placeOf(tenant.name, name)).filter((row) => name !== app || stays(row)));
  }

  async function roomOf(tenant: Tenant, kept: readonly ReleaseRow[]): Promise<Room> {
    const { bavail, bsize } = await statfs(paths.tenantDirOf(tenant.name));
    return roomBeside(kept, tenant.picture.limits(), Math.floor(bavail * bsize * freeShare));
  }

  function keptWith(tenant: Tenant, place: ReleasePlace): ReleaseRow[] {
    const current = currentOf(place);
    return keptBeside(tenant, place.app, ({ id }) => id === current);
  }

  return {
    async forNew(tenant, place) {
      const room = await roomOf(tenant, keptWith(tenant, place));
      if (room.bytes > 0 && room.entries > 0) return room;
      throw noRoom(tenant);
    },
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
  const message = `the releases that serve take all of the disk of ${name}`;
  return new TenantdError('TENANTD_E_DISK_FULL', message, "remove what they do not need, or raise the plan's `disk` or `files`");
}
