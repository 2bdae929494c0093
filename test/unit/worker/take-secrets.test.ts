import { fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { encodeHandOver } from '../../../src/protocol/hand-over.ts';
import { takeSecrets } from '../../../src/worker/take-secrets.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tenantd-secrets-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
});

function handed(bytes: Uint8Array): number {
  const file = `${directory}.handed`;
  writeFileSync(file, bytes);
  const fd = openSync(file, 'r');
  rmSync(file);
  return fd;
}

const secrets = encodeHandOver([
  { name: 'A', value: Buffer.from('1') },
  { name: 'B', value: Buffer.from('zwei\n') },
]);

describe('a worker that takes its secrets', () => {
  test('has files of them that its own user alone reads, and the descriptor is closed', () => {
    const fd = handed(secrets);
    takeSecrets({ fd, directory });
    expect(readdirSync(directory)).toEqual(['A', 'B']);
    expect([readFileSync(`${directory}/B`, 'utf8'), statSync(`${directory}/B`).mode & 0o777]).toEqual(['zwei\n', 0o400]);
    expect(() => fstatSync(fd)).toThrow('EBADF');
  });

  test('sets variables where it is asked to', () => {
    const variables: Record<string, string> = {};
    takeSecrets({ fd: handed(secrets), directory, setVariable: (name, value) => (variables[name] = value) });
    expect(variables).toEqual({ A: '1', B: 'zwei\n' });
  });

  test('takes none where there are none', () => {
    takeSecrets({ fd: handed(encodeHandOver([])), directory: '/nowhere' });
    expect(readdirSync(directory)).toEqual([]);
  });

  test.each([0, 3, secrets.length - 1])('does not go on with the first %i bytes of them', (length) => {
    const variables: string[] = [];
    const take = (): void =>
      takeSecrets({ fd: handed(secrets.subarray(0, length)), directory, setVariable: (name) => variables.push(name) });
    expect(take).toThrow('did not arrive whole');
    expect([readdirSync(directory), variables]).toEqual([[], []]);
  });
});
