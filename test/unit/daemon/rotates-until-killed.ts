// Rotates keys over a state, and is killed at the write that it was told, or when somebody does. Started by rotation-survives.test.ts.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TenantName } from '../../../src/base/ids.ts';
import { type MachineKeys, openMachineKeys } from '../../../src/daemon/machine-keys.ts';
import type { SecretRows } from '../../../src/daemon/secret-rows.ts';
import { createSecretVault } from '../../../src/daemon/secret-vault.ts';
import { openStore } from '../../../src/daemon/store.ts';
import { createRecordingLog } from './recording-log.ts';

const [, , folder = '', kind, killAt, when] = process.argv;
const store = openStore(join(folder, 'state.db'), { first: 200_000, count: 10, isTaken: () => false });
const keys = openMachineKeys({ file: join(folder, 'machine.key'), credentialsDir: undefined });
const writes = { count: 0 };

const counted = <Args extends unknown[]>(write: (...args: Args) => void) => {
  return (...args: Args): void => {
    writes.count += 1;
    const isLast = writes.count === Number(killAt);
    if (isLast && when === 'before') process.kill(process.pid, 'SIGKILL');
    write(...args);
    if (isLast && when === 'after') process.kill(process.pid, 'SIGKILL');
  };
};

const rows: SecretRows = {
  ...store.secrets,
  rewrap: counted((all) => store.secrets.rewrap(all)),
  replace: counted((key, all) => store.secrets.replace(key, all)),
};
const countedKeys: MachineKeys = { ...keys, replace: counted((all) => keys.replace?.(all)) };
const vault = createSecretVault({ rows, keys: countedKeys, log: createRecordingLog().log });
vault.takeUp();

if (kind === 'machine-key') vault.rotateMachineKey();
else if (kind === 'data-key') vault.rotateDataKey('acme' as TenantName);
else rotateWithoutEnd();

function rotateWithoutEnd(): never {
  for (;;) {
    vault.rotateDataKey('acme' as TenantName);
    vault.rotateMachineKey();
    vault.rotateDataKey('globex' as TenantName);
    writeSync(1, 'rotated\n');
  }
}
