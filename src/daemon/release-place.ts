import type { AppName, TenantName } from '../base/ids.ts';
import { localRelease, releaseOfLink } from '../base/release-ids.ts';
import { filesOf, type Plan } from '../config/plans.ts';
import { currentText, releasesIn } from '../privileged/release-folders.ts';
import type { ReleaseRow } from './release-rows.ts';
import type { Store } from './store.ts';

/** An app's releases, on the disk and in the store. */
export interface ReleasePlace {
  tenant: TenantName;
  app: AppName;
  /** Its folder; of an app that is not there yet, one beside where it will be. */
  dir: string;
  /** The app's user. */
  readonly uid: number;
}

type Rows = Pick<Store, 'releases'>;

/** As the disk says. */
export function currentOf({ dir }: Pick<ReleasePlace, 'dir'>): string {
  const release = releaseOfLink(currentText(dir));
  return release !== undefined && releasesIn(dir).whole.includes(release) ? release : localRelease;
}

/** Those that are there, the newest first. One that the store does not know was made before it was put back to an older state. */
export function knownReleases({ releases }: Rows, { tenant, app, dir }: ReleasePlace): ReleaseRow[] {
  const rows = new Map(releases.of(tenant, app).map((row) => [row.id, row]));
  return releasesIn(dir)
    .whole.sort()
    .toReversed()
    .map((id) => rows.get(id) ?? { id, createdAt: timeOf(id), createdBy: 'unknown', bytes: 0, files: 0, manifest: null });
}

/** What served before the current one, if that can serve again. */
export function previousOf(store: Pick<Store, 'releases' | 'appOf'>, place: ReleasePlace): string | undefined {
  const { previous } = store.releases.get(place.tenant, place.app, currentOf(place)) ?? {};
  if (previous === undefined || previous === localRelease) return previous;
  return releasesIn(place.dir).whole.includes(previous) ? previous : undefined;
}

export interface Room {
  bytes: number;
  entries: number;
}

/** More than that a job does not keep account of. */
const mostEntries = 250_000;

/** What there is for releases beside `kept`, which stay: of the plan's disk, and of the machine's. */
export function roomBeside(kept: readonly ReleaseRow[], plan: Plan, freeBytes: number): Room {
  const bytes = plan.diskBytes - sum(kept.map((row) => row.bytes));
  const files = filesOf(plan) - sum(kept.map((row) => row.files));
  return { bytes: Math.max(0, Math.min(bytes, freeBytes)), entries: Math.max(0, Math.min(files, mostEntries)) };
}

/** Which go, the oldest first: those that are more than `keep`, or more than there is room for, unless they are needed. */
export function toPrune(rows: readonly ReleaseRow[], keep: number, room: Room, isNeeded: (id: string) => boolean): ReleaseRow[] {
  const pruned: ReleaseRow[] = [];
  for (const row of rows.toReversed()) {
    const left = rows.filter((other) => !pruned.includes(other));
    const [bytes, files] = [sum(left.map((other) => other.bytes)), sum(left.map((other) => other.files))];
    const isOver = left.length > keep || bytes > room.bytes || files > room.entries;
    if (isOver && !isNeeded(row.id)) pruned.push(row);
  }
  return pruned;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** `20261121-133405-x7k2` was made then. */
function timeOf(id: string): string {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(id) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
}
