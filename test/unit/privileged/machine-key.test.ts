import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { makeMachineKey, readMachineKeys, writeMachineKeys } from '../../../src/privileged/machine-key.ts';
import { temporaryFolder } from './temporary-folder.ts';

let file: string;

beforeEach(() => {
  file = join(temporaryFolder(), 'machine.key');
});

const unusable = (reason: string) => expect.objectContaining({ code: 'TENANTD_E_SECRETS', message: expect.stringContaining(reason) });

describe('keys of the machine', () => {
  test('are read as they were written, with the same ids', () => {
    const keys = [makeMachineKey(), makeMachineKey()];
    writeMachineKeys(file, keys);
    expect(readMachineKeys(file)).toEqual(keys);
    writeMachineKeys(file, keys.slice(1));
    expect(readMachineKeys(file)).toEqual(keys.slice(1));
    expect(new Set([...keys, makeMachineKey()].map(({ id }) => id)).size).toBe(3);
  });

  test('are none where there is no file', () => {
    expect(readMachineKeys(file)).toBeUndefined();
  });

  test.each([0, 1, 31, 33, 17 * 32])('are refused from a file of %i bytes', (length) => {
    writeFileSync(file, randomBytes(length), { mode: 0o600 });
    expect(() => readMachineKeys(file)).toThrow(unusable('32 bytes'));
  });

  test.each([0o640, 0o604, 0o620, 0o602])('are refused from a file of mode %o', (mode) => {
    writeMachineKeys(file, [makeMachineKey()]);
    chmodSync(file, mode);
    expect(() => readMachineKeys(file)).toThrow(unusable('others than root can read it'));
  });

  test('are refused from a file of another user, from a link, and from a folder', () => {
    writeMachineKeys(file, [makeMachineKey()]);
    symlinkSync(file, `${file}.link`);
    mkdirSync(`${file}.folder`);
    expect(() => readMachineKeys(`${file}.link`)).toThrow(unusable('ELOOP'));
    expect(() => readMachineKeys(`${file}.folder`)).toThrow(unusable('not a plain file'));
    chownSync(file, 65_534, 65_534);
    expect(() => readMachineKeys(file)).toThrow(unusable('others than root'));
  });
});
