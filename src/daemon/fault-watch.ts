import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { setImmediate as breathe } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { GroupCounters } from '../privileged/cgroups.ts';
import { openKernelKills } from '../privileged/kernel-kills.ts';
import type { Egress } from './egress.ts';
import type { FaultBook } from './fault-book.ts';
import { createFaultMarks, type TenantMarks } from './fault-marks.ts';
import { killedProcesses, livingProcesses } from './fault-processes.ts';
import { mebibytes, percent } from './fault-words.ts';
import { type Machine, tenantGroup, tenantOfGroup } from './machine.ts';
import type { ResolverLink } from './resolver-link.ts';
import type { SandboxExit, SandboxRecord } from './sandbox-registry.ts';
import type { Tenant } from './tenant.ts';
import { workerRole } from './workers.ts';

export interface FaultWatchParts {
  machine: Pick<Machine, 'groups' | 'log' | 'registry'>;
  book: FaultBook;
  tenants: ReadonlyMap<TenantName, Tenant>;
  egress: Pick<Egress, 'readUse' | 'useOf'>;
  resolver: Pick<ResolverLink, 'countersOf'>;
}

const lookMs = 2_000;
/** How long a tenant is watched for being held back, and how often refused packets are counted. */
const windowMs = 30_000;
/** In a tenth of a second each: of less nothing is said. */
const leastPeriods = 50;
/** Between two breaths. */
const atOnce = 16;
const leastThrottled = 0.5;
const [fullFrom, emptyFrom] = [0.95, 0.9];

/**
 * Looks at what the kernel counts of those tenants that are up: how often processes were ended for want of memory, forks refused, how
 * much they were held back, what their disks hold, what they were not let out with. What it counted of is kept in marks (fault-marks.ts).
 */
export function createFaultWatch({ machine, book, tenants, egress, resolver }: FaultWatchParts): { start(): void; close(): void } {
  const { groups, log } = machine;
  const kills = openKernelKills();
  const marks = createFaultMarks(book, bootId());
  let windowAtMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const probedAtMs = new Map<TenantName, number>();
  book.setMarks(marks.textOf);
  machine.registry.onStart(noteStart);
  machine.registry.onEnd(noteEnd);

  async function look(): Promise<void> {
    const isWindow = performance.now() - windowAtMs >= windowMs;
    const awake = [...tenants.values()].filter((tenant) => tenant.isPrepared());
    try {
      for (const [index, tenant] of awake.entries()) {
        if (index % atOnce === atOnce - 1) await breathe();
        lookAt(tenant, isWindow);
      }
      marks.keepOnly(awake.map(({ name }) => name));
      if (!isWindow) return;
      windowAtMs = performance.now();
      await lookAtEgress(awake);
    } catch (error) {
      log.error({ error: messageOf(error) }, 'what tenants ran into could not be looked at');
    }
  }

  function lookAt(tenant: Tenant, isWindow: boolean): void {
    const { name } = tenant;
    const own = groups?.countersOf(tenantGroup(name));
    const mark = marks.of(name);
    if (own) {
      lookAtMembers(name, mark);
      noteForks(name, undefined, mark.growth('', own.id, 'forks', own.refusedForks));
      if (isWindow || !mark.isWatched()) noteThrottled(tenant, mark, own);
    }
    if (!isProbed(name)) noteDisk(tenant, mark);
  }

  function lookAtMembers(tenant: TenantName, mark: TenantMarks): void {
    const members = groups?.membersOf(tenantGroup(tenant)) ?? [];
    for (const member of members) {
      const counters = groups?.countersOf(tenantGroup(tenant), member);
      if (counters) noteCounters(tenant, member, counters);
    }
    mark.keepMembers(members);
  }

  /** `verify` attacks from inside, on purpose. */
  function isProbed(tenant: TenantName): boolean {
    return performance.now() - (probedAtMs.get(tenant) ?? -Infinity) < windowMs + lookMs;
  }

  function noteCounters(tenant: TenantName, member: string, { id, outOfMemoryKills, refusedForks }: GroupCounters): void {
    if (isProbe(member)) return;
    const mark = marks.of(tenant);
    noteKills(tenant, member, mark.growth(member, id, 'kills', outOfMemoryKills));
    noteForks(tenant, appOf(member), mark.growth(member, id, 'forks', refusedForks));
  }

  function noteKills(tenant: TenantName, member: string, count: number): void {
    if (count === 0 || !groups) return;
    const killed = kills.take(groups.pathEndOf(tenantGroup(tenant), member));
    const limitBytes = groups.limitsOf(tenantGroup(tenant))?.memoryBytes ?? 0;
    const app = appOf(member);
    const around = book.isNew({ tenant, app, kind: 'memory' }) ? living(tenant) : [];
    const detail = killed.some(({ ofMachine }) => ofMachine)
      ? 'processes were ended: the machine had no memory left'
      : `processes of ${ownerOf(member)} were ended at the limit of ${mebibytes(limitBytes)}`;
    book.note({ tenant, app, kind: 'memory', count, detail, processes: [...killedProcesses(killed, app), ...around] });
  }

  function noteForks(tenant: TenantName, app: string | undefined, count: number): void {
    if (count === 0 || (app === undefined && isProbed(tenant))) return;
    const limit = groups?.limitsOf(tenantGroup(tenant))?.processes ?? 0;
    const processes = book.isNew({ tenant, app, kind: 'processes' }) ? living(tenant, 'count') : [];
    book.note({ tenant, app, kind: 'processes', count, detail: `forks were refused at the limit of ${limit} processes`, processes });
  }

  function noteThrottled({ name: tenant, picture }: Tenant, mark: TenantMarks, { id, periods, throttledPeriods }: GroupCounters): void {
    const grown = mark.window(id, periods, throttledPeriods);
    if (!grown || grown.periods < leastPeriods || !picture.desired()) return;
    const share = grown.throttled / grown.periods;
    if (share < leastThrottled) return;
    const detail = `was held back in ${percent(share)} of ${Math.round(grown.periods / 10)} s of work, at ${picture.limits().cpu} cores`;
    book.note({ tenant, kind: 'cpu', detail, processes: living(tenant, 'cpuSeconds') });
  }

  function noteDisk({ name: tenant, resources }: Tenant, mark: TenantMarks): void {
    const use = resources.disk.use();
    if (!use) return;
    const shares = { disk: use.bytes / use.bytesLimit, files: use.files / use.filesLimit };
    const limits = { disk: mebibytes(use.bytesLimit), files: `${use.filesLimit} files` };
    for (const kind of ['disk', 'files'] as const) {
      if (shares[kind] < emptyFrom) mark.setFull(kind, false);
      if (shares[kind] < fullFrom || !mark.setFull(kind, true)) continue;
      book.note({ tenant, kind, detail: `${percent(shares[kind])} of ${limits[kind]} are in use` });
    }
  }

  /** Counted by one list of all tenants' rules, which takes the longer the more there are. */
  async function lookAtEgress(awake: readonly Tenant[]): Promise<void> {
    if (!awake.some(({ name }) => egress.useOf(name) !== undefined) && !awake.some(({ picture }) => isOpen(picture))) return;
    await egress.readUse();
    for (const { name: tenant } of awake) {
      const id = groups?.countersOf(tenantGroup(tenant))?.id ?? '';
      const count = marks.of(tenant).growth('', id, 'refused', egress.useOf(tenant)?.refused ?? 0);
      const { lastRefusedName } = resolver.countersOf(tenant) ?? {};
      const last = lastRefusedName === undefined ? '' : `; last name: ${lastRefusedName}`;
      if (count > 0 && !isProbed(tenant))
        book.note({ tenant, kind: 'egress', count, detail: `packets were refused: not on its list${last}` });
    }
  }

  function living(tenant: TenantName, order: 'memoryBytes' | 'cpuSeconds' | 'count' = 'memoryBytes') {
    return groups ? livingProcesses(groups, tenantGroup(tenant), appOf, order) : [];
  }

  /** Also of one that ended while no daemon was there. */
  function noteEnd({ group, role, startedAtMs }: SandboxRecord, { exitCode, outOfMemory }: SandboxExit): void {
    const tenant = group && (tenantOfGroup(group.tenant) as TenantName);
    if (!group || !tenant) return;
    const counters = groups?.countersOf(group.tenant, group.member);
    if (counters) noteCounters(tenant, group.member, counters);
    const worker = workerRole.safeParse(role).data;
    const wasBooted = startedAtMs < Date.now() - uptime() * 1_000;
    if (worker && worker.ending !== true && !outOfMemory && !wasBooted)
      book.note({ tenant, app: worker.app, kind: 'crash', detail: exitWords(exitCode) });
  }

  function noteStart({ group }: Pick<SandboxRecord, 'group'>): void {
    if (group && isProbe(group.member)) probedAtMs.set(tenantOfGroup(group.tenant) as TenantName, performance.now());
  }

  return {
    start() {
      timer = setInterval(() => void look(), lookMs).unref();
    },
    close() {
      clearInterval(timer);
      kills.close();
    },
  };
}

function isOpen(picture: Tenant['picture']): boolean {
  return picture.desired() !== undefined && picture.egress().length > 0;
}

/** `w.<app>.<six characters>`, as `createWorkers` names them; host, shells, builds and jobs are no app's. */
function appOf(member: string): string | undefined {
  return /^w\.([a-z][a-z0-9-]*)\./.exec(member)?.[1];
}

const owners: Record<string, string> = { b: 'a build', host: 'its host', j: 'a job', s: 'a shell' };

function ownerOf(member: string): string {
  return appOf(member) ?? owners[member.split('.', 1)[0] ?? ''] ?? member;
}

function isProbe(member: string): boolean {
  return member.startsWith('p.');
}

function exitWords(exitCode: number | null): string {
  if (exitCode === null) return 'ended while nobody could see how';
  if (exitCode <= 128) return `ended by itself with code ${exitCode}`;
  const ofNode = exitCode === 134 ? ' (SIGABRT: Node gives up so, for want of heap or threads)' : '';
  return `was ended by signal ${exitCode - 128}${ofNode}`;
}

/** Groups of another boot may have the same ids. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
