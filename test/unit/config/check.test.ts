import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkDirectory } from '../../../src/config/check.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-check-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
}

/** As `file:line code`, with files relative to the folder. */
async function toldOf(path: string): Promise<string[]> {
  const { problems } = await checkDirectory(path);
  return problems.map(({ file, line, code }) => `${file?.replace(`${dir}/`, '')}:${line} ${code}`);
}

describe('a folder with tenantd.yaml', () => {
  test('without a fault says how much was read', async () => {
    write({
      'tenantd.yaml': `tenantsDir: ${dir}/tenants\n`,
      'tenants/acme/tenant.yaml': 'domains: [acme.example]\n',
      'tenants/acme/apps/site/index.html': '',
      'tenants/globex/tenant.yaml': 'domains: [globex.example]\n',
    });
    expect(await checkDirectory(dir)).toEqual({ problems: [], tenants: 2, apps: 1 });
  });

  test('reads the current release of an app, and shows its file', async () => {
    const release = 'tenants/acme/apps/site/releases/20261121-133405-x7k2';
    write({
      'tenantd.yaml': `tenantsDir: ${dir}/tenants\n`,
      'tenants/acme/tenant.yaml': 'domains: [acme.example]\n',
      'tenants/acme/apps/site/app.yaml': 'kind: nobody reads this\n',
      [`${release}/app.yaml`]: 'root: .\nroutes:\n  - globex.example/\n',
    });
    symlinkSync('releases/20261121-133405-x7k2', join(dir, 'tenants/acme/apps/site/current'));
    expect(await toldOf(dir)).toEqual([`${release}/app.yaml:3 TENANTD_E_FOREIGN_HOST`]);
  });

  test('has every problem of all files told, by file and line', async () => {
    write({
      'tenantd.yaml': `tenantsDir: ${dir}/tenants\nconsole: { listen: 127.0.0.1:9700 }\n`,
      'tenants/acme/tenant.yaml': 'domains: [acme.example]\nplan: gold\n',
      'tenants/acme/apps/site/app.yaml': 'kind: node\n',
      'tenants/globex/tenant.yaml': 'domains:\n  - globex.example\n',
      'tenants/globex/apps/blog/app.yaml': 'root: .\nroutes:\n  - globex.example/blog\n  - initech.example/\n',
      'tenants/initech/tenant.yaml': 'domains:\n  - initech.example\n  - globex.example\n',
      'tenants/initech/apps/site/index.html': '',
    });
    expect(await toldOf(dir)).toEqual([
      'tenantd.yaml:2 TENANTD_E_NOT_SUPPORTED',
      'tenants/acme/apps/site/app.yaml:1 TENANTD_E_NO_ENTRY',
      'tenants/acme/tenant.yaml:2 TENANTD_E_UNKNOWN_PLAN',
      'tenants/globex/apps/blog/app.yaml:4 TENANTD_E_FOREIGN_HOST',
      'tenants/initech/tenant.yaml:3 TENANTD_E_DOMAIN_TAKEN',
    ]);
  });

  test('has certificates that can not be read told, and others judged by whoever can', async () => {
    write({
      'tenantd.yaml': `tenantsDir: ${dir}/tenants\n`,
      'tenants/acme/tenant.yaml': 'domains: [acme.example]\ntls: { certificate: a.pem, key: a.key }\n',
      'tenants/acme/a.pem': 'chain',
      'tenants/acme/a.key': 'key',
      'tenants/globex/tenant.yaml': 'domains: [globex.example]\ntls:\n  certificate: g.pem\n  key: g.key\n',
      'tenants/globex/g.pem': 'chain',
      'tenants/initech/tenant.yaml': `domains: [initech.example]\ntls: { certificate: ${dir}/tenants/acme/a.pem, key: i.key }\n`,
    });
    const judged: unknown[] = [];
    const { problems } = await checkDirectory(dir, (text, names) => {
      judged.push([text, names]);
      return ['it is no good'];
    });
    expect(judged).toEqual([[{ chain: 'chain', key: 'key' }, ['acme.example']]]);
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_CERTIFICATE', message: '`tls.certificate`, a.pem: it is no good', line: 2, tenant: 'acme' },
      {
        code: 'TENANTD_E_FILE_MISSING',
        message: `\`tls.key\`, ${dir}/tenants/globex/g.key: the file is not there`,
        line: 3,
        tenant: 'globex',
      },
      { code: 'TENANTD_E_BAD_PATH', line: 2, tenant: 'initech' },
    ]);
  });

  test('that is broken has its problems told', async () => {
    write({ 'tenantd.yaml': 'tenantsDirs: /x\n' });
    expect(await toldOf(dir)).toEqual(['tenantd.yaml:1 TENANTD_E_UNKNOWN_KEY']);
  });
});

describe('a folder without tenantd.yaml', () => {
  test('is one of tenants, of any plan', async () => {
    write({ 'acme/tenant.yaml': 'domains: [a.example]\nplan: gold\n', 'acme/apps/site/index.html': '', 'README.md': '' });
    expect(await checkDirectory(dir)).toEqual({ problems: [], tenants: 1, apps: 1 });
  });

  test('is one tenant when it has a tenant.yaml', async () => {
    write({ 'acme/tenant.yaml': 'domains: [a.example]\nidle: soon\n', 'acme/apps/site/index.html': '' });
    expect(await checkDirectory(join(dir, 'acme'))).toMatchObject({ problems: [{ line: 2, column: 7 }], tenants: 1, apps: 1 });
  });

  test('that is one tenant has to have a name', async () => {
    write({ 'Acme Inc/tenant.yaml': 'domains: [a.example]\n' });
    expect(await checkDirectory(join(dir, 'Acme Inc'))).toMatchObject({ problems: [{ code: 'TENANTD_E_BAD_NAME' }] });
  });

  test('that is not there is a problem', async () => {
    expect(await checkDirectory(join(dir, 'nothing'))).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_MISSING' }] });
  });
});
