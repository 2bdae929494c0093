import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.ts';
import { temporaryFolder, writeConfiguration } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

/** A configuration with the tenant acme, and its app site. */
function writeTenant(tenantYaml: string): string {
  const { configFile } = writeConfiguration(temporaryFolder());
  const site = join(dirname(configFile), 'tenants/acme/apps/site');
  mkdirSync(site, { recursive: true });
  writeFileSync(join(site, 'index.html'), 'hello');
  writeFileSync(join(dirname(configFile), 'tenants/acme/tenant.yaml'), tenantYaml);
  return configFile;
}

describe('check', () => {
  test('is content with a good configuration', async () => {
    const configFile = writeTenant('domains: [acme.example]\n');
    expect(await runTenantctl(['check', dirname(configFile)])).toEqual({
      exitCode: 0,
      stdout: '1 tenant, 1 app: no problems\n',
      stderr: '',
    });
  });

  test('tells place, code and fix of each problem, and exits with 1', async () => {
    const configFile = writeTenant('domains: [acme.example]\ncolour: blue\n');
    const { exitCode, stdout, stderr } = await runTenantctl(['check', dirname(configFile)]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    const file = `${dirname(configFile)}/tenants/acme/tenant.yaml`;
    const [problem, fix, count, ...rest] = stdout.split('\n');
    expect(problem?.startsWith(`${file}:2:1  TENANTD_E_UNKNOWN_KEY  `)).toBe(true);
    expect(fix).toMatch(/^ {4}fix: ./);
    expect([count, ...rest]).toEqual(['1 tenant, 1 app: 1 problem', '']);
  });

  test('looks where the configuration file is, when no folder is named', async () => {
    const configFile = writeTenant('domains: [acme.example]\ncolour: blue\n');
    const { exitCode, stdout } = await runTenantctl(['check', '--json'], { TENANTD_CONFIG: configFile });
    expect(exitCode).toBe(1);
    const problem = { code: 'TENANTD_E_UNKNOWN_KEY', line: 2, column: 1, message: expect.any(String), fix: expect.any(String) };
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, problems: [problem] });
  });

  test('judges a certificate: its key, its time and its names', async () => {
    const configFile = writeTenant('domains: [acme.example]\ntls: { certificate: a.pem, key: a.key }\n');
    const [right, other] = [makeCertificate(['acme.example']), makeCertificate(['other.example'])];
    const checked = async (chain: string, key: string): Promise<{ exitCode: number | null; told: string[] }> => {
      for (const [file, text] of [['a.pem', chain] as const, ['a.key', key] as const])
        writeFileSync(join(dirname(configFile), 'tenants/acme', file), text);
      const { exitCode, stdout } = await runTenantctl(['check', '--json', dirname(configFile)]);
      const { problems } = JSON.parse(stdout) as { problems: { code: string; message: string }[] };
      return { exitCode, told: problems.map(({ code, message }) => `${code} ${message}`) };
    };
    expect(await checked(right.chain, right.key)).toEqual({ exitCode: 0, told: [] });
    expect(await checked(other.chain, right.key)).toEqual({
      exitCode: 1,
      told: [
        'TENANTD_E_CERTIFICATE `tls.certificate`, a.pem: the key is not that of the certificate',
        'TENANTD_E_CERTIFICATE `tls.certificate`, a.pem: the certificate does not cover "acme.example"',
      ],
    });
  });

  test('with --json says ok, and where everything is', async () => {
    const configFile = writeTenant('domains: [acme.example]\n');
    const { exitCode, stdout } = await runTenantctl(['--json', 'check', '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      problems: [],
      directories: { run: expect.stringMatching('^/') as string },
      userPrefix: 'tnt-',
    });
  });

  test('a folder that is not there is a problem', async () => {
    const { exitCode, stdout } = await runTenantctl(['check', '/nonexistent']);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^\/nonexistent {2}TENANTD_E_FILE_MISSING {2}/);
  });
});
