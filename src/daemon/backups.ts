import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { messageOf, TenantdError } from '../base/errors.ts';
import { Upgrade } from '../protocol/channel.ts';
import type { BackupEnd, BackupOpened, CloneOpened, RestoreOpened } from '../protocol/backup-calls.ts';
import { type BackupClient, createBackupClient, toBackupEnd } from './backup-client.ts';
import { createBackupJobs } from './backup-jobs.ts';
import { type BackupOrder, type CloneOrder, createBackupRuns, type RestoreOrder, type RunParts } from './backup-runs.ts';
import { clearSnapshots } from './snapshot.ts';

/**
 * Tenants as one stream: given away, taken back, and copied.
 *
 * Invariants:
 * - A tenant is read by one backup at a time, and few are made at once: each holds a copy of a disk.
 * - Each lasts no longer than its connection; how it ended is told there, and in the audit trail.
 */
export interface Backups {
  /** Each answers a call: the connection becomes its own. Throws TENANTD_E_BUSY. */
  backup(order: BackupOrder): Upgrade;
  restore(order: Omit<RestoreOrder, 'ticket'>): Upgrade;
  clone(order: CloneOrder): Upgrade;
  /** Removes what a daemon before left; its jobs have ended. */
  takeUp(): Promise<void>;
  close(): Promise<void>;
}

const mostAtOnce = 3;

export function createBackups(parts: Omit<RunParts, 'jobs'>): Backups {
  const jobs = createBackupJobs(parts.machine);
  const runs = createBackupRuns({ ...parts, jobs });
  /** What is under way, by tenant; restores by their tickets. */
  const busy = new Map<string, string>();
  const open = new Set<Duplex>();
  const running = new Set<Promise<void>>();

  function take(key: string, what: string): () => void {
    const other = busy.get(key);
    if (other !== undefined) throw isBusy(`${other} of ${key} is under way`);
    if (busy.size >= mostAtOnce) throw isBusy(`${busy.size} backups or restores are under way, which is the limit`);
    busy.set(key, what);
    return () => void busy.delete(key);
  }

  function upgrade(opened: object, leave: () => void, work: (client: BackupClient) => Promise<BackupEnd>): Upgrade {
    return new Upgrade(opened, (stream) => {
      open.add(stream);
      const run = carryOut(stream, work).finally(() => {
        leave();
        open.delete(stream);
        running.delete(run);
      });
      running.add(run);
    });
  }

  return {
    backup(order) {
      const opened: BackupOpened = { tenant: order.tenant.name };
      return upgrade(opened, take(order.tenant.name, 'a backup'), (client) => runs.backup(client, order));
    },
    restore(order) {
      const opened: RestoreOpened = { ticket: randomBytes(16).toString('hex') };
      return upgrade(opened, take(opened.ticket, 'a restore'), (client) => runs.restore(client, { ...order, ...opened }));
    },
    clone(order) {
      const opened: CloneOpened = { tenant: order.as };
      return upgrade(opened, take(order.tenant.name, 'a clone'), (client) => runs.clone(client, order));
    },
    takeUp: () =>
      clearSnapshots(parts.machine).catch((error: unknown) => {
        parts.machine.log.error({ error: messageOf(error) }, 'old snapshots could not be removed');
      }),
    async close() {
      for (const stream of open) stream.destroy();
      await Promise.all(running);
      await jobs.close();
    },
  };
}

/** Never rejects. */
async function carryOut(stream: Duplex, work: (client: BackupClient) => Promise<BackupEnd>): Promise<void> {
  const client = createBackupClient(stream);
  client.end(await work(client).catch(toBackupEnd));
}

function isBusy(message: string): TenantdError {
  return new TenantdError('TENANTD_E_BUSY', message, 'wait until it has ended');
}
