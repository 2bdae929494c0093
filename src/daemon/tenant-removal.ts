import { lstatSync, readdirSync, renameSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import { isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { parseTenantConfig } from '../config/tenant-config.ts';
import { removeTree } from '../privileged/copy-tree.ts';
import { bubblewrapCopy } from '../privileged/programs.ts';
import { findUser, removeUser, userNameOf } from '../privileged/users.ts';
import type { CertsLink } from './certs-link.ts';
import type { Egress } from './egress.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Store } from './store.ts';
import { unfinishedPrefix } from './tenant-folders.ts';
import { createWaiters } from './waiters.ts';

/**
 * Tenants that are removed, when their time has come: all that there is of them, on the disk, on the machine and in the store.
 *
 * Invariants:
 * - It begins with a mark in the store and ends with its row: what is killed in between is done by the next daemon, from the start.
 * - Root takes names away in folders of its own alone; what tenants wrote is removed in a sandbox that sees nothing else (Invariant 1).
 */
export interface Removals {
  /** After everything that lives was taken up: clears what was cut off, and goes on with what was begun. */
  start(): void;
  /** Marks have changed. */
  look(): void;
  /** A tenant is marked as `purging`. Rejects with why it could not be done; then it is tried again. */
  purge(tenant: TenantName, tell?: (doing: string) => void): Promise<void>;
  /** A tenant is gone from the daemon's memory. */
  noteGone(): void;
  problems(): Problem[];
  close(): void;
}

export interface RemovalParts {
  machine: Machine;
  store: Store;
  certs: CertsLink | undefined;
  egress: Pick<Egress, 'isThere' | 'remove'>;
  userPrefix: string;
  /** The daemon has something of it in memory. */
  isKnown: (tenant: TenantName) => boolean;
  /** Something is done with its releases, or it is read for a backup. */
  isBusy: (tenant: TenantName) => boolean;
  /** Whoever reads it may be slow. */
  cutOff: (tenant: TenantName) => void;
  /** Its folder is looked at again. */
  refresh: (tenant: TenantName) => Promise<void>;
  /** Another mark of it counts. */
  remark: () => Promise<void>;
  /** All of it is gone. */
  onRemoved: (tenant: TenantName) => void;
}

const retryPolicy: BackoffPolicy = { firstMs: 1_000, maxMs: 60_000, healthyMs: 0 };
/** Its apps may take twice their drain time to end. */
const endTimeLimitMs = 20 * 60_000;
const busyPauseMs = 20;
const longestTimerMs = 3_600_000;
const asidePrefix = '.removed-';

export function createRemovals(parts: RemovalParts): Removals {
  const { machine, store, certs, egress } = parts;
  const { paths, programs, log, registry } = machine;
  const tools = { programs, bubblewrap: `${paths.programsDir}/${bubblewrapCopy}` };
  const waiters = createWaiters();
  const running = new Map<TenantName, Promise<void>>();
  const faults = new Map<TenantName, { problem: Problem; times: number }>();
  let timer: NodeJS.Timeout | undefined;
  let isOpen = false;

  // Whoever restored it is gone: it never was in service.
  for (const [tenant, { mark, by }] of store.marks.all())
    if (mark === 'restoring') store.marks.set(tenant, { mark: 'purging', sinceMs: Date.now(), by });

  const steps: readonly { doing: string; run: (tenant: TenantName) => Promise<void> }[] = [
    { doing: 'what runs is ended', run: endAll },
    { doing: 'its certificates are deleted', run: forgetCertificates },
    { doing: 'its files are deleted', run: removeFiles },
    { doing: 'its data and logs are deleted', run: removeData },
    { doing: 'its user is removed', run: removeItsUser },
  ];

  async function endAll(tenant: TenantName): Promise<void> {
    await waiters.until(() => !parts.isKnown(tenant) || undefined, `what runs of ${tenant} did not end`, endTimeLimitMs);
    const uids = new Set(uidsOf(tenant));
    for (;;) {
      const left = registry.all().filter(({ promise }) => promise && uids.has(promise.uid));
      if (left.length === 0 && !parts.isBusy(tenant)) break;
      parts.cutOff(tenant);
      await Promise.all([delay(busyPauseMs), ...left.map((sandbox) => sandbox.stop(0))]);
    }
    await machine.groups?.removeTenant(tenantGroup(tenant));
    if (egress.isThere(tenant)) await egress.remove(tenant);
  }

  /** Another tenant that has one of the names by now keeps its certificate. */
  async function forgetCertificates(tenant: TenantName): Promise<void> {
    if (!certs) return;
    let names = domainsOf(tenant);
    while (names.length > 0) {
      names = (await certs.request('forget-names', { names })).busy;
      if (names.length > 0) await delay(busyPauseMs);
    }
  }

  /** By its last good file: its folder may be gone. */
  function domainsOf(tenant: TenantName): string[] {
    const context = { tenant, plans: undefined, defaultPlan: '' };
    const { config } = parseTenantConfig(store.configTextOf(tenant) ?? '', 'tenant.yaml', context);
    return config?.domains.map(({ name }) => name) ?? [];
  }

  async function removeFiles(tenant: TenantName): Promise<void> {
    const aside = `${paths.tenantsDir}/${asidePrefix}${tenant}`;
    await removeTree(tools, aside);
    if (lstatSync(paths.tenantDirOf(tenant), { throwIfNoEntry: false })) renameSync(paths.tenantDirOf(tenant), aside);
    await parts.refresh(tenant);
    await removeTree(tools, aside);
  }

  async function removeData(tenant: TenantName): Promise<void> {
    const places = [
      ...[paths.tenantStateDirOf(tenant), paths.accessLogsDirOf(tenant), paths.recordingsDirOf(tenant), paths.gatewaysDirOf(tenant)],
      ...[paths.hostDirOf(tenant), paths.socketsDirOf(tenant), paths.pipesDirOf(tenant)],
      ...uidsOf(tenant).map((uid) => `${paths.etcDir}/${uid}`),
    ];
    for (const place of places) await removeTree(tools, place);
  }

  /** Not one of that name that is somebody else's. */
  async function removeItsUser(tenant: TenantName): Promise<void> {
    const name = userNameOf(parts.userPrefix, tenant);
    const uid = findUser({ name })?.uid;
    if (uid === undefined || uidsOf(tenant).includes(uid)) await removeUser(programs, name);
  }

  function uidsOf(tenant: TenantName): number[] {
    return store.givenUids().flatMap((given) => (given.tenant === tenant ? [given.uid] : []));
  }

  async function run(tenant: TenantName, tell: (doing: string) => void): Promise<void> {
    const actor = store.marks.of(tenant)?.by ?? '';
    for (const { doing, run: take } of steps) {
      tell(doing);
      await take(tenant);
    }
    const entry = { tenant, actor, action: 'tenant-purge', before: 'null', after: 'null', outcome: 'done' };
    store.appendAudit({ ...entry, time: new Date().toISOString() });
    store.forgetTenant(tenant);
    parts.onRemoved(tenant);
    log.info({ tenant }, 'was removed, and nothing of it is left');
  }

  function purge(tenant: TenantName, tell = (_doing: string): void => {}): Promise<void> {
    const known = running.get(tenant);
    if (known) return known;
    const run = attempt(tenant, tell).finally(() => running.delete(tenant));
    running.set(tenant, run);
    return run;
  }

  async function attempt(tenant: TenantName, tell: (doing: string) => void): Promise<void> {
    try {
      await run(tenant, tell);
      faults.delete(tenant);
    } catch (error) {
      const message = `not all of it could be removed: ${messageOf(error)}`;
      const code = error instanceof TenantdError ? error.code : 'TENANTD_E_INTERNAL';
      const times = (faults.get(tenant)?.times ?? 0) + 1;
      faults.set(tenant, { problem: { code, message, fix: 'see the log of the daemon; it is tried again', tenant }, times });
      log.error({ tenant, error: messageOf(error) }, 'a tenant could not be removed: it is tried again');
      setTimeout(look, backoffDelayMs(retryPolicy, times)).unref();
      throw error;
    }
  }

  function look(): void {
    clearTimeout(timer);
    if (!isOpen) return;
    const marks = store.marks.all();
    const nowMs = Date.now();
    for (const [tenant, { mark, untilMs = 0, by }] of marks) {
      if (mark === 'removing' && untilMs <= nowMs) {
        store.marks.set(tenant, { mark: 'purging', sinceMs: nowMs, by });
        void parts.remark();
      }
      // What came of it is in the log, and in `problems`.
      if (store.marks.has(tenant, 'purging')) purge(tenant).catch(() => {});
    }
    const next = Math.min(...[...marks.values()].flatMap(({ mark, untilMs = 0 }) => (mark === 'removing' ? [untilMs - nowMs] : [])));
    timer = setTimeout(look, Math.min(longestTimerMs, Math.max(1_000, next))).unref();
  }

  /** Of a `tenant create` that was cut off: nothing of it was ever in service. */
  async function clearUnfinished(): Promise<void> {
    const names = readdirSync(paths.tenantsDir).filter(
      (name) => name.startsWith(unfinishedPrefix) && isTenantName(name.slice(unfinishedPrefix.length)),
    );
    for (const name of names) await removeTree(tools, `${paths.tenantsDir}/${name}`);
  }

  return {
    start() {
      isOpen = true;
      clearUnfinished().catch((error: unknown) => log.error({ error: messageOf(error) }, 'what was left of tenants could not be removed'));
      look();
    },
    look,
    purge,
    noteGone: waiters.notify,
    problems: () => [...faults.values()].map(({ problem }) => problem),
    close() {
      isOpen = false;
      clearTimeout(timer);
    },
  };
}
