import { existsSync } from 'node:fs';
import { type MachineKey, readMachineKeys, writeMachineKeys } from '../privileged/machine-key.ts';

/** Where the keys of this machine are kept. Read each time that one is needed: none stays in memory. */
export interface MachineKeys {
  /** As messages name it. */
  readonly place: string;
  /** The first is to wrap with, the others are those before it. Undefined: there is none. Throws TENANTD_E_SECRETS. */
  read(): MachineKey[] | undefined;
  /** Undefined where the operator keeps the keys, and replaces them. */
  replace?: (keys: readonly MachineKey[]) => void;
}

/** Names of systemd credentials: `LoadCredentialEncrypted=` of tenantd.service. */
export const machineKeyCredential = 'tenantd.machine-key';
const previousCredential = `${machineKeyCredential}-previous`;

/** A systemd credential where there is one; else the file. */
export function openMachineKeys({ file, credentialsDir }: { file: string; credentialsDir: string | undefined }): MachineKeys {
  const credential = `${credentialsDir ?? ''}/${machineKeyCredential}`;
  if (credentialsDir === undefined || !existsSync(credential))
    return { place: file, read: () => readMachineKeys(file), replace: (keys) => writeMachineKeys(file, keys) };
  return {
    place: credential,
    read() {
      const current = readMachineKeys(credential);
      // What was wrapped before there was a credential opens too, until it is wrapped with that.
      return (
        current && [...current, ...(readMachineKeys(`${credentialsDir}/${previousCredential}`) ?? []), ...(readMachineKeys(file) ?? [])]
      );
    },
  };
}
