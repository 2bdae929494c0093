import type { z } from 'zod';
import { isAppName, isTenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { statusClasses } from '../protocol/edge-paths.ts';
import type { edgeUsageCalls } from '../protocol/edge-usage.ts';
import type { Store } from './store.ts';
import type { UsageBook } from './usage-book.ts';

export type UsageBatch = z.infer<(typeof edgeUsageCalls)['usage']>;

/** What the edges counted. */
export interface EdgeUsageBook {
  /** Settles when it is written. `master`: whose batch it is, by a name that no other one has. */
  take(master: string, batch: UsageBatch): Promise<void>;
  /** By the first digit of the status, since the daemon started. */
  requestsOf(tenant: string, app: string): readonly number[];
  forget(isKnown: (tenant: string) => boolean): void;
}

const noRequests: readonly number[] = Array.from({ length: statusClasses }, () => 0);

export function createEdgeUsage({
  book,
  store,
  log,
}: {
  book: UsageBook;
  store: Pick<Store, 'appOf' | 'knownUid'>;
  log: Log;
}): EdgeUsageBook {
  const requests = new Map<string, number[]>();

  /** An edge counts for what it was told of: something else is no reason to grow. */
  function placeOf(tenant: string, app: string): { tenant: string; app: string } | undefined {
    if (requests.has(`${tenant} ${app}`)) return { tenant, app };
    if (!isTenantName(tenant) || store.knownUid(tenant) === undefined) return undefined;
    const isApp = isAppName(app) && store.appOf(tenant, app) !== undefined;
    return { tenant, app: isApp ? app : '' };
  }

  function note({ tenant, app, requests: counted, bytesIn, bytesOut }: UsageBatch['usage'][number]): void {
    const place = placeOf(tenant, app);
    if (!place) return log.warn({ tenant, app }, 'an edge counted for a tenant that nobody knows');
    const key = `${place.tenant} ${place.app}`;
    const known = requests.get(key) ?? noRequests;
    requests.set(
      key,
      known.map((count, index) => count + (counted[index] ?? 0)),
    );
    book.add(place.tenant, place.app, { requests: counted.reduce((sum, count) => sum + count, 0), bytesIn, bytesOut });
  }

  return {
    take(master, { number, usage }) {
      const source = `edge ${master}`;
      // Sent again: the answer to it was lost, or is still to come.
      book.begin();
      if (number > (book.markOf('', source)?.value ?? 0)) {
        for (const row of usage) note(row);
        book.mark('', source, number);
      }
      return book.untilWritten();
    },
    requestsOf: (tenant, app) => requests.get(`${tenant} ${app}`) ?? noRequests,
    forget(isKnown) {
      for (const key of requests.keys()) if (!isKnown(key.split(' ', 1)[0] ?? '')) requests.delete(key);
    },
  };
}
