import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { openMachineKeys } from '../../../src/daemon/machine-keys.ts';
import type { SecretScope } from '../../../src/daemon/secret-rows.ts';
import { createSecretVault, type SecretVault } from '../../../src/daemon/secret-vault.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { decodeHandOver } from '../../../src/protocol/hand-over.ts';
import { createRecordingLog } from './recording-log.ts';

export interface OpenedVault {
  store: Store;
  vault: SecretVault;
  readonly set: (tenant: TenantName, name: string, value: string, app?: SecretScope) => void;
  /** What a worker of the app would be handed. */
  readonly handed: (tenant: TenantName, app: AppName) => Record<string, string>;
}

/** As the daemon over that state opens it. */
export function openVault({ folder, credentialsDir }: { folder: string; credentialsDir?: string }): OpenedVault {
  const store = openStore(join(folder, 'state.db'), { first: 200_000, count: 10, isTaken: () => false });
  onTestFinished(() => {
    try {
      store.close();
    } catch {
      // the test closed it itself
    }
  });
  const keys = openMachineKeys({ file: join(folder, 'machine.key'), credentialsDir });
  const vault = createSecretVault({ rows: store.secrets, keys, log: createRecordingLog().log });
  vault.takeUp();
  return {
    ...{ store, vault },
    set: (tenant, name, value, app = '') => vault.set(tenant, { app, name, value: Buffer.from(value), by: 'operator' }),
    handed(tenant, app) {
      const secrets = decodeHandOver(vault.handOver(tenant, app)) ?? [];
      return Object.fromEntries(secrets.map(({ name, value }) => [name, value.toString()]));
    },
  };
}
