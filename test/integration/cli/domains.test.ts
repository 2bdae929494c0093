import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { DomainChangeResult, DomainCheckResult, DomainListResult } from '../../../src/protocol/certificate-calls.ts';
import { startControlPeer, temporaryFolder } from './control-peer.ts';
import { runTenantctl, startProgram, startTenantctl } from './run-tenantctl.ts';

const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;

interface Change {
  tenant: string;
  names: string[];
  dryRun?: boolean;
}

const changeAll = (params: unknown): DomainChangeResult => ({ changed: (params as Change).names, unchanged: [], problems: [] });

function checkOf(params: unknown): DomainCheckResult {
  const { name } = params as { name: string };
  const expected = [{ name, type: 'A', value: '203.0.113.7' } as const];
  return { check: { name, verdict: 'no-records', expected, found: [], findings: [`${name} has no address in the DNS yet.`] } };
}

const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `s${index}.example`);

function fileOf(text: string): string {
  const file = join(temporaryFolder(), 'names.txt');
  writeFileSync(file, text);
  return file;
}

describe('domain add', () => {
  test('adds names, and prints the records to set', async () => {
    const { configFile, calls } = await startControlPeer({ 'domain-add': changeAll, 'domain-check': checkOf });
    const { exitCode, stdout, stderr } = await runTenantctl([
      'domain',
      'add',
      'acme',
      'Shop.example',
      '*.b.example',
      '--config',
      configFile,
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^acme: 2 domains added\n {2}shop\.example\n {2}\*\.b\.example\n\nSet, /);
    expect(stdout).toMatch(/^ {2}shop\.example {2}A {5}203\.0\.113\.7\n {2}\*\.b\.example {3}A {5}203\.0\.113\.7$/m);
    expect(stdout).toContain('  _acme-challenge.b.example  TXT\n');
    expect(calls).toEqual([
      { method: 'domain-add', params: { tenant: 'acme', names: ['shop.example', '*.b.example'] } },
      { method: 'domain-check', params: { name: 'shop.example' } },
    ]);
  });

  test('--json prints what was done and each record', async () => {
    const { configFile } = await startControlPeer({
      'domain-add': () => ({ changed: ['a.example'], unchanged: ['b.example'], problems: [] }),
      'domain-check': checkOf,
    });
    const { stdout } = await runTenantctl(['domain', 'add', 'acme', 'a.example', 'b.example', '--json', '--config', configFile]);
    expect(JSON.parse(stdout)).toEqual({
      tenant: 'acme',
      added: ['a.example'],
      alreadyThere: ['b.example'],
      problems: [],
      records: ['a.example', 'b.example'].map((name) => ({ name, type: 'A', value: '203.0.113.7' })),
      challenges: [],
      local: [],
      unknown: [],
    });
  });

  test('takes a thousand names of a file at once', async () => {
    const { configFile, calls } = await startControlPeer({ 'domain-add': changeAll, 'domain-check': checkOf });
    const file = fileOf(`# customers\n${many(1_000).join(' # one\n')}\n`);
    const { exitCode, stdout } = await runTenantctl(['domain', 'add', 'acme', '--from', file, '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('acme: 1000 domains added\n');
    expect(calls.map(({ method }) => method)).toEqual(['domain-add', 'domain-check']);
    expect(calls[0]?.params).toEqual({ tenant: 'acme', names: many(1_000) });
  });

  test('takes names from stdin', async () => {
    const { configFile, calls } = await startControlPeer({ 'domain-add': changeAll, 'domain-check': checkOf });
    const command = `printf 'a.localhost\\nb.localhost\\n' | "${process.execPath}" "${main}" domain add acme --from - --config "${configFile}"`;
    const { finished } = startProgram('sh', ['-c', command]);
    expect(await finished).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Names below .localhost need no DNS records.') });
    expect(calls).toEqual([{ method: 'domain-add', params: { tenant: 'acme', names: ['a.localhost', 'b.localhost'] } }]);
  });

  test('tells wrong lines of a file by number, and asks the daemon for nothing', async () => {
    const { configFile, calls } = await startControlPeer({});
    const file = fileOf('a.example\nhttps://b.example\n\nc d\n');
    const { exitCode, stdout, stderr } = await runTenantctl(['domain', 'add', 'acme', '--from', file, '--json', '--config', configFile]);
    expect(exitCode).toBe(1);
    const message = `${file}, line 2: "https://b.example" must be a host name; line 4: "c d" must be a host name`;
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'TENANTD_E_BAD_DOMAIN', message, fix: expect.stringContaining('one name a line') },
    });
    expect(stderr).toContain('line 2');
    expect(calls).toEqual([]);
  });

  test('says on stderr that it goes on, when it takes long', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { configFile } = await startControlPeer({
      'domain-add': async (params) => {
        await promise;
        return changeAll(params);
      },
      'domain-check': checkOf,
    });
    const { child, finished } = startTenantctl([
      'domain',
      'add',
      'acme',
      '--from',
      fileOf(many(300).join('\n')),
      '--json',
      '--config',
      configFile,
    ]);
    child.stderr?.on('data', () => resolve());
    const { exitCode, stdout, stderr } = await finished;
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^tenantctl: adding 300 domains to acme \(1 s\)\n/);
    expect(JSON.parse(stdout)).toMatchObject({ tenant: 'acme' });
  });
});

describe('domain add of more than a thousand names', () => {
  test('tries more than one batch without effect first, and then each', async () => {
    const { configFile, calls } = await startControlPeer({ 'domain-add': changeAll, 'domain-check': checkOf });
    const file = fileOf(many(1_500).join('\n'));
    const { stdout } = await runTenantctl(['domain', 'add', 'acme', '--from', file, '--config', configFile]);
    expect(stdout).toContain('acme: 1500 domains added\n');
    const sent = calls.slice(0, 4).map(({ params }) => [(params as Change).names.length, (params as Change).dryRun]);
    expect(sent).toEqual([
      [1_000, true],
      [500, true],
      [1_000, undefined],
      [500, undefined],
    ]);
  });

  test('changes nothing when a later batch would be refused', async () => {
    const problem = { code: 'TENANTD_E_DOMAIN_TAKEN', message: 'another tenant has "s1200.example"', fix: 'remove it there' } as const;
    const { configFile, calls } = await startControlPeer({
      'domain-add': (params) => ({
        changed: [],
        unchanged: [],
        problems: (params as Change).names.includes('s1200.example') ? [problem] : [],
      }),
    });
    const { exitCode, stderr } = await runTenantctl([
      'domain',
      'add',
      'acme',
      '--from',
      fileOf(many(1_500).join('\n')),
      '--config',
      configFile,
    ]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'tenantctl: another tenant has "s1200.example" (TENANTD_E_DOMAIN_TAKEN)\n  fix: remove it there\n',
    });
    expect(calls.every(({ params }) => (params as Change).dryRun)).toBe(true);
  });

  test('says how far it came when a later batch is refused all the same', async () => {
    const { configFile } = await startControlPeer({
      'domain-add': (params) => {
        const { names, dryRun = false } = params as Change;
        if (!dryRun && names.length < 1_000) throw new TenantdError('TENANTD_E_TOO_MANY', 'too many', 'fewer');
        return changeAll(params);
      },
    });
    const { exitCode, stderr } = await runTenantctl([
      'domain',
      'add',
      'acme',
      '--from',
      fileOf(many(1_500).join('\n')),
      '--config',
      configFile,
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('tenantctl: too many (the first 1000 of 1500 names are done) (TENANTD_E_TOO_MANY)\n');
  });
});

describe('domain add that does less', () => {
  test('--dry-run says what would be wrong, with exit code 1', async () => {
    const problem = { code: 'TENANTD_E_DOMAIN_TAKEN', message: 'another tenant has it', fix: 'remove it there' } as const;
    const { configFile, calls } = await startControlPeer({ 'domain-add': () => ({ changed: [], unchanged: [], problems: [problem] }) });
    const { exitCode, stdout } = await runTenantctl(['domain', 'add', 'acme', 'a.example', '--dry-run', '--config', configFile]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('acme: 0 domains would be added\n  TENANTD_E_DOMAIN_TAKEN\n    another tenant has it\n');
    expect(calls).toEqual([{ method: 'domain-add', params: { tenant: 'acme', names: ['a.example'], dryRun: true } }]);
  });

  test('has added the names when the records can not be told', async () => {
    const { configFile } = await startControlPeer({
      'domain-add': changeAll,
      'domain-check': () => {
        throw new TenantdError('TENANTD_E_UNREACHABLE', 'no certs process', 'wait');
      },
    });
    const { exitCode, stdout, stderr } = await runTenantctl(['domain', 'add', 'acme', 'a.example', '--config', configFile]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'acme: 1 domain added\n  a.example\n' });
    expect(stderr).toBe('tenantctl: which DNS records to set is not known: no certs process\n');
  });
});

describe('domain remove', () => {
  test('says what was removed, and what was not there', async () => {
    const { configFile, calls } = await startControlPeer({
      'domain-remove': () => ({ changed: ['a.example'], unchanged: ['b.example'], problems: [] }),
    });
    const args = ['domain', 'remove', 'acme', 'a.example', 'b.example', '--config', configFile];
    expect(await runTenantctl(args)).toEqual({
      exitCode: 0,
      stdout: 'acme: 1 domain removed\n  a.example\n  not there: b.example\n',
      stderr: '',
    });
    expect(JSON.parse((await runTenantctl([...args, '--json'])).stdout)).toEqual({
      tenant: 'acme',
      removed: ['a.example'],
      notThere: ['b.example'],
      problems: [],
    });
    expect(calls[0]).toEqual({ method: 'domain-remove', params: { tenant: 'acme', names: ['a.example', 'b.example'] } });
  });
});

describe('domain list and check', () => {
  test('list shows how certificates stand', async () => {
    const result: DomainListResult = { domains: [{ tenant: 'acme', name: 'a.example', certificate: 'own' }] };
    const { configFile, calls } = await startControlPeer({ 'domain-list': () => result });
    const { stdout } = await runTenantctl(['domain', 'list', 'acme', '--config', configFile]);
    expect(stdout).toBe('  NAME       CERTIFICATE\nacme\n  a.example  its own\n');
    expect(JSON.parse((await runTenantctl(['domain', 'list', '--json', '--config', configFile])).stdout)).toEqual(result);
    expect(calls.map(({ params }) => params)).toEqual([{ tenant: 'acme' }, {}]);
  });

  test('check shows expected beside found', async () => {
    const { configFile, calls } = await startControlPeer({ 'domain-check': checkOf });
    const { exitCode, stdout } = await runTenantctl(['domain', 'check', 'Shop.Example', '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^shop\.example: has no records\n[^]*\n {2}A 203\.0\.113\.7 {2}nothing\n[^]*Certificate\n {2}None is ordered/);
    const json = await runTenantctl(['domain', 'check', 'shop.example', '--json', '--config', configFile]);
    expect(JSON.parse(json.stdout)).toEqual(checkOf({ name: 'shop.example' }));
    expect(calls[0]).toEqual({ method: 'domain-check', params: { name: 'shop.example' } });
  });

  test('a daemon that is not there is exit code 3', async () => {
    const file = fileOf(`runDir: ${temporaryFolder()}\n`);
    expect(await runTenantctl(['domain', 'check', 'a.example', '--config', file])).toMatchObject({ exitCode: 3, stdout: '' });
  });
});
