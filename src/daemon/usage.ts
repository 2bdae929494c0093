import { readFileSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { EgressUse } from '../privileged/egress-table.ts';
import type { WatchedGroups } from '../privileged/watched-groups.ts';
import type { Egress } from './egress.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';
import { UsageBook } from './usage-book.ts';
import { createDiskMeter, type DiskMeter } from './usage-disks.ts';
import { createEdgeUsage, type EdgeUsageBook } from './usage-edges.ts';
import { createGroupMeter } from './usage-groups.ts';
import { hourMs, openUsageRows, type UsageRows } from './usage-rows.ts';

/**
 * What tenants use: counted by the edges, the kernel's control groups and packet rules, and their disks; kept by the hour.
 *
 * Invariant: of a tenant that sleeps nothing is looked at but its disk, once a day.
 */
export interface Usage {
  readonly book: UsageBook;
  readonly edges: EdgeUsageBook;
  readonly disks: DiskMeter;
  readonly rows: UsageRows;
  /** As of the last look. */
  memoryOf(tenant: string, app: string): number;
  /** What its counters came to; those that come begin anew. */
  readonly noteLastEgress: (tenant: TenantName, use: EgressUse | undefined) => void;
  start(): void;
  /** What is used until now is written. */
  bringUpToDate(): Promise<void>;
  problems(): Problem[];
  stop(): Promise<void>;
}

export interface UsageParts {
  paths: Paths;
  store: Store;
  groups: WatchedGroups | undefined;
  egress: () => Pick<Egress, 'isThere' | 'readUse' | 'useOf'>;
  tenants: ReadonlyMap<TenantName, Tenant>;
  keepMs: number;
  log: Log;
}

/** What is counted is on the disk after so long. */
const lookMs = 5_000;
/** Each of these starts nft(8), or asks for the releases of every app. */
const slowLookMs = 60_000;
const leastBetweenMs = 2_000;
const dayMs = 24 * hourMs;
/** Of what nobody asked for in that time: an edge master that ended. */
const keepMarksMs = 40 * dayMs;

export function createUsage({ paths, store, groups, egress, tenants, keepMs, log }: UsageParts): Usage {
  const rows = openUsageRows(paths.usageDatabase, log);
  const book = new UsageBook({ rows, log, nowMs: Date.now });
  forgetOtherBoots(book);
  const steadyMs = (): number => performance.now();
  const disks = createDiskMeter({ book, store, paths, nowMs: Date.now, steadyMs });
  const edges = createEdgeUsage({ book, store, log });
  const meter = groups && createGroupMeter({ groups, book, nowMs: steadyMs });
  if (meter) groups.onEnd(meter);
  let day = dayOf(Date.now());
  let slowAtMs = -Infinity;
  let looking = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  function noteEgress(tenant: TenantName, { bytesOut, bytesIn }: EgressUse): void {
    book.begin();
    const egressBytesOut = book.growthOf(tenant, 'egress out', bytesOut);
    const egressBytesIn = book.growthOf(tenant, 'egress in', bytesIn);
    if (egressBytesOut + egressBytesIn > 0) book.add(tenant, '', { egressBytesOut, egressBytesIn });
  }

  async function lookAtEgress(): Promise<void> {
    const reaching = [...tenants.keys()].filter((name) => egress().isThere(name));
    if (reaching.length === 0) return;
    await egress().readUse();
    for (const name of reaching) {
      const use = egress().useOf(name);
      if (use) noteEgress(name, use);
    }
  }

  function lookAtDisks(wanted: Iterable<Tenant>, atMs?: number): void {
    book.begin(atMs);
    for (const tenant of wanted) disks.look(tenant);
  }

  /** What was there for the whole of it belongs to it. */
  function endDay(): void {
    const today = dayOf(Date.now());
    if (today === day) return;
    lookAtDisks(tenants.values(), today > day ? (day + 1) * dayMs - 1 : undefined);
    day = today;
    const isKnown = (name: string): boolean => tenants.has(name as TenantName);
    book.begin();
    for (const { tenant, source, atMs } of book.allMarks())
      if (!isKnown(tenant) && Date.now() - atMs > keepMarksMs && !source.startsWith('boot ')) book.forget(tenant, source);
    book.forgetTotals(isKnown);
    edges.forget(isKnown);
    rows.removeBefore(Math.floor((Date.now() - keepMs) / hourMs));
  }

  async function look(slowly: boolean): Promise<void> {
    endDay();
    book.begin();
    meter?.look();
    if (slowly || steadyMs() - slowAtMs >= slowLookMs) {
      slowAtMs = steadyMs();
      lookAtDisks([...tenants.values()].filter((tenant) => tenant.isPrepared()));
      await lookAtEgress();
    }
    book.write();
  }

  /** One after another. */
  function lookSoon(slowly = false): Promise<void> {
    looking = looking
      .then(() => look(slowly))
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'what tenants use could not be looked at'));
    return looking;
  }

  return {
    ...{ book, edges, disks, rows },
    memoryOf: (tenant, app) => meter?.memoryOf(tenant, app) ?? 0,
    noteLastEgress(tenant, use) {
      if (use) noteEgress(tenant, use);
      else book.begin();
      for (const direction of ['out', 'in']) book.forget(tenant, `egress ${direction}`);
    },
    start() {
      timer = setInterval(() => void lookSoon(), lookMs).unref();
    },
    bringUpToDate: () => lookSoon(steadyMs() - slowAtMs > leastBetweenMs),
    problems: () => book.problems(),
    async stop() {
      clearInterval(timer);
      await looking;
      book.write();
      rows.close();
    },
  };
}

function dayOf(atMs: number): number {
  return Math.floor(atMs / dayMs);
}

/** The kernel's counters are of this boot: what was counted of those before says nothing about them. */
function forgetOtherBoots(book: UsageBook): void {
  const source = `boot ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
  if (book.markOf('', source)) return;
  for (const mark of book.allMarks()) if (/^(boot|cpu|egress) ?/.test(mark.source)) book.forget(mark.tenant, mark.source);
  book.begin();
  book.mark('', source, 1);
  book.write();
}
