import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { messageOf } from '../base/errors.ts';
import { Upgrade } from '../protocol/channel.ts';
import type { BackupEnd, BackupOpened, CloneOpened, RestoreOpened } from '../protocol/backup-calls.ts';
import { type BackupClient, createBackupClient, toBackupEnd } from './backup-client.ts';
import { createBackupJobs } from './backup-jobs.ts';
import { type BackupOrder, type CloneOrder, createBackupRuns, type RestoreOrder, type RunParts } from './backup-runs.ts';
import type { BackupTurn, BackupTurns } from './backup-turns.ts';
import { clearSnapshots } from './snapshot.ts';

/**
 * Tenants as one stream: given away, taken back, and copied.
 *
 * Invariants:
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

export function createBackups(parts: Omit<RunParts, 'jobs'> & { backupTurns: BackupTurns }): Backups {
  const jobs = createBackupJobs(parts.machine);
  const runs = createBackupRuns({ ...parts, jobs });
  const { backupTurns } = parts;
  const open = new Set<Duplex>();
  const running = new Set<Promise<void>>();

  function upgrade(opened: object, turn: BackupTurn, work: (client: BackupClient) => Promise<BackupEnd>): Upgrade {
    return new Upgrade(opened, (stream) => {
      open.add(stream);
      turn.stream = stream;
      const run = carryOut(stream, work).finally(() => {
        turn.leave();
        open.delete(stream);
        running.delete(run);
      });
      running.add(run);
    });
  }

  return {
    backup(order) {
      const opened: BackupOpened = { tenant: order.tenant.name };
      return upgrade(opened, backupTurns.take(order.tenant.name, 'a backup', !order.withKey), (client) => runs.backup(client, order));
    },
    restore(order) {
      const opened: RestoreOpened = { ticket: randomBytes(16).toString('hex') };
      return upgrade(opened, backupTurns.take(opened.ticket, 'a restore', false), (client) =>
        runs.restore(client, { ...order, ...opened }),
      );
    },
    clone(order) {
      const opened: CloneOpened = { tenant: order.as };
      return upgrade(opened, backupTurns.take(order.tenant.name, 'a clone', false), (client) => runs.clone(client, order));
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
