import { z } from 'zod';
import type { TenantName } from '../base/ids.ts';
import type { FaultBook } from './fault-book.ts';
import { parseStored } from './store.ts';

/** What was counted already, of one tenant. */
export interface TenantMarks {
  /** How much a counter of the kernel grew since it was asked last; from 0 for a group that is another than then. */
  growth(member: string, groupId: string, counter: string, value: number): number;
  /** `window` was asked for. */
  isWatched(): boolean;
  /** What `growth` says of these two since this daemon looked last; undefined when it never did. */
  window(groupId: string, periods: number, throttled: number): { periods: number; throttled: number } | undefined;
  keepMembers(members: readonly string[]): void;
  /** True when that is new. */
  setFull(what: 'disk' | 'files', full: boolean): boolean;
}

const storedMarks = z.object({
  boot: z.string(),
  /** By member, '' for the tenant's own group: its id, and what its counters were. */
  groups: z.record(z.string(), z.tuple([z.string(), z.record(z.string(), z.number())])),
  full: z.array(z.enum(['disk', 'files'])),
});
type StoredMarks = z.infer<typeof storedMarks>;

/**
 * Kept in memory while a tenant is up, and stored with its faults: so a daemon that is started anew counts on from there. Without a fault
 * nothing is stored, since there was nothing to count.
 */
export function createFaultMarks(book: Pick<FaultBook, 'marksOf'>, boot: string) {
  const known = new Map<TenantName, StoredMarks>();
  const windows = new Map<TenantName, { groupId: string; periods: number; throttled: number }>();

  function marksOf(tenant: TenantName): StoredMarks {
    const marks = known.get(tenant) ?? readMarks(book.marksOf(tenant), boot);
    known.set(tenant, marks);
    return marks;
  }

  return {
    of(tenant: TenantName): TenantMarks {
      const marks = marksOf(tenant);
      return {
        growth(member, groupId, counter, value) {
          const [id, counters] = marks.groups[member] ?? [groupId, {}];
          const before = id === groupId ? counters : {};
          // What is smaller was set back: by nobody but a new start.
          const grown = value - ((before[counter] ?? 0) <= value ? (before[counter] ?? 0) : 0);
          if (grown > 0 || id !== groupId) marks.groups[member] = [groupId, { ...before, [counter]: value }];
          return grown;
        },
        isWatched: () => windows.has(tenant),
        window(groupId, periods, throttled) {
          const before = windows.get(tenant);
          windows.set(tenant, { groupId, periods, throttled });
          if (before?.groupId !== groupId) return undefined;
          return { periods: periods - before.periods, throttled: throttled - before.throttled };
        },
        keepMembers(members) {
          for (const member of Object.keys(marks.groups)) if (member !== '' && !members.includes(member)) delete marks.groups[member];
        },
        setFull(what, full) {
          if (marks.full.includes(what) === full) return false;
          marks.full = full ? [...marks.full, what] : marks.full.filter((other) => other !== what);
          return true;
        },
      };
    },
    textOf: (tenant: TenantName): string => JSON.stringify(marksOf(tenant)),
    keepOnly(tenants: readonly TenantName[]): void {
      const kept = new Set(tenants);
      for (const marks of [known, windows]) for (const tenant of marks.keys()) if (!kept.has(tenant)) marks.delete(tenant);
    },
  };
}

function readMarks(text: string | undefined, boot: string): StoredMarks {
  const stored = storedMarks.safeParse(text === undefined ? undefined : parseStored(text)).data;
  if (!stored) return { boot, groups: {}, full: [] };
  return { boot, groups: stored.boot === boot ? stored.groups : {}, full: stored.full };
}
