import type { Duplex } from 'node:stream';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';

/**
 * Who reads a tenant, or makes one, for a backup, a restore or a clone. Of a tenant there is one at a time, and there are few in all: each holds
 * a copy of a disk.
 */
export interface BackupTurns {
  /** `of`: the tenant, or the ticket of a restore. `byToken`: not the operator. Throws TENANTD_E_BUSY. */
  take(of: string, what: string, byToken: boolean): BackupTurn;
  isTaken(tenant: TenantName): boolean;
  /** Its tenant is to be deleted: whoever reads it is cut off. */
  cutOff(tenant: TenantName): void;
}

export interface BackupTurn {
  /** Its connection, once it has one. */
  stream?: Duplex;
  leave(): void;
}

interface Taken extends BackupTurn {
  what: string;
  byToken: boolean;
}

const mostAtOnce = 3;
/** Whoever takes what it asked for slowly keeps its turn; there is always one for the operator. */
const mostOfTokens = mostAtOnce - 1;

export function createBackupTurns(): BackupTurns {
  const taken = new Map<string, Taken>();

  function assertFree(of: string, byToken: boolean): void {
    const other = taken.get(of);
    if (other) throw isBusy(`${other.what} of ${of} is under way`);
    const others = [...taken.values()].filter((turn) => !byToken || turn.byToken).length;
    if (others >= (byToken ? mostOfTokens : mostAtOnce)) throw isBusy(`${others} backups or restores are under way, which is the limit`);
  }

  return {
    take(of, what, byToken) {
      assertFree(of, byToken);
      const turn: Taken = { what, byToken, leave: () => void taken.delete(of) };
      taken.set(of, turn);
      return turn;
    },
    isTaken: (tenant) => taken.has(tenant),
    cutOff: (tenant) => void taken.get(tenant)?.stream?.destroy(),
  };
}

function isBusy(message: string): TenantdError {
  return new TenantdError('TENANTD_E_BUSY', message, 'wait until it has ended');
}
