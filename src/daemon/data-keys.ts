import { randomBytes } from 'node:crypto';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import { makeMachineKey, type MachineKey } from '../privileged/machine-key.ts';
import type { MachineKeys } from './machine-keys.ts';
import type { DataKeyRow, SecretRows } from './secret-rows.ts';
import { dataKeyBytes, seal, unseal } from './secret-seal.ts';

/**
 * The tenants' data keys, each wrapped by a key of the machine.
 *
 * Invariants:
 * - A machine key is on the disk before anything is wrapped with it, and stays until nothing is.
 * - Where a data key's machine key is missing, no other machine key is made or used in its place.
 * - Keys in the clear are wiped when `use` ends.
 */
export interface DataKeys {
  /** Throws TENANTD_E_SECRETS when it can't be opened. */
  open<Result>(row: DataKeyRow, use: (key: Buffer) => Result): Result;
  /** A new one, not stored yet. Makes the machine's first key where there is none. */
  make<Result>(tenant: TenantName, version: number, use: (key: Buffer, row: DataKeyRow) => Result): Result;
  /** A new key of the machine for all data keys. Answers with how many tenants have one. */
  readonly rotateMachineKey: () => number;
  /** Wraps with the newest key what an older one wraps still, and forgets the older ones. */
  readonly finishRotation: () => void;
}

export function createDataKeys(rows: Pick<SecretRows, 'dataKeys' | 'machineKeyIds' | 'rewrap'>, keys: MachineKeys): DataKeys {
  function withMachineKeys<Result>(use: (machineKeys: MachineKey[]) => Result): Result {
    const machineKeys = keys.read() ?? [];
    try {
      return use(machineKeys);
    } finally {
      for (const { bytes } of machineKeys) bytes.fill(0);
    }
  }

  function unwrap(row: DataKeyRow, machineKeys: readonly MachineKey[]): Buffer {
    const machineKey = machineKeys.find(({ id }) => id === row.machineKeyId);
    if (!machineKey) throw keyIsMissing(row, machineKeys);
    const key = unseal(machineKey.bytes, row.wrapped, bindingOf(row));
    if (key) return key;
    throw new TenantdError('TENANTD_E_SECRETS', `the data key of ${row.tenant} was changed`, removeAndSet(row.tenant));
  }

  function wrap(tenant: TenantName, version: number, key: Buffer, { id, bytes }: MachineKey): DataKeyRow {
    const row = { tenant, version, machineKeyId: id };
    return { ...row, wrapped: seal(bytes, key, bindingOf(row)) };
  }

  function keyIsMissing({ tenant, machineKeyId }: DataKeyRow, found: readonly MachineKey[]): TenantdError {
    const what = found.length === 0 ? 'is not there' : `is another one (${found.map(({ id }) => id).join(', ')})`;
    return new TenantdError(
      'TENANTD_E_SECRETS',
      `the machine's key ${machineKeyId}, for the secrets of ${tenant}, is missing: ${keys.place} ${what}`,
      `put ${keys.place} back from a backup; if it is lost, ${removeAndSet(tenant)}`,
    );
  }

  function assertNoneIsMissing(machineKeys: readonly MachineKey[]): void {
    const missing = rows.machineKeyIds().find((used) => !machineKeys.some(({ id }) => id === used));
    const row = missing === undefined ? undefined : rows.dataKeys().find(({ machineKeyId }) => machineKeyId === missing);
    if (row) throw keyIsMissing(row, machineKeys);
  }

  /** The first one of this machine is made when it is first needed. */
  function wrappingKey(machineKeys: MachineKey[]): MachineKey {
    assertNoneIsMissing(machineKeys);
    const [newest] = machineKeys;
    if (newest) return newest;
    const first = makeMachineKey();
    replaceMachineKeys([first]);
    machineKeys.push(first);
    return first;
  }

  function replaceMachineKeys(machineKeys: readonly MachineKey[]): void {
    if (keys.replace) return keys.replace(machineKeys);
    throw new TenantdError(
      'TENANTD_E_SECRETS',
      `the machine's key is the systemd credential ${keys.place}`,
      'make another one, load the one before it as tenantd.machine-key-previous, and restart tenantd.service: tenants go on meanwhile',
    );
  }

  function rotateMachineKey(machineKeys: MachineKey[]): number {
    assertNoneIsMissing(machineKeys);
    finishRotation(machineKeys);
    const [present] = machineKeys;
    if (!present) return 0;
    const newest = makeMachineKey();
    machineKeys.push(newest);
    // Before anything is written: all of them open.
    const rewrapped = rows.dataKeys().map((row) => rewrap(row, [present], newest));
    // Both are there until nothing is wrapped with the one before: so a stop at any moment loses nothing.
    replaceMachineKeys([newest, present]);
    rows.rewrap(rewrapped);
    replaceMachineKeys([newest]);
    return rewrapped.length;
  }

  function finishRotation([newest, ...older]: readonly MachineKey[]): void {
    if (!newest || older.length === 0) return;
    const outdated = rows.dataKeys().filter(({ machineKeyId }) => older.some(({ id }) => id === machineKeyId && id !== newest.id));
    if (outdated.length > 0) rows.rewrap(outdated.map((row) => rewrap(row, older, newest)));
    keys.replace?.([newest]);
  }

  function rewrap(row: DataKeyRow, machineKeys: readonly MachineKey[], newest: MachineKey): DataKeyRow {
    const key = unwrap(row, machineKeys);
    try {
      return wrap(row.tenant, row.version, key, newest);
    } finally {
      key.fill(0);
    }
  }

  return {
    open(row, use) {
      const key = withMachineKeys((machineKeys) => unwrap(row, machineKeys));
      try {
        return use(key);
      } finally {
        key.fill(0);
      }
    },
    make(tenant, version, use) {
      const key = randomBytes(dataKeyBytes);
      try {
        return use(
          key,
          withMachineKeys((machineKeys) => wrap(tenant, version, key, wrappingKey(machineKeys))),
        );
      } finally {
        key.fill(0);
      }
    },
    rotateMachineKey: () => withMachineKeys(rotateMachineKey),
    finishRotation: () => withMachineKeys(finishRotation),
  };
}

function bindingOf({ tenant, version, machineKeyId }: Omit<DataKeyRow, 'wrapped'>): (string | number)[] {
  return ['data-key', tenant, version, machineKeyId];
}

function removeAndSet(tenant: TenantName): string {
  return `remove the secrets of ${tenant} and set them again: tenantctl secret remove, secret set`;
}
