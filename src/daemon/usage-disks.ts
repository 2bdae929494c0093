import { statSync } from 'node:fs';
import type { TenantName } from '../base/ids.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';
import type { UsageBook } from './usage-book.ts';

/** What of the disk is used, by the hour: a tenant's own data and logs, and the releases of its apps. */
export interface DiskMeter {
  /** Counts what was there since the last look, and sees what is there now. */
  look(tenant: Tenant): void;
  /** As of the last look. */
  bytesOf(tenant: TenantName): number;
}

export interface DiskMeterParts {
  book: UsageBook;
  store: Pick<Store, 'releases'>;
  paths: Pick<Paths, 'diskImageOf'>;
  /** Of day, and one that nobody sets. */
  nowMs: () => number;
  steadyMs: () => number;
}

const gibHour = 2 ** 30 * 3_600_000;
/** For which one look counts, at most: a sleeping tenant is looked at once a day. */
const mostMs = 25 * 3_600_000;

export function createDiskMeter({ book, store, paths, nowMs, steadyMs }: DiskMeterParts): DiskMeter {
  const seen = new Map<TenantName, { bytes: number; atMs: number }>();

  /** By this daemon, or by the one before. */
  function lastOf(name: TenantName): { bytes: number; atMs: number } | undefined {
    const mark = seen.has(name) ? undefined : book.markOf(name, 'disk');
    return mark ? { bytes: mark.value, atMs: steadyMs() - Math.min(mostMs, Math.max(0, nowMs() - mark.atMs)) } : seen.get(name);
  }

  function releaseBytesOf({ name, picture }: Tenant): [app: string, bytes: number][] {
    const apps = picture.desired()?.apps ?? [];
    return apps.map(({ app }) => [app, store.releases.of(name, app).reduce((sum, { bytes }) => sum + bytes, 0)]);
  }

  return {
    look(tenant) {
      const { name, resources } = tenant;
      const last = lastOf(name);
      const forMs = last ? Math.min(mostMs, Math.max(0, steadyMs() - last.atMs)) : 0;
      const gibHoursOf = (bytes: number): { diskGibHours: number } => ({ diskGibHours: (bytes * forMs) / gibHour });
      if (last) book.add(name, '', gibHoursOf(last.bytes));
      for (const [app, bytes] of releaseBytesOf(tenant)) if (bytes > 0 && forMs > 0) book.add(name, app, gibHoursOf(bytes));
      // While it sleeps its disk is as it was; one that this daemon never saw mounted takes no more than its image.
      const bytes = resources.disk.use()?.bytes ?? last?.bytes ?? allocatedBytes(paths.diskImageOf(name));
      seen.set(name, { bytes, atMs: steadyMs() });
      book.mark(name, 'disk', bytes);
    },
    bytesOf: (name) => seen.get(name)?.bytes ?? 0,
  };
}

function allocatedBytes(file: string): number {
  return (statSync(file, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
}
