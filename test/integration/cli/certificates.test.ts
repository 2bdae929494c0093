import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { NameStatus } from '../../../src/protocol/certs.ts';
import type { CertCaResult, CertListResult } from '../../../src/protocol/certificate-calls.ts';
import { startControlPeer } from './control-peer.ts';
import { runInTerminal, runTenantctl } from './run-tenantctl.ts';

function statusOf(name: string): NameStatus {
  const issued = { issuer: 'tenantd local CA', notBeforeMs: 0, notAfterMs: Date.now() + 30 * 86_400_000 };
  return { tenant: 'acme', name, state: 'issued', message: 'The certificate is in use.', failures: 0, ...issued };
}

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('cert list', () => {
  const pages: Record<string, CertListResult> = {
    '': { names: [statusOf('a.example'), statusOf('b.example')], next: 'b.example' },
    'b.example': { names: [statusOf('c.example')] },
  };
  const answer = { 'cert-list': (params: unknown) => pages[(params as { after?: string }).after ?? ''] };

  test('shows every page of names', async () => {
    const { configFile, calls } = await startControlPeer(answer);
    const { exitCode, stdout, stderr } = await runTenantctl(['cert', 'list', '--config', configFile]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(calls.map(({ params }) => params)).toEqual([{}, { after: 'b.example' }]);
    for (const name of ['a', 'b', 'c'])
      expect(stdout).toMatch(new RegExp(`^  ${name}\\.example  valid  in (?:29|30) d .*\\n {6}issuer: tenantd local CA$`, 'm'));
    expect(stdout).toMatch(/\n\n3 names: 3 valid\n$/);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  test('--json prints them as one document, of one tenant when asked', async () => {
    const { configFile, calls } = await startControlPeer(answer);
    const { stdout } = await runTenantctl(['cert', 'list', 'acme', '--json', '--config', configFile]);
    const { names } = JSON.parse(stdout) as { names: NameStatus[] };
    expect(names.map(({ name, state }) => [name, state])).toEqual(['a', 'b', 'c'].map((name) => [`${name}.example`, 'issued']));
    expect(calls.map(({ params }) => params)).toEqual([{ tenant: 'acme' }, { tenant: 'acme', after: 'b.example' }]);
  });

  test('is coloured on a terminal', async () => {
    const { configFile } = await startControlPeer(answer);
    expect(await runInTerminal(['cert', 'list', '--config', configFile])).toContain('\u001b[32mvalid');
  });
});

describe('cert renew', () => {
  test('asks for a name in the form that the daemon knows, and says what is tried', async () => {
    const { configFile, calls } = await startControlPeer({ 'cert-renew': () => ({ names: ['xn--bcher-kva.example'] }) });
    const { exitCode, stdout } = await runTenantctl(['cert', 'renew', 'acme', 'Bücher.example', '--force', '--config', configFile]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '1 name tried now:\n  xn--bcher-kva.example\n' });
    expect(calls).toEqual([{ method: 'cert-renew', params: { tenant: 'acme', name: 'xn--bcher-kva.example', force: true } }]);
  });

  test('says so when there is nothing to try', async () => {
    const { configFile, calls } = await startControlPeer({ 'cert-renew': () => ({ names: [] }) });
    const args = ['cert', 'renew', 'acme', '--config', configFile];
    expect((await runTenantctl(args)).stdout).toMatch(/^nothing to try: .* --force .*\n/);
    expect(JSON.parse((await runTenantctl([...args, '--json'])).stdout)).toEqual({ names: [] });
    expect(calls[0]).toEqual({ method: 'cert-renew', params: { tenant: 'acme', force: false } });
  });

  test('tells what the daemon refuses, and a name that is none', async () => {
    const { configFile } = await startControlPeer({
      'cert-renew': () => {
        throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', 'there is no tenant acme', 'see tenantctl status');
      },
    });
    const refused = await runTenantctl(['cert', 'renew', 'acme', '--config', configFile]);
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: 'tenantctl: there is no tenant acme (TENANTD_E_NO_SUCH_TENANT)\n  fix: see tenantctl status\n',
    });
    const noName = await runTenantctl(['cert', 'renew', 'acme', 'a/b', '--json', '--config', configFile]);
    expect(noName.exitCode).toBe(1);
    expect(JSON.parse(noName.stdout)).toMatchObject({ error: { code: 'TENANTD_E_BAD_DOMAIN', message: '"a/b" must be a host name' } });
  });
});

describe('cert ca', () => {
  const ca: CertCaResult = {
    certificate: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    subject: 'CN=tenantd local CA',
    fingerprint: 'AB:CD',
    notAfterMs: 2_000_000_000_000,
    file: '/var/lib/tenantd/certs/local-ca/root.pem',
  };

  test('prints where it is and how to trust it', async () => {
    const { configFile } = await startControlPeer({ 'cert-ca': () => ca });
    const { exitCode, stdout } = await runTenantctl(['cert', 'ca', '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('  root         /var/lib/tenantd/certs/local-ca/root.pem\n');
    expect(stdout).toContain('update-ca-certificates');
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  test('--pem prints the certificate alone, --json all of it', async () => {
    const { configFile } = await startControlPeer({ 'cert-ca': () => ca });
    expect(await runTenantctl(['cert', 'ca', '--pem', '--config', configFile])).toEqual({
      exitCode: 0,
      stdout: ca.certificate,
      stderr: '',
    });
    expect(JSON.parse((await runTenantctl(['cert', 'ca', '--json', '--config', configFile])).stdout)).toEqual(ca);
  });
});
