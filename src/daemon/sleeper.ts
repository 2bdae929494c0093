import { readFileSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { AppUse } from './edge-link.ts';
import type { IdleApp } from './rest.ts';
import type { Tenant } from './tenant.ts';

/** Puts apps to sleep that nobody uses, and wakes those that somebody waits for. */
export interface Sleeper {
  noteUse(uses: readonly AppUse[]): void;
  wake(app: { tenant: string; app: string }): void;
  start(): void;
  stop(): void;
}

export interface SleeperParts {
  tenants: ReadonlyMap<TenantName, Tenant>;
  log: Log;
  /** What the machine has left; undefined where that is not known. */
  readMemory?: () => { availableBytes: number; totalBytes: number } | undefined;
  nowMs?: () => number;
}

const lookMs = 500;
/** Edges tell of use once a second: one that ended just now may not have been told of. */
const useDelayMs = 1_500;
/** With less than that left, whoever was idle longest goes first, whatever its time is; but none that was used just now. */
const scarceShare = 0.05;
const scarceIdleMs = 10_000;

type IdleAppOf = IdleApp & { tenant: Tenant };

export function createSleeper({ tenants, log, readMemory = readMachineMemory, nowMs = Date.now }: SleeperParts): Sleeper {
  let timer: NodeJS.Timeout | undefined;
  let looking = false;

  async function look(): Promise<void> {
    const idle = [...tenants.values()].flatMap((tenant) => tenant.rest.idle().map((app): IdleAppOf => ({ ...app, tenant })));
    const due = idle.filter(({ idleMs, lastUsedAtMs }) => nowMs() - lastUsedAtMs >= Math.max(idleMs, useDelayMs));
    await Promise.all((due.length > 0 ? due : longestIdle(idle)).map(letSleep));
  }

  /** The one that is to make room. */
  function longestIdle(idle: readonly IdleAppOf[]): IdleAppOf[] {
    const memory = readMemory();
    if (!memory || memory.availableBytes >= scarceShare * memory.totalBytes) return [];
    const [first] = idle.toSorted((a, b) => a.lastUsedAtMs - b.lastUsedAtMs);
    if (!first || nowMs() - first.lastUsedAtMs < scarceIdleMs) return [];
    log.warn({ ...memory, tenant: first.tenant.name, app: first.app }, 'the machine has little memory left: an idle app is put to sleep');
    return [first];
  }

  async function letSleep({ tenant, app, lastUsedAtMs }: IdleAppOf): Promise<void> {
    try {
      if (await tenant.letSleep(app))
        log.info({ tenant: tenant.name, app, idleMs: nowMs() - lastUsedAtMs }, `${tenant.name}/${app} falls asleep`);
    } catch (error) {
      tenant.rest.noteUse(app);
      log.warn({ tenant: tenant.name, app, error: messageOf(error) }, 'an app could not be put to sleep');
    }
  }

  return {
    noteUse(uses) {
      const loads = new Map<Tenant, AppUse[]>();
      for (const use of uses) {
        const tenant = tenants.get(use.tenant as TenantName);
        if (!tenant) continue;
        loads.set(tenant, [...(loads.get(tenant) ?? []), use]);
      }
      for (const [tenant, ofTenant] of loads) tenant.noteUse(ofTenant);
    },
    wake({ tenant: name, app }) {
      const tenant = tenants.get(name as TenantName);
      const known = tenant?.picture.desired()?.apps.find((folder) => folder.app === app);
      if (tenant && known) tenant.rest.wake(known.app);
    },
    start() {
      timer = setInterval(() => {
        if (looking) return;
        looking = true;
        void look().finally(() => (looking = false));
      }, lookMs);
      timer.unref();
    },
    stop: () => clearInterval(timer),
  };
}

/** proc_meminfo(5). */
function readMachineMemory(): { availableBytes: number; totalBytes: number } | undefined {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const [available, total] = ['MemAvailable', 'MemTotal'].map(
    (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1_024,
  );
  return available !== undefined && total !== undefined && available >= 0 && total > 0
    ? { availableBytes: available, totalBytes: total }
    : undefined;
}
