import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { starterPlan } from '../../../src/config/plans.ts';
import { createTurns } from '../../../src/daemon/in-turn.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { createTemplateApplier } from '../../../src/daemon/template-apply.ts';
import { effective, planTemplate, type TemplatePlan } from '../../../src/daemon/template-plan.ts';
import { createTemplates } from '../../../src/daemon/templates.ts';
import type { Tenant } from '../../../src/daemon/tenant.ts';

const acme = 'acme' as TenantName;
let folder: string;
let store: Store;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'template-apply-'));
  store = openStore(`${folder}/state.db`, { first: 1_000, count: 10, isTaken: () => false });
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const pathsOf = () =>
  createPaths({ tenantsDir: `${folder}/tenants`, stateDir: `${folder}/state`, runDir: `${folder}/run`, logDir: `${folder}/log` });
const tenantFile = (path: string): string => `${folder}/tenants/acme/${path}`;

function write(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(`${folder}/${root}/${path}`), { recursive: true });
    writeFileSync(`${folder}/${root}/${path}`, text);
  }
}

const templates = () =>
  createTemplates({
    templatesDir: `${folder}/templates`,
    plans: () => ({ plans: new Map([['starter', starterPlan]]), defaultPlan: 'starter' }),
    store,
    owners: () => store.domainOwners(),
  });

const before = { 'apps/a/x': 'a1', 'apps/b/x': 'b1', 'pages/x': 'p1', 'gone/x': 'g1', 'tenant.yaml': 'domains: {{ domains }}\n' };
const after = {
  'apps/a/x': 'a2',
  'apps/b/x': 'b2',
  'apps/c/x': 'c2',
  'pages/x': 'p2',
  'tenant.yaml': 'domains: {{ domains }}\nidle: 1h\n',
};

async function make(files: Record<string, string>): Promise<void> {
  write('templates/web', files);
  mkdirSync(tenantFile(''), { recursive: true });
  await templates().writer.write('web', { tenant: acme, domains: ['acme.example'], plan: undefined, set: {} }, `${folder}/tenants/acme`);
}

async function plan(force = false): Promise<TemplatePlan> {
  const row = store.templates.get(acme);
  if (!row) throw new Error('no row');
  const template = await templates().read('web');
  return planTemplate(templates(), { tenant: acme, tenantDir: `${folder}/tenants/acme`, template, row, set: {}, force });
}

const shown = async (force = false): Promise<string[]> =>
  (await plan(force)).changes.map(({ kind, path, conflict }) => `${kind} ${path}${conflict === undefined ? '' : `: ${conflict}`}`);

function change(files: Record<string, string>): void {
  rmSync(`${folder}/templates/web`, { recursive: true });
  write('templates/web', files);
}

describe('what applying a template is', () => {
  test('nothing, right after the tenant was made', async () => {
    await make(before);
    expect(await shown()).toEqual([]);
  });

  test('what the template changed, added and took away', async () => {
    await make(before);
    change(after);
    expect(await shown()).toEqual([
      'change apps/a/x',
      'change apps/b/x',
      'add apps/c/x',
      'remove gone/x',
      'change pages/x',
      'change tenant.yaml',
    ]);
  });

  test('what both changed, and what the operator took away or put there first, is a conflict, and none with force', async () => {
    await make(before);
    change(after);
    write('tenants/acme', { 'apps/a/x': 'mine', 'apps/c/x': 'mine', 'gone/x': 'mine' });
    rmSync(tenantFile('apps/b/x'));
    expect(await shown()).toEqual([
      'change apps/a/x: it was changed since',
      'add apps/b/x: it was removed since',
      'change apps/c/x: it was there before',
      'remove gone/x: it was changed since',
      'change pages/x',
      'change tenant.yaml',
    ]);
    expect((await shown(true)).filter((line) => line.includes(':'))).toEqual([]);
    expect(effective(await plan()).map(({ path }) => path)).toEqual(['pages/x', 'tenant.yaml']);
  });

  test("the operator's change of a file that the template left alone is no conflict, and overwritten with force", async () => {
    await make(before);
    write('tenants/acme', { 'apps/a/x': 'mine' });
    expect(await shown()).toEqual([]);
    expect(await shown(true)).toEqual(['change apps/a/x']);
  });

  test('what is the same on both sides is done already', async () => {
    await make(before);
    change({ ...before, 'apps/a/x': 'a2' });
    write('tenants/acme', { 'apps/a/x': 'a2' });
    expect(await shown()).toEqual([]);
  });

  test('an app with releases is left alone, and what was written there is not forgotten', async () => {
    await make(before);
    change(after);
    mkdirSync(tenantFile('apps/a/releases'));
    const { changes, deployed, row } = await plan();
    expect(deployed).toEqual(['a']);
    expect(changes.map(({ path }) => path)).not.toContain('apps/a/x');
    expect(row.hashes['apps/a/x']).toBe(store.templates.get(acme)?.hashes['apps/a/x']);
  });

  test('a merged tenant.yaml that would be wrong is refused', async () => {
    await make(before);
    change({ ...before, 'tenant.yaml': 'domains: {{ domains }}\nplan: {{ plan }}\nidle: never\n' });
    write('tenants/acme', { 'tenant.yaml': 'domains: [acme.example]\nnonsense: 1\n' });
    await expect(plan()).rejects.toMatchObject({ code: 'TENANTD_E_UNKNOWN_KEY' });
  });
});

/** Dead: nothing is written any more, and no process comes back. */
function createApplier(options: { failsAt?: number; diesThen?: boolean } = {}) {
  const counter = `${folder}/calls`;
  const perl = `${folder}/perl`;
  writeFileSync(counter, '');
  writeFileSync(
    perl,
    `#!/bin/sh\nprintf x >>${counter}\n[ $(wc -c <${counter}) -eq ${(options.failsAt ?? 99) + 1} ] && exit 1\nexec perl "$@"\n`,
    {
      mode: 0o755,
    },
  );
  const rows = store.templates;
  const deadRows = {
    ...rows,
    begin: (...args: Parameters<typeof rows.begin>) => {
      if (args[1].backwards) throw new Error('dead');
      rows.begin(...args);
    },
  };
  return createTemplateApplier({
    ...{ paths: pathsOf(), perl, refresh: () => Promise.reject(new Error('nothing is refreshed')), inTurn: createTurns() },
    store: { templates: options.diesThen ? deadRows : rows },
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: (_, message) => expect.fail(message) },
  });
}

const tenant = { name: acme, picture: { problems: () => [] } } as unknown as Tenant;
const read = (path: string): string | undefined => (existsSync(tenantFile(path)) ? readFileSync(tenantFile(path), 'utf8') : undefined);
const everything = (): (string | undefined)[] => ['apps/a/x', 'apps/b/x', 'apps/c/x', 'pages/x', 'gone/x'].map(read);
const old = ['a1', 'b1', undefined, 'p1', 'g1'];
const next = ['a2', 'b2', 'c2', 'p2', undefined];

describe('whole or not at all', () => {
  // Two folders, a file and tenant.yaml change places with others.
  test.each([0, 1, 2, 3])('a daemon that is killed at change %i of four leaves what the next one finishes', async (failsAt) => {
    await make(before);
    change(after);
    await expect(createApplier({ failsAt, diesThen: true }).apply(tenant, await plan())).rejects.toThrow('dead');
    expect(existsSync(tenantFile('.template'))).toBe(true);
    await createApplier().takeUp();
    expect(everything()).toEqual(next);
    expect(read('tenant.yaml')).toContain('idle: 1h');
    expect([existsSync(tenantFile('.template')), store.templates.pending()]).toEqual([false, []]);
    expect(await shown()).toEqual([]);
  });

  test.each([0, 1, 2, 3])('when change %i of four can not be made, all is as it was', async (failsAt) => {
    await make(before);
    change(after);
    await expect(createApplier({ failsAt }).apply(tenant, await plan())).rejects.toMatchObject({ code: 'TENANTD_E_FILE_UNWRITABLE' });
    expect(everything()).toEqual(old);
    expect(read('tenant.yaml')).not.toContain('idle');
    expect([existsSync(tenantFile('.template')), store.templates.pending()]).toEqual([false, []]);
  });

  test('when what is new does not come to serve, all is as it was', async () => {
    await make(before);
    change(after);
    await expect(createApplier().apply(tenant, await plan())).rejects.toThrow('nothing is refreshed');
    expect(everything()).toEqual(old);
  });

  test('a daemon that is killed while it takes a change back leaves what the next one takes back', async () => {
    await make(before);
    change(after);
    const { row } = await plan();
    // It fails at the fourth change, and then at the first that it takes back.
    const applier = createApplier({ failsAt: 3, diesThen: true });
    await expect(applier.apply(tenant, await plan())).rejects.toThrow('dead');
    const [pending] = store.templates.pending();
    store.templates.begin(acme, { row, pieces: pending?.pieces ?? [], backwards: true });
    await createApplier().takeUp();
    expect(everything()).toEqual(old);
    expect([existsSync(tenantFile('.template')), store.templates.pending()]).toEqual([false, []]);
  });

  test('what was changed between the look and the change is not lost', async () => {
    await make(before);
    change(after);
    const planned = await plan();
    write('tenants/acme', { 'tenant.yaml': 'domains: [acme.example, new.example]\n' });
    await expect(createApplier().apply(tenant, planned)).rejects.toMatchObject({ code: 'TENANTD_E_BUSY' });
    expect(read('tenant.yaml')).toContain('new.example');
    expect(everything()).toEqual(old);
    expect(existsSync(tenantFile('.template'))).toBe(false);
  });
});
