import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { type DaemonConfig, parseDaemonConfig } from '../../../src/config/daemon-config.ts';
import { scanTenant, scanTenants } from '../../../src/config/scan.ts';
import { createFleet, type Fleet } from '../../../src/daemon/fleet.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const [acme, globex] = ['acme', 'globex'] as [TenantName, TenantName];
const acmeFile = 'domains: [acme.example, www.acme.example]\n';
const globexFile = 'domains: [globex.example]\n';

let folder: string;
let tenantsDir: string;
let store: Store;
let fleet: Fleet;

beforeEach(() => {
  folder = temporaryFolder();
  tenantsDir = join(folder, 'tenants');
  mkdirSync(tenantsDir);
  start();
  onTestFinished(() => store.close());
});

function start(config = daemonConfig()): void {
  store = openStore(join(folder, 'state.db'), { first: 200_000, count: 10, isTaken: () => false });
  fleet = createFleet(store, createPaths({ tenantsDir, stateDir: folder, runDir: folder, logDir: folder }), config);
}

/** As the daemon over the same state, and the same or another tenantd.yaml. */
function restart(config = daemonConfig()): void {
  store.close();
  start(config);
}

function daemonConfig(plans = 'plans: { starter: { memory: 256M }, large: { memory: 1G } }'): DaemonConfig {
  const { config, problems } = parseDaemonConfig(plans, '/etc/tenantd/tenantd.yaml');
  if (!config) throw new Error(JSON.stringify(problems));
  return config;
}

function write(tenant: string, text: string, ...apps: string[]): void {
  for (const app of ['', ...apps]) mkdirSync(join(tenantsDir, tenant, 'apps', app), { recursive: true });
  writeFileSync(join(tenantsDir, tenant, 'tenant.yaml'), text);
}

const rescan = async (): Promise<TenantName[]> => fleet.applyScan(await scanTenants(tenantsDir));
const refresh = async (tenant: TenantName): Promise<TenantName[]> => {
  const scan = await scanTenant(tenantsDir, tenant);
  return scan ? fleet.applyTenant(scan) : rescan();
};
const domainsOf = (tenant: TenantName): string[] | undefined => fleet.desired(tenant)?.domains.map(({ name }) => name);
const problemsOf = (tenant: TenantName): string[] | undefined => fleet.desired(tenant)?.problems.map(({ code }) => code);
const memoryOf = (tenant: TenantName): number | undefined => fleet.desired(tenant)?.config.limits.memoryBytes;

describe('a scan', () => {
  test('of an empty folder wants nothing', async () => {
    expect(await rescan()).toEqual([]);
    expect([fleet.names(), fleet.broken(), fleet.problems()]).toEqual([[], [], []]);
  });

  test('wants the tenants that it finds, with their domains and apps', async () => {
    write('globex', globexFile);
    write('acme', acmeFile, 'site', 'shop');
    expect(new Set(await rescan())).toEqual(new Set([acme, globex]));
    expect(fleet.names()).toEqual([acme, globex]);
    expect(domainsOf(acme)).toEqual(['acme.example', 'www.acme.example']);
    expect(fleet.desired(acme)?.apps.map(({ app }) => app)).toEqual(['shop', 'site']);
    expect(fleet.desired(acme)?.appsDirId).toMatch(/^\d+:\d+/);
    expect([problemsOf(acme), problemsOf(globex)]).toEqual([[], []]);
  });

  test('of unchanged folders changes nobody', async () => {
    write('acme', acmeFile, 'site');
    write('globex', 'domains: [acme.example, globex.example]');
    await rescan();
    expect([await rescan(), await rescan(), await refresh(acme), await refresh(globex)]).toEqual([[], [], [], []]);
  });

  test('changes exactly the tenants whose folders changed', async () => {
    for (let number = 0; number < 20; number++) write(`t${number}`, `domains: [t${number}.example]`, 'site');
    await rescan();
    write('t3', 'domains: [t3.example, www.t3.example]', 'site');
    write('t7', 'domains: [t7.example]', 'site', 'shop');
    rmSync(join(tenantsDir, 't11'), { recursive: true });
    write('t20', 'domains: [t20.example]');
    expect((await rescan()).sort()).toEqual(['t11', 't20', 't3', 't7']);
  });

  test('sees that another folder stands in the place of an app', async () => {
    write('acme', acmeFile, 'site');
    await rescan();
    const before = fleet.desired(acme)?.apps;
    const app = join(tenantsDir, 'acme/apps/site');
    renameSync(app, `${folder}/old`);
    mkdirSync(app);
    expect(await rescan()).toEqual([acme]);
    expect(fleet.desired(acme)?.apps).not.toEqual(before);
  });

  test('that can not tell what is there changes nothing, and shows its problem until it can again', async () => {
    write('acme', acmeFile, 'site');
    await rescan();
    const before = fleet.desired(acme);
    renameSync(tenantsDir, `${tenantsDir}.away`);
    expect(await rescan()).toEqual([]);
    expect(fleet.desired(acme)).toEqual(before);
    expect(fleet.problems()).toMatchObject([{ code: 'TENANTD_E_FILE_MISSING', file: tenantsDir }]);
    renameSync(`${tenantsDir}.away`, tenantsDir);
    expect(await rescan()).toEqual([]);
    expect(fleet.problems()).toEqual([]);
  });

  test('wants a tenant no more whose folder is gone, and wants it again when it comes back', async () => {
    write('acme', acmeFile);
    write('globex', globexFile);
    await rescan();
    renameSync(join(tenantsDir, 'acme'), join(folder, 'acme'));
    expect(await rescan()).toEqual([acme]);
    expect([fleet.desired(acme), fleet.names()]).toEqual([undefined, [globex]]);
    renameSync(join(folder, 'acme'), join(tenantsDir, 'acme'));
    expect(await refresh(acme)).toEqual([acme]);
    expect(domainsOf(acme)).toEqual(['acme.example', 'www.acme.example']);
  });

  test('of one tenant alone removes it when its folder is gone', async () => {
    write('acme', acmeFile);
    write('globex', globexFile);
    await rescan();
    rmSync(join(tenantsDir, 'acme'), { recursive: true });
    expect(await refresh(acme)).toEqual([acme]);
    expect(fleet.names()).toEqual([globex]);
  });
});

describe('a broken tenant.yaml', () => {
  const brokenFiles: [string, string, string][] = [
    ['with an unknown key', 'domains: [acme.example]\ndomians: []\n', 'TENANTD_E_UNKNOWN_KEY'],
    ['of no YAML', 'domains: [acme.example\n', 'TENANTD_E_YAML'],
    ['half written', 'domains:\n  - acme.example\n  - { name: www.acme.ex', 'TENANTD_E_YAML'],
    ['empty', '', 'TENANTD_E_FILE_EMPTY'],
    ['of white space and comments', '\n# soon\n\n', 'TENANTD_E_FILE_EMPTY'],
    ['of zeros', '\u0000'.repeat(512), 'TENANTD_E_YAML'],
    ['without domains', 'domains: []\n', 'TENANTD_E_INVALID_VALUE'],
    ['of a plan that is not there', 'domains: [acme.example]\nplan: huge\n', 'TENANTD_E_UNKNOWN_PLAN'],
  ];

  test.each(brokenFiles)('%s keeps the last good version, and its problem is shown', async (_, text, code) => {
    write('acme', acmeFile, 'site');
    write('globex', globexFile, 'site');
    await rescan();
    const before = fleet.desired(acme);
    write('acme', text, 'site');
    expect(await rescan()).toEqual([acme]);
    expect(fleet.desired(acme)).toEqual({ ...before, problems: [expect.objectContaining({ code, tenant: acme })] });
    expect([problemsOf(globex), fleet.broken()]).toEqual([[], []]);
  });

  test.each(brokenFiles)('%s keeps the last good version over a restart', async (_, text, code) => {
    write('acme', acmeFile, 'site');
    await rescan();
    const before = fleet.desired(acme);
    write('acme', text, 'site');
    restart();
    expect(await rescan()).toEqual([acme]);
    expect(fleet.desired(acme)).toEqual({ ...before, problems: [expect.objectContaining({ code })] });
  });

  test('is a problem of its own when it vanishes or is a folder, and the last good version stays', async () => {
    write('acme', acmeFile);
    await rescan();
    rmSync(join(tenantsDir, 'acme/tenant.yaml'));
    expect(await rescan()).toEqual([acme]);
    expect([domainsOf(acme), problemsOf(acme)]).toEqual([['acme.example', 'www.acme.example'], ['TENANTD_E_FILE_MISSING']]);
    mkdirSync(join(tenantsDir, 'acme/tenant.yaml'));
    restart();
    await rescan();
    expect([domainsOf(acme), problemsOf(acme)]).toEqual([['acme.example', 'www.acme.example'], ['TENANTD_E_FILE_NOT_PLAIN']]);
  });

  test('does not hide what changed beside it: a new app is wanted', async () => {
    write('acme', acmeFile, 'site');
    await rescan();
    write('acme', 'domains: [', 'site', 'shop');
    await rescan();
    expect(fleet.desired(acme)?.apps.map(({ app }) => app)).toEqual(['shop', 'site']);
  });

  test('is forgotten when a good one comes, which is the last good one then', async () => {
    for (const text of [acmeFile, 'domains: [', 'domains: [new.example]', ': :']) {
      write('acme', text);
      await refresh(acme);
    }
    expect(domainsOf(acme)).toEqual(['new.example']);
    restart();
    await rescan();
    expect(domainsOf(acme)).toEqual(['new.example']);
  });

  test('of a tenant of which nothing good is known makes it broken, and nothing of it wanted', async () => {
    write('acme', 'domains: [');
    write('globex', globexFile);
    expect(await rescan()).toEqual([globex]);
    expect(fleet.desired(acme)).toBeUndefined();
    expect(fleet.broken()).toMatchObject([{ name: acme, problems: [{ code: 'TENANTD_E_YAML', tenant: acme, line: 1 }] }]);
    write('acme', acmeFile);
    expect(await rescan()).toEqual([acme]);
    expect([fleet.names(), fleet.broken()]).toEqual([[acme, globex], []]);
  });
});

describe('a domain', () => {
  const both = 'domains: [shared.example, globex.example]';

  test('stays with who had it, and the later claim is a problem of the later tenant only', async () => {
    write('globex', both);
    await rescan();
    write('acme', 'domains: [acme.example, shared.example]');
    expect(await rescan()).toEqual([acme]);
    expect([domainsOf(acme), problemsOf(acme)]).toEqual([['acme.example'], ['TENANTD_E_DOMAIN_TAKEN']]);
    expect([domainsOf(globex), problemsOf(globex)]).toEqual([['shared.example', 'globex.example'], []]);
    expect(fleet.desired(acme)?.problems).toMatchObject([{ tenant: acme, file: join(tenantsDir, 'acme/tenant.yaml'), line: 1 }]);
  });

  test.each([
    ['all as before', both],
    ['its file broken meanwhile', 'domains: ['],
    ['its file empty', ''],
  ])('stays with who had it over a restart, %s', async (_, text) => {
    write('globex', both);
    await rescan();
    write('acme', 'domains: [acme.example, shared.example]');
    write('globex', text);
    restart();
    await rescan();
    expect([domainsOf(acme), problemsOf(acme)]).toEqual([['acme.example'], ['TENANTD_E_DOMAIN_TAKEN']]);
    expect(domainsOf(globex)).toEqual(['shared.example', 'globex.example']);
  });

  test('stays with who had it when that tenant is looked at last', async () => {
    write('globex', both);
    await rescan();
    write('acme', 'domains: [acme.example, shared.example]');
    restart();
    expect(await refresh(globex)).toEqual([globex]);
    expect(await refresh(acme)).toEqual([acme]);
    expect(domainsOf(globex)).toContain('shared.example');
    expect(problemsOf(acme)).toEqual(['TENANTD_E_DOMAIN_TAKEN']);
  });

  test('goes to the other when it is given up, and that other is changed, too', async () => {
    write('globex', both);
    await rescan();
    write('acme', 'domains: [acme.example, shared.example]');
    await rescan();
    write('globex', globexFile);
    expect((await refresh(globex)).sort()).toEqual([acme, globex]);
    expect([domainsOf(acme), problemsOf(acme)]).toEqual([['acme.example', 'shared.example'], []]);
    write('globex', both);
    expect(await refresh(globex)).toEqual([globex]);
    expect([domainsOf(globex), problemsOf(globex)]).toEqual([['globex.example'], ['TENANTD_E_DOMAIN_TAKEN']]);
  });

  test('goes to the other when the folder of its tenant is gone', async () => {
    write('acme', 'domains: [shared.example]');
    write('globex', both);
    await rescan();
    rmSync(join(tenantsDir, 'acme'), { recursive: true });
    expect((await refresh(acme)).sort()).toEqual([acme, globex]);
    expect([domainsOf(globex), problemsOf(globex)]).toEqual([['shared.example', 'globex.example'], []]);
  });

  test('is remembered as soon as it is told', async () => {
    write('globex', both);
    await rescan();
    expect(store.domainOwners()).toEqual(
      new Map([
        ['shared.example', globex],
        ['globex.example', globex],
      ]),
    );
  });

  test('below the wildcard of another is known to the tenant of the wildcard, and to nobody else', async () => {
    write('acme', 'domains: ["*.shops.example"]');
    write('globex', 'domains: [one.shops.example, globex.example]');
    write('initech', 'domains: [initech.example]');
    await rescan();
    expect(fleet.desired(acme)?.owners).toEqual(
      new Map([
        ['*.shops.example', acme],
        ['one.shops.example', globex],
      ]),
    );
    expect([...(fleet.desired('initech' as TenantName)?.owners.keys() ?? [])]).toEqual(['initech.example']);
    write('globex', globexFile);
    expect((await rescan()).sort()).toEqual([acme, globex]);
  });
});

describe('plans', () => {
  const megabytes = 1 << 20;

  test('that change change the limits of their own tenants, and nobody else', async () => {
    write('acme', `${acmeFile}plan: large\n`);
    write('globex', globexFile);
    write('initech', 'domains: [initech.example]\nplan: large\nlimits: { memory: 64M }\n');
    await rescan();
    expect([memoryOf(acme), memoryOf(globex)]).toEqual([1_024 * megabytes, 256 * megabytes]);
    expect(fleet.setPlans(daemonConfig('plans: { starter: { memory: 256M }, large: { memory: 2G } }'))).toEqual([acme]);
    expect([memoryOf(acme), memoryOf(globex), memoryOf('initech' as TenantName)]).toEqual([2_048, 256, 64].map((size) => size * megabytes));
  });

  test('that are the same change nobody', async () => {
    write('acme', acmeFile);
    await rescan();
    expect(fleet.setPlans(daemonConfig())).toEqual([]);
  });

  test('by default are those of tenants that name none', async () => {
    write('acme', acmeFile);
    write('globex', `${globexFile}plan: starter\n`);
    await rescan();
    const config = daemonConfig('{ plans: { starter: { memory: 256M }, large: { memory: 1G } }, defaultPlan: large }');
    expect(fleet.setPlans(config)).toEqual([acme]);
    expect(fleet.desired(acme)?.config.plan).toBe('large');
  });

  test('that change count for a tenant with a broken file, too', async () => {
    write('acme', acmeFile);
    await rescan();
    write('acme', 'domains: [');
    await rescan();
    expect(fleet.setPlans(daemonConfig('plans: { starter: { memory: 512M } }'))).toEqual([acme]);
    expect([memoryOf(acme), problemsOf(acme)]).toEqual([512 * megabytes, ['TENANTD_E_YAML']]);
  });

  test('that go away leave their tenants running with the limits they had, and a problem', async () => {
    write('acme', `${acmeFile}plan: large\n`);
    write('globex', globexFile);
    await rescan();
    const before = fleet.desired(acme);
    expect(fleet.setPlans(daemonConfig('plans: { starter: { memory: 256M } }'))).toEqual([acme]);
    expect(fleet.desired(acme)).toEqual({ ...before, problems: [expect.objectContaining({ code: 'TENANTD_E_UNKNOWN_PLAN' })] });
    expect(await rescan()).toEqual([]);
    expect(fleet.setPlans(daemonConfig())).toEqual([acme]);
    expect(fleet.desired(acme)).toEqual(before);
  });

  test('that went away while the daemon was down leave their tenants running, within the built-in plan', async () => {
    write('acme', `${acmeFile}plan: large\n`);
    await rescan();
    restart(daemonConfig('plans: { tiny: { memory: 64M } }\ndefaultPlan: tiny'));
    await rescan();
    expect([domainsOf(acme), memoryOf(acme)]).toEqual([['acme.example', 'www.acme.example'], 256 * megabytes]);
    expect(problemsOf(acme)).toEqual(['TENANTD_E_UNKNOWN_PLAN']);
  });
});

test('a state store that can not be written takes nothing from anybody, and is a problem', async () => {
  write('acme', acmeFile);
  await rescan();
  const other = new DatabaseSync(join(folder, 'state.db'));
  onTestFinished(() => other.close());
  other.exec("CREATE TRIGGER full BEFORE INSERT ON configs BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
  write('globex', globexFile);
  write('acme', 'domains: [acme.example]\n');
  expect((await rescan()).sort()).toEqual([acme, globex]);
  expect([domainsOf(acme), problemsOf(acme)]).toEqual([['acme.example'], ['TENANTD_E_STATE']]);
});

describe('while the owners of domains can not be written', () => {
  let other: DatabaseSync;

  beforeEach(async () => {
    write('acme', acmeFile);
    await rescan();
    other = new DatabaseSync(join(folder, 'state.db'));
    onTestFinished(() => other.close());
    other.exec("CREATE TRIGGER full BEFORE INSERT ON domains BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
    write('globex', globexFile);
    await rescan();
  });

  test('a domain that is new is not given, and what was given stays', () => {
    expect([domainsOf(acme), domainsOf(globex)]).toEqual([['acme.example', 'www.acme.example'], []]);
    expect([fleet.isOwing(), fleet.problems().map(({ code }) => code)]).toEqual([true, ['TENANTD_E_STATE']]);
  });

  test('another tenant that changes is changed all the same', async () => {
    write('acme', 'domains: [acme.example]\n');
    expect(await refresh(acme)).toEqual([acme]);
    expect([domainsOf(acme), domainsOf(globex)]).toEqual([['acme.example'], []]);
  });

  test('the rest follows with the next scan after they can', async () => {
    other.exec('DROP TRIGGER full');
    expect(await rescan()).toEqual([globex]);
    expect([domainsOf(globex), fleet.isOwing(), fleet.problems()]).toEqual([['globex.example'], false, []]);
    restart();
    await rescan();
    expect([store.domainOwners().get('globex.example'), domainsOf(globex)]).toEqual([globex, ['globex.example']]);
  });
});

test('a file that is as it was is not read again, and nobody is told of it', async () => {
  for (const name of ['acme', 'globex']) write(name, name === 'acme' ? acmeFile : globexFile, 'site');
  await rescan();
  const before = [fleet.desired(acme), fleet.desired(globex)];
  expect(await rescan()).toEqual([]);
  expect(fleet.desired(acme)).toBe(before[0]);
  write('globex', 'domains: [globex.example, new.example]\n', 'site');
  expect(await refresh(globex)).toEqual([globex]);
  expect([fleet.desired(acme), domainsOf(globex)]).toEqual([before[0], ['globex.example', 'new.example']]);
});

describe('a tenant that an operator marked', () => {
  const mark = (name: 'suspended' | 'removing' | 'purging') => store.marks.set(acme, { mark: name, sinceMs: 0, by: 'operator' });

  test('is suspended, with all that it has, until the mark is gone', async () => {
    write('acme', acmeFile, 'site');
    write('globex', globexFile);
    await rescan();
    mark('suspended');
    expect(fleet.remark()).toEqual([acme]);
    expect([fleet.desired(acme)?.suspended, domainsOf(acme)]).toEqual([true, ['acme.example', 'www.acme.example']]);
    expect(fleet.remark()).toEqual([]);
    restart();
    await rescan();
    expect(fleet.desired(acme)?.suspended).toBe(true);
    store.marks.remove(acme, 'suspended');
    expect(fleet.remark()).toEqual([acme]);
    expect(fleet.desired(acme)?.suspended).toBe(false);
  });

  test.each(['removing', 'purging'] as const)('is not wanted while it is %s, and keeps its domains from others', async (name) => {
    write('acme', acmeFile);
    await rescan();
    mark(name);
    expect(fleet.remark()).toEqual([acme]);
    write('globex', 'domains: [acme.example, globex.example]');
    await rescan();
    expect([fleet.desired(acme), fleet.names(), domainsOf(globex)]).toEqual([undefined, [globex], ['globex.example']]);
    expect(problemsOf(globex)).toEqual(['TENANTD_E_DOMAIN_TAKEN']);
    expect(fleet.filesOf(acme)?.domains.length).toBe(2);
    rmSync(join(tenantsDir, 'acme'), { recursive: true });
    await rescan();
    expect(domainsOf(globex)).toEqual(['acme.example', 'globex.example']);
  });

  test('lends nothing', async () => {
    write('acme', `${acmeFile}grants: [{ to: globex, path: /data/shared, access: read }]\n`);
    write('globex', globexFile);
    await rescan();
    expect(fleet.desired(globex)?.sharedBy).toEqual([acme]);
    mark('suspended');
    expect(new Set(fleet.remark())).toEqual(new Set([acme, globex]));
    expect(fleet.desired(globex)?.sharedBy).toEqual([]);
  });

  test('whose name is used again is remembered with its own file, though it is the same text', async () => {
    write('acme', acmeFile);
    await rescan();
    rmSync(join(tenantsDir, 'acme'), { recursive: true });
    await rescan();
    store.forgetTenant(acme);
    fleet.forget(acme);
    write('acme', acmeFile);
    await rescan();
    expect(store.configTextOf(acme)).toBe(acmeFile);
  });
});
