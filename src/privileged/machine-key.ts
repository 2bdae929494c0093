import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import { replaceFile } from './operator-files.ts';

/** A key of this machine: 256 bits. Its id is made of it, so that a wrong one is known as such before it is used. */
export interface MachineKey {
  id: string;
  bytes: Buffer;
}

const keyBytes = 32;
/** The newest, and those before it of a rotation that did not end. */
const maxKeys = 16;

export function makeMachineKey(): MachineKey {
  return toMachineKey(randomBytes(keyBytes));
}

/**
 * The keys in a file of root's own, the one to wrap with first; undefined when there is no such file. Throws TENANTD_E_SECRETS
 * when it can't be used: nothing may be made in its place.
 */
export function readMachineKeys(file: string): MachineKey[] | undefined {
  const content = readSecretFile(file);
  if (!content) return undefined;
  if (content.length === 0 || content.length % keyBytes !== 0) {
    throw unusable(file, `it does not hold keys of ${keyBytes} bytes each`, 'put it back from a backup');
  }
  return Array.from({ length: content.length / keyBytes }, (_, index) =>
    toMachineKey(content.subarray(index * keyBytes, (index + 1) * keyBytes)),
  );
}

/** In the place of those that are there, all or none, also over a power cut. */
export function writeMachineKeys(file: string, keys: readonly MachineKey[]): void {
  const content = Buffer.concat(keys.map(({ bytes }) => bytes));
  replaceFile(file, content, { uid: 0, gid: 0, mode: 0o600 });
  content.fill(0);
}

function toMachineKey(bytes: Buffer): MachineKey {
  return { id: createHash('sha256').update('tenantd machine key id\0').update(bytes).digest('hex').slice(0, 16), bytes };
}

function readSecretFile(file: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw unusable(file, messageOf(error), 'look at the file and its disk');
  }
  try {
    assertOfRootAlone(fd, file);
    const content = Buffer.alloc(maxKeys * keyBytes + 1);
    return content.subarray(0, readSync(fd, content));
  } finally {
    closeSync(fd);
  }
}

function assertOfRootAlone(fd: number, file: string): void {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw unusable(file, 'it is not a plain file', 'put it back from a backup');
  if (stat.uid !== 0 || (stat.mode & 0o077) !== 0)
    throw unusable(file, 'others than root can read it', 'keep it to root: chown root:root, chmod 600');
}

function unusable(file: string, reason: string, fix: string): TenantdError {
  return new TenantdError('TENANTD_E_SECRETS', `the machine's key ${file} can not be used: ${reason}`, fix);
}
