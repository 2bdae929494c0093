import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isTenantName, type TenantName } from '../../../src/base/ids.ts';
import { limits, scanTenant, scanTenants } from '../../../src/config/scan.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-scan-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function name(text: string): TenantName {
  if (!isTenantName(text)) throw new Error(text);
  return text;
}

function addTenant(tenant: string, ...apps: string[]): string {
  const folder = join(dir, tenant);
  mkdirSync(join(folder, 'apps'), { recursive: true });
  writeFileSync(join(folder, 'tenant.yaml'), `domains: [${tenant}.example]\n`);
  for (const app of apps) mkdirSync(join(folder, 'apps', app));
  return folder;
}

describe('a folder of tenants', () => {
  test('gives their names, files and apps in order', async () => {
    addTenant('globex', 'shop', 'api');
    addTenant('acme');
    const { ok, tenants, problems } = await scanTenants(dir);
    expect({ ok, problems }).toEqual({ ok: true, problems: [] });
    expect(tenants.map(({ name, apps, text, problems }) => ({ name, apps, text, problems }))).toEqual([
      { name: 'acme', apps: [], text: 'domains: [acme.example]\n', problems: [] },
      { name: 'globex', apps: ['api', 'shop'], text: 'domains: [globex.example]\n', problems: [] },
    ]);
  });

  test('may hold files and hidden folders, which are nobody', async () => {
    writeFileSync(join(dir, 'README.md'), '');
    mkdirSync(join(dir, '.git'));
    expect(await scanTenants(dir)).toEqual({ ok: true, tenants: [], problems: [] });
  });

  test('that is not there is not the same as an empty one', async () => {
    const { ok, problems } = await scanTenants(join(dir, 'nothing'));
    expect(ok).toBe(false);
    expect(problems).toMatchObject([{ code: 'TENANTD_E_FILE_MISSING', file: join(dir, 'nothing') }]);
  });

  test('that is a file can not be told', async () => {
    writeFileSync(join(dir, 'file'), '');
    expect(await scanTenants(join(dir, 'file'))).toMatchObject({ ok: false, problems: [{ code: 'TENANTD_E_FILE_UNREADABLE' }] });
  });

  test('with 10,000 bad names has one problem, and its tenants go on', async () => {
    for (let i = 0; i < 10_000; i++) mkdirSync(join(dir, `Junk ${i}`));
    addTenant('acme');
    const { ok, tenants, problems } = await scanTenants(dir);
    expect(ok).toBe(true);
    expect(tenants.map(({ name }) => name)).toEqual(['acme']);
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_BAD_NAME', message: '"Junk 0", "Junk 1", "Junk 10" and 9,997 more are no tenant names', file: dir },
    ]);
  });

  test('with more tenants than the limit changes nothing of what runs', async () => {
    for (let i = 0; i <= limits.tenants; i++) mkdirSync(join(dir, `t${i}`));
    const { ok, problems } = await scanTenants(dir);
    expect(ok).toBe(false);
    expect(problems).toMatchObject([{ code: 'TENANTD_E_TOO_MANY', message: 'there are 4,097 tenants, more than 4,096' }]);
  });

  test('with a bad name that would act on a terminal shows it harmless', async () => {
    mkdirSync(join(dir, 'x\u001b[2J'));
    const { problems } = await scanTenants(dir);
    expect(problems[0]?.message).toBe('"x\\u{1b}[2J" is no tenant name');
  });

  test('with a link named like a tenant does not follow it', async () => {
    const elsewhere = addTenant('acme');
    symlinkSync(elsewhere, join(dir, 'globex'));
    const { tenants, problems } = await scanTenants(dir);
    expect(tenants.map(({ name }) => name)).toEqual(['acme']);
    expect(problems).toMatchObject([{ code: 'TENANTD_E_BAD_PATH', message: '"globex" is a link, which is not followed' }]);
    expect(await scanTenant(dir, name('globex'))).toBeUndefined();
  });
});

describe('tenant.yaml', () => {
  const codesOf = async (tenant: string): Promise<string[] | undefined> =>
    (await scanTenant(dir, name(tenant)))?.problems.map(({ code }) => code);

  test('that is missing is a problem of this tenant only', async () => {
    rmSync(join(addTenant('acme'), 'tenant.yaml'));
    addTenant('globex');
    const { tenants } = await scanTenants(dir);
    expect(tenants[0]?.problems).toMatchObject([
      { code: 'TENANTD_E_FILE_MISSING', tenant: 'acme', file: join(dir, 'acme', 'tenant.yaml') },
    ]);
    expect(tenants[0]).not.toHaveProperty('text');
    expect(tenants[1]?.problems).toEqual([]);
  });

  test('that is empty is not read as an empty configuration', async () => {
    writeFileSync(join(addTenant('acme'), 'tenant.yaml'), '');
    expect(await codesOf('acme')).toEqual(['TENANTD_E_FILE_EMPTY']);
  });

  test('that is a link is not followed', async () => {
    const folder = addTenant('acme');
    renameSync(join(folder, 'tenant.yaml'), join(folder, 'real.yaml'));
    symlinkSync('real.yaml', join(folder, 'tenant.yaml'));
    expect(await codesOf('acme')).toEqual(['TENANTD_E_FILE_NOT_PLAIN']);
  });

  test('that is a FIFO is refused at once', async () => {
    const folder = addTenant('acme');
    rmSync(join(folder, 'tenant.yaml'));
    execFileSync('mkfifo', [join(folder, 'tenant.yaml')]);
    expect(await codesOf('acme')).toEqual(['TENANTD_E_FILE_NOT_PLAIN']);
  });

  test('that is a folder is refused', async () => {
    const folder = addTenant('acme');
    rmSync(join(folder, 'tenant.yaml'));
    mkdirSync(join(folder, 'tenant.yaml'));
    expect(await codesOf('acme')).toEqual(['TENANTD_E_FILE_NOT_PLAIN']);
  });

  test('that is binary is refused', async () => {
    writeFileSync(join(addTenant('acme'), 'tenant.yaml'), Buffer.from([0xff, 0xfe, 0x00, 0x80]));
    writeFileSync(join(addTenant('globex'), 'tenant.yaml'), 'domains: [a\0b]');
    expect(await codesOf('acme')).toEqual(['TENANTD_E_YAML']);
    expect(await codesOf('globex')).toEqual(['TENANTD_E_YAML']);
  });

  test('over its size limit is refused', async () => {
    writeFileSync(join(addTenant('acme'), 'tenant.yaml'), '#'.repeat(limits.fileBytes + 1));
    expect(await codesOf('acme')).toEqual(['TENANTD_E_FILE_TOO_LARGE']);
  });

  test('that is fine gives the text without a byte order mark', async () => {
    writeFileSync(join(addTenant('acme'), 'tenant.yaml'), '\ufeffdomains: [a.example]');
    expect((await scanTenant(dir, name('acme')))?.text).toBe('domains: [a.example]');
  });
});

describe('apps', () => {
  test('of a tenant without the folder are none', async () => {
    rmSync(join(addTenant('acme'), 'apps'), { recursive: true });
    expect(await scanTenant(dir, name('acme'))).toMatchObject({ apps: [], appsDirId: '', problems: [] });
  });

  test('in a linked folder can not be told', async () => {
    const folder = addTenant('acme', 'site');
    renameSync(join(folder, 'apps'), join(folder, 'elsewhere'));
    symlinkSync('elsewhere', join(folder, 'apps'));
    const scan = await scanTenant(dir, name('acme'));
    expect(scan).not.toHaveProperty('apps');
    expect(scan?.problems).toMatchObject([{ code: 'TENANTD_E_FILE_NOT_PLAIN', file: join(folder, 'apps') }]);
  });

  test('with bad names and links are problems, the others are there', async () => {
    const folder = addTenant('acme', 'site', 'Blog', '1st');
    symlinkSync('site', join(folder, 'apps', 'copy'));
    writeFileSync(join(folder, 'apps', 'notes.txt'), '');
    const scan = await scanTenant(dir, name('acme'));
    expect(scan?.apps).toEqual(['site']);
    expect(scan?.problems).toMatchObject([
      { code: 'TENANTD_E_BAD_NAME', message: '"1st", "Blog" are no app names', tenant: 'acme' },
      { code: 'TENANTD_E_BAD_PATH', message: '"copy" is a link, which is not followed' },
    ]);
  });

  test('over the limit can not be told', async () => {
    addTenant('acme', ...Array.from({ length: 65 }, (_, i) => `a${i}`));
    const scan = await scanTenant(dir, name('acme'));
    expect(scan).not.toHaveProperty('apps');
    expect(scan?.problems).toMatchObject([{ code: 'TENANTD_E_TOO_MANY', message: 'there are 65 apps, more than 64' }]);
  });

  test('put in the place of others of the same name are told apart', async () => {
    const folder = addTenant('acme', 'site');
    const before = await scanTenant(dir, name('acme'));
    renameSync(join(folder, 'apps', 'site'), join(folder, 'old'));
    mkdirSync(join(folder, 'apps', 'site'));
    const after = await scanTenant(dir, name('acme'));
    expect([...(after?.folderIds.keys() ?? [])]).toEqual(['site']);
    expect(after?.folderIds).not.toEqual(before?.folderIds);
    expect(after?.appsDirId).toBe(before?.appsDirId);
  });
});

describe('the current release', () => {
  const id = '20261121-133405-x7k2';

  function addRelease(link: string): void {
    const folder = addTenant('acme', 'site');
    mkdirSync(join(folder, 'apps', 'site', 'releases', id), { recursive: true });
    symlinkSync(link, join(folder, 'apps', 'site', 'current'));
  }

  test('is told by the link, and is another thing to run than its folder', async () => {
    addRelease(`releases/${id}`);
    const scan = await scanTenant(dir, name('acme'));
    expect([...(scan?.releases ?? [])]).toEqual([['site', id]]);
    expect([...(scan?.folderIds ?? [])]).toEqual([['site', id]]);
  });

  test.each(['releases/20261121-133405-gone', '/etc', '../other', `./releases/${id}`])(
    'is the folder itself with a link to %s',
    async (link) => {
      addRelease(link);
      const scan = await scanTenant(dir, name('acme'));
      expect([...(scan?.releases ?? [])]).toEqual([['site', 'local']]);
    },
  );

  test('is no release that is a link itself', async () => {
    const folder = addTenant('acme', 'site');
    mkdirSync(join(folder, 'apps', 'site', 'releases'));
    symlinkSync('/etc', join(folder, 'apps', 'site', 'releases', id));
    symlinkSync(`releases/${id}`, join(folder, 'apps', 'site', 'current'));
    const scan = await scanTenant(dir, name('acme'));
    expect([...(scan?.releases ?? [])]).toEqual([['site', 'local']]);
  });
});

test('a tenant whose folder is gone is none', async () => {
  expect(await scanTenant(dir, name('acme'))).toBeUndefined();
});
