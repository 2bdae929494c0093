import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Watch, watchDaemonConfig, watchTenants } from '../../../src/config/watch.ts';

/** "A change takes effect within a second of the last write." */
const promisedMs = 1_000;

let root: string;
let tenantsDir: string;
let told: string[];
let watches: Watch[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantd-watch-'));
  tenantsDir = join(root, 'srv', 'tenants');
  mkdirSync(tenantsDir, { recursive: true });
  told = [];
  watches = [];
});
afterEach(() => {
  for (const watch of watches) watch.close();
  rmSync(root, { recursive: true });
});

function addTenant(name: string, domain = `${name}.example`): void {
  mkdirSync(join(tenantsDir, name, 'apps', 'site', 'lib'), { recursive: true });
  writeFileSync(join(tenantsDir, name, 'tenant.yaml'), `domains: [${domain}]\n`);
}

function start(): void {
  const watch = watchTenants(tenantsDir, {
    onTenant: (name) => told.push(name),
    onAll: () => told.push('(all)'),
    onProblem: ({ message }) => told.push(`problem: ${message}`),
  });
  watches.push(watch);
}

/** Waits until `name` is told after `act`, and gives how long that took. */
async function untilTold(name: string, act: () => void): Promise<number> {
  told.length = 0;
  const startMs = performance.now();
  act();
  await expect.poll(() => told, { timeout: 3_000, interval: 5 }).toContain(name);
  return performance.now() - startMs;
}

/** What happens to `marker` is told after all that happened before. */
async function toldUntilMarker(act: () => void): Promise<string[]> {
  await untilTold('marker', () => {
    act();
    writeFileSync(join(tenantsDir, 'marker', 'tenant.yaml'), `# ${performance.now()}\n`);
  });
  return told.filter((name) => name !== 'marker');
}

/** Entries of all inotify instances of this process (proc(5), fdinfo). */
function inotifyWatches(): number {
  return readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:inotify'
          ? readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\n')
          : [];
      } catch {
        return []; // Closed meanwhile.
      }
    })
    .filter((line) => line.startsWith('inotify wd:')).length;
}

describe('a change is told', () => {
  beforeEach(() => {
    addTenant('acme');
    addTenant('marker');
    start();
  });

  test('well within a second, once, of its tenant only', async () => {
    addTenant('globex');
    await expect.poll(() => told).toContain('globex');
    const took = await untilTold('acme', () => writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), 'domains: [b.example]\n'));
    expect(took).toBeLessThan(promisedMs);
    expect(told).toEqual(['acme']);
  });

  test('once, of many writes one after another', async () => {
    await untilTold('acme', () => {
      for (let i = 0; i < 50; i++) writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), `domains: [d${i}.example]\n`);
    });
    expect(told).toEqual(['acme']);
  });

  test('of a file put in place by a rename', async () => {
    const took = await untilTold('acme', () => {
      writeFileSync(join(tenantsDir, 'acme', '.tenant.yaml.tmp'), 'domains: [c.example]\n');
      renameSync(join(tenantsDir, 'acme', '.tenant.yaml.tmp'), join(tenantsDir, 'acme', 'tenant.yaml'));
    });
    expect(took).toBeLessThan(promisedMs);
  });

  test('of a file that goes and comes again', async () => {
    expect(await untilTold('acme', () => rmSync(join(tenantsDir, 'acme', 'tenant.yaml')))).toBeLessThan(promisedMs);
    expect(await untilTold('acme', () => writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), 'domains: [d.example]\n'))).toBeLessThan(
      promisedMs,
    );
  });

  test.each(['fullchain.pem', 'acme.crt', 'acme.key'])('of a certificate or key beside tenant.yaml: %s', async (name) => {
    const file = join(tenantsDir, 'acme', name);
    for (const act of [() => writeFileSync(file, 'one'), () => writeFileSync(file, 'two'), () => rmSync(file)]) {
      expect(await untilTold('acme', act)).toBeLessThan(promisedMs);
    }
  });

  test('of an app that comes, or goes', async () => {
    expect(await untilTold('acme', () => mkdirSync(join(tenantsDir, 'acme', 'apps', 'blog')))).toBeLessThan(promisedMs);
    expect(await untilTold('acme', () => rmSync(join(tenantsDir, 'acme', 'apps', 'blog'), { recursive: true }))).toBeLessThan(promisedMs);
  });

  test('of a tenant that goes and comes again, and then of its files and apps', async () => {
    expect(await untilTold('acme', () => rmSync(join(tenantsDir, 'acme'), { recursive: true }))).toBeLessThan(promisedMs);
    expect(await untilTold('acme', () => addTenant('acme'))).toBeLessThan(promisedMs);
    expect(await untilTold('acme', () => writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), 'domains: [e.example]\n'))).toBeLessThan(
      promisedMs,
    );
    expect(await untilTold('acme', () => mkdirSync(join(tenantsDir, 'acme', 'apps', 'blog')))).toBeLessThan(promisedMs);
  });

  test('of a tenant that is put in place by a rename', async () => {
    mkdirSync(join(root, 'staging', 'apps'), { recursive: true });
    writeFileSync(join(root, 'staging', 'tenant.yaml'), 'domains: [f.example]\n');
    expect(await untilTold('initech', () => renameSync(join(root, 'staging'), join(tenantsDir, 'initech')))).toBeLessThan(promisedMs);
    expect(await untilTold('initech', () => mkdirSync(join(tenantsDir, 'initech', 'apps', 'site')))).toBeLessThan(promisedMs);
  });

  test.each([1, 2])('of everything when tenantsDir goes and comes again with what is above it (%d)', async (levels) => {
    expect(await untilTold('(all)', () => rmSync(levels === 1 ? tenantsDir : join(root, 'srv'), { recursive: true }))).toBeLessThan(
      promisedMs,
    );
    expect(await untilTold('(all)', () => addTenant('acme'))).toBeLessThan(promisedMs);
    expect(await untilTold('acme', () => writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), 'domains: [g.example]\n'))).toBeLessThan(
      promisedMs,
    );
    expect(await untilTold('acme', () => mkdirSync(join(tenantsDir, 'acme', 'apps', 'blog')))).toBeLessThan(promisedMs);
    expect(await untilTold('globex', () => addTenant('globex'))).toBeLessThan(promisedMs);
    expect(await untilTold('globex', () => mkdirSync(join(tenantsDir, 'globex', 'apps', 'blog')))).toBeLessThan(promisedMs);
  });
});

describe('nothing is told', () => {
  beforeEach(() => {
    addTenant('acme');
    addTenant('marker');
    start();
  });

  test('of what an app’s folder holds', async () => {
    expect(
      await toldUntilMarker(() => {
        writeFileSync(join(tenantsDir, 'acme', 'apps', 'site', 'app.yaml'), 'kind: node');
        mkdirSync(join(tenantsDir, 'acme', 'apps', 'site', 'node_modules'));
        writeFileSync(join(tenantsDir, 'acme', 'apps', 'site', 'lib', 'a.js'), '');
        writeFileSync(join(tenantsDir, 'acme', 'apps', 'site', 'a.pem'), '');
        writeFileSync(join(tenantsDir, 'acme', 'apps', 'a.key'), '');
      }),
    ).toEqual([]);
  });

  test('of files and folders that are no tenants', async () => {
    expect(
      await toldUntilMarker(() => {
        writeFileSync(join(tenantsDir, 'README.md'), '');
        mkdirSync(join(tenantsDir, 'Not a tenant'));
        mkdirSync(join(tenantsDir, '.git'));
      }),
    ).toEqual([]);
  });

  test('after it was closed', async () => {
    writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), 'domains: [h.example]\n');
    watches[0]?.close();
    const after = told.length;
    const second = watchTenants(tenantsDir, { onTenant: (name) => told.push(`second ${name}`), onAll: () => undefined });
    watches.push(second);
    expect(
      await untilTold('second acme', () => writeFileSync(join(tenantsDir, 'acme', 'tenant.yaml'), 'domains: [i.example]\n')),
    ).toBeLessThan(promisedMs);
    expect(told.filter((name) => !name.startsWith('second'))).toEqual([]);
    expect(after).toBeLessThanOrEqual(1);
  });
});

test('tenantsDir that is not there yet is waited for', async () => {
  rmSync(tenantsDir, { recursive: true });
  start();
  expect(await untilTold('(all)', () => addTenant('acme'))).toBeLessThan(promisedMs);
  expect(await untilTold('acme', () => mkdirSync(join(tenantsDir, 'acme', 'apps', 'blog')))).toBeLessThan(promisedMs);
});

test('two inotify watches a tenant are taken, however much its apps hold', async () => {
  for (let i = 0; i < 300; i++) addTenant(`t${i}`);
  const before = inotifyWatches();
  start();
  expect(inotifyWatches() - before).toBeLessThanOrEqual(2 * 300 + 2);
  watches[0]?.close();
  await expect.poll(inotifyWatches).toBe(before);
});

describe('tenantd.yaml', () => {
  test('is told when it changes, is replaced, goes and comes again', async () => {
    const file = join(root, 'tenantd.yaml');
    writeFileSync(file, 'logs: {}\n');
    const watch = watchDaemonConfig(file, { onDaemonConfig: () => told.push('(daemon)') });
    watches.push(watch);
    expect(await untilTold('(daemon)', () => writeFileSync(file, 'logs: { keep: 4 }\n'))).toBeLessThan(promisedMs);
    await untilTold('(daemon)', () => {
      writeFileSync(`${file}.tmp`, 'logs: { keep: 3 }\n');
      renameSync(`${file}.tmp`, file);
    });
    expect(await untilTold('(daemon)', () => writeFileSync(file, 'logs: { keep: 2 }\n'))).toBeLessThan(promisedMs);
    expect(await untilTold('(daemon)', () => rmSync(file))).toBeLessThan(promisedMs);
    expect(await untilTold('(daemon)', () => writeFileSync(file, 'logs: {}\n'))).toBeLessThan(promisedMs);
  });
});
