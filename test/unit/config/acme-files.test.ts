import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { readAcmeFiles } from '../../../src/config/acme-files.ts';
import type { AcmeSettings } from '../../../src/config/acme-schema.ts';

const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ';
const isRoot = process.getuid?.() === 0;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'acme-files-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
});

function put(name: string, text: string, mode = 0o600): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const settings = (more: Partial<AcmeSettings>): AcmeSettings => ({
  ...{ directories: [{ url: 'https://acme.example/' }], resolvers: [], publicAddresses: [] },
  ...more,
});
const withEab = (macKeyFile: string): AcmeSettings =>
  settings({ directories: [{ url: 'https://one.example/' }, { url: 'https://two.example/', eab: { keyId: 'kid', macKeyFile } }] });
const withKey = (keyFile: string): AcmeSettings => settings({ rfc2136: { server: { host: '::1', port: 53 }, keyName: 'k', keyFile } });

describe.runIf(isRoot)('the files that acme names', () => {
  test('are none where it names none', async () => {
    expect(await readAcmeFiles(settings({}), 'f')).toEqual({
      files: { caPem: undefined, macKeys: [undefined], updateKey: undefined },
      problems: [],
    });
  });

  test('give the roots to trust, and a MAC key for the directory that has one', async () => {
    const caFile = put('ca.pem', 'PEM', 0o644);
    expect((await readAcmeFiles(settings({ caFile }), 'f')).files?.caPem).toBe('PEM');
    expect((await readAcmeFiles(withEab(put('eab', `${secret}==\n`)), 'f')).files?.macKeys).toEqual([undefined, secret]);
  });

  test.each([
    ['as tsig-keygen prints it', `key "tenantd" {\n\talgorithm hmac-sha256;\n\tsecret "${secret}=";\n};\n`],
    ['alone', `${secret}=\n`],
  ])('give the key of dynamic updates, %s', async (_, text) => {
    expect((await readAcmeFiles(withKey(put('tsig', text)), 'f')).files?.updateKey).toBe(`${secret}=`);
  });

  test.each([
    ['of another algorithm', `key "tenantd" { algorithm hmac-md5; secret "${secret}="; };`],
    ['without a secret', 'key "tenantd" { };'],
    ['that is another file', `-----BEGIN PRIVATE KEY-----\n${secret}\n`],
  ])('are a problem with a key %s, whose words are not told', async (_, text) => {
    const { files, problems } = await readAcmeFiles(withKey(put('tsig', text)), '/etc/tenantd/tenantd.yaml');
    expect(files).toBeUndefined();
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_INVALID_VALUE', message: expect.stringContaining('acme.rfc2136.keyFile'), file: '/etc/tenantd/tenantd.yaml' },
    ]);
    expect(JSON.stringify(problems)).not.toContain(secret);
  });

  test('that are missing, or that others can read or write, are problems: all are told, and none is used', async () => {
    const caFile = put('ca.pem', 'PEM', 0o666);
    const read = await readAcmeFiles({ ...withEab(put('eab', secret, 0o640)), caFile, ...withKeyOf(join(dir, 'none')) }, 'f');
    expect(read.files).toBeUndefined();
    expect(read.problems.map(({ code, message }) => `${code} ${message.slice(0, message.indexOf(','))}`)).toEqual([
      'TENANTD_E_FILE_UNREADABLE `acme.caFile`',
      'TENANTD_E_FILE_UNREADABLE `acme.directories[1].eab.macKeyFile`',
      'TENANTD_E_FILE_MISSING `acme.rfc2136.keyFile`',
    ]);
  });

  const withKeyOf = (keyFile: string): Pick<AcmeSettings, 'rfc2136'> => ({
    rfc2136: { server: { host: '::1', port: 53 }, keyName: 'k', keyFile },
  });

  test('are used all the same where the hook is not there yet, which is told', async () => {
    const { files, problems } = await readAcmeFiles(settings({ dnsHook: [put('hook', 'echo', 0o644)] }), 'f');
    expect(files).toBeDefined();
    expect(problems).toMatchObject([{ code: 'TENANTD_E_FILE_MISSING', message: expect.stringContaining('acme.dnsHook') }]);
    chmodSync(join(dir, 'hook'), 0o755);
    expect((await readAcmeFiles(settings({ dnsHook: [join(dir, 'hook')] }), 'f')).problems).toEqual([]);
  });
});
