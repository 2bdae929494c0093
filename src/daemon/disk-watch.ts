import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { Machine } from './machine.ts';
import type { Tenant } from './tenant.ts';

/** Looks at the tenants' disks, and at the one below them all, every few seconds. */
export interface DiskWatch {
  /** Of the machine. */
  problems(): Problem[];
  close(): void;
}

const everyMs = 2_000;
/** What comes back with its fault must not be down all the time. */
const leastRemountMs = 600_000;
/** Below the smaller of the two, writes may fail soon. */
const leastFree = { share: 0.05, bytes: 4 * 2 ** 30 };

export function createDiskWatch({ paths, log }: Machine, tenants: () => Iterable<Tenant>): DiskWatch {
  let problems: Problem[] = [];
  let isLooking = false;
  const remountedAtMs = new Map<TenantName, number>();
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();

  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      const { hasRoom } = await lookAtMachine();
      for (const tenant of tenants()) await lookAtTenant(tenant, hasRoom);
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the disks could not be looked at');
    } finally {
      isLooking = false;
    }
  }

  async function lookAtMachine(): Promise<{ hasRoom: boolean }> {
    const { bsize, blocks, bavail } = await statfs(paths.stateDir);
    const freeBytes = bavail * bsize;
    const hasRoom = freeBytes >= Math.min(leastFree.bytes, blocks * bsize * leastFree.share);
    const promisedBytes = [...tenants()].reduce((total, tenant) => total + openPromiseOf(tenant), 0);
    const next = [
      ...(hasRoom ? [] : [nearlyFull(freeBytes)]),
      ...(promisedBytes > freeBytes ? [overcommitted(promisedBytes, freeBytes)] : []),
    ];
    for (const problem of next.slice(problems.length)) log.warn({ code: problem.code }, problem.message);
    problems = next;
    return { hasRoom };
  }

  /** What its plan gives it and it has not taken yet. */
  function openPromiseOf({ name, picture }: Tenant): number {
    const taken = statSync(paths.diskImageOf(name), { throwIfNoEntry: false })?.blocks ?? 0;
    return picture.desired() ? Math.max(0, picture.limits().diskBytes - taken * 512) : 0;
  }

  async function lookAtTenant(tenant: Tenant, hasRoom: boolean): Promise<void> {
    const { disk } = tenant.resources;
    const changed = await disk.look();
    const [first] = disk.problems();
    if (changed) log.warn({ tenant: tenant.name, ...(first && { code: first.code }) }, first?.message ?? 'its disk is well again');
    // Only what is unmounted can be checked; on a full disk it would have the next fault at once.
    const sinceMs = performance.now() - (remountedAtMs.get(tenant.name) ?? -Infinity);
    if (!hasRoom || !disk.isFaulty() || sinceMs < leastRemountMs) return;
    remountedAtMs.set(tenant.name, performance.now());
    tenant.remount();
  }

  return { problems: () => problems, close: () => clearInterval(timer) };
}

function nearlyFull(freeBytes: number): Problem {
  return {
    code: 'TENANTD_E_MACHINE_DISK',
    message: `the disk of stateDir has ${mebibytes(freeBytes)} left: when it is full, tenants' disks become read-only`,
    fix: 'make room there now',
  };
}

function overcommitted(promisedBytes: number, freeBytes: number): Problem {
  return {
    code: 'TENANTD_E_MACHINE_DISK',
    message: `tenants' disks may grow by ${mebibytes(promisedBytes)}, the disk of stateDir has ${mebibytes(freeBytes)} left`,
    fix: 'give it more room, or plans less; see the use of each tenant in tenantctl status',
  };
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}
