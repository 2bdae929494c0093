import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { Problem } from '../../../src/base/problem.ts';
import type { AppManifest } from '../../../src/config/manifest.ts';
import type { AppAnswer } from '../../../src/config/manifest-answer.ts';
import { type Plan, starterPlan } from '../../../src/config/plans.ts';
import { parseTenantConfig } from '../../../src/config/tenant-config.ts';
import type { DesiredTenant } from '../../../src/daemon/desired.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { createTenantPicture, type TenantPicture } from '../../../src/daemon/tenant-picture.ts';
import { manifestOf } from './manifest-of.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const [site, shop] = ['site', 'shop'] as [AppName, AppName];
const megabytes = 1 << 20;

let file: string;
let store: Store;
let picture: TenantPicture;

beforeEach(() => {
  file = join(temporaryFolder(), 'state.db');
  start();
  onTestFinished(() => store.close());
});

function start(): void {
  store = openStore(file, { first: 200_000, count: 10, isTaken: () => false });
  picture = createTenantPicture(store, acme);
}

/** As the daemon over the same state. */
function restart(): void {
  store.close();
  start();
}

interface Wish {
  /** Apps, and which folder each is. */
  folders?: Record<string, string>;
  text?: string;
  limits?: Partial<Plan>;
  problems?: Problem[];
}

function desiredOf({ folders = { site: '1:1' }, text = 'domains: [acme.example]', limits = {}, problems = [] }: Wish = {}): DesiredTenant {
  const plans = new Map([['starter', { ...starterPlan, ...limits }]]);
  const { config } = parseTenantConfig(text, '/tenants/acme/tenant.yaml', { tenant: acme, plans, defaultPlan: 'starter' });
  if (!config) throw new Error(`broken: ${text}`);
  return {
    tenant: acme,
    config,
    domains: config.domains,
    apps: Object.entries(folders).map(([app, folderId]) => ({ app: app as AppName, folderId, release: 'local' })),
    appsDir: '/tenants/acme/apps',
    appsDirId: '1:0',
    sharedBy: [],
    owners: new Map(config.domains.map(({ name }) => [name, acme])),
    problems,
    suspended: false,
  };
}

function want(wish: Wish = {}): void {
  picture.setDesired(desiredOf(wish));
}

function tell(app: AppName, answer: Partial<AppAnswer>): void {
  picture.setManifests(new Map([[app, { problems: [], ...answer }]]));
}

function manifest(changes: Partial<AppManifest> = {}, app: AppName = site): void {
  tell(app, { manifest: manifestOf(changes) });
}

const ownCertificate = 'tls: { certificate: a.pem, key: a.key }';
const generationOf = (app: AppName = site): number | undefined => picture.apps().get(app)?.spec.generation;
const badManifest: Problem = { code: 'TENANTD_E_NO_ENTRY', message: 'nothing to start', fix: 'add an entry', app: 'site' };

describe('a tenant that nobody wants', () => {
  test('has nothing, and no problem', () => {
    expect([picture.desired(), picture.wanted(false, []), picture.specs(), picture.problems(), picture.urlsOf(site)]).toEqual([
      ...[undefined, undefined],
      ...[[], [], []],
    ]);
    expect(() => picture.limits()).toThrow('nothing is wanted of acme');
  });

  test('is one that was wanted before, too, whose manifests are kept', () => {
    want();
    manifest();
    picture.setDesired(undefined);
    expect([picture.wanted(false, []), picture.specs()]).toEqual([undefined, []]);
    want();
    expect(generationOf()).toBe(1);
  });
});

describe('the generation of an app', () => {
  test('is 1 at first, and stays while nothing changes', () => {
    want();
    manifest();
    const generations = [generationOf()];
    for (const again of [() => want(), () => manifest(), () => picture.markStale(), restart, () => want()]) {
      again();
      generations.push(picture.desired() ? generationOf() : 1);
    }
    expect(generations).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('goes on in a larger plan, and not in one that is smaller than its largest', () => {
    want({ limits: { memoryBytes: 256 * megabytes } });
    manifest();
    const generations = [512, 256, 256, 128].map((memory) => {
      want({ limits: { memoryBytes: memory * megabytes } });
      return generationOf();
    });
    // At 512 a worker may have been started with more: at 256 it is one too many.
    expect(generations).toEqual([1, 2, 2, 3]);
    restart();
    want({ limits: { memoryBytes: 1_024 * megabytes } });
    expect(generationOf()).toBe(3);
  });

  test.each<[string, () => void]>([
    ['the entry', () => manifest({ entry: 'other.js' })],
    ['the environment', () => manifest({ env: { NODE_ENV: 'staging' } })],
    ['the kind and command', () => manifest({ kind: 'command', command: ['python3', 'app.py'] })],
    ['less memory of the plan', () => want({ limits: { memoryBytes: 64 * megabytes } })],
    ['the folder', () => want({ folders: { site: '1:2' } })],
    ['the wish of the operator to restart it', () => picture.replaceWorkers(site)],
  ])('grows by one with %s, and stays then, also over a restart', (_, change) => {
    want();
    manifest();
    expect(generationOf()).toBe(1);
    change();
    const { folderId = '' } = picture.desired()?.apps[0] ?? {};
    const limits = picture.limits();
    expect([generationOf(), generationOf()]).toEqual([2, 2]);
    restart();
    want({ limits, folders: { site: folderId } });
    expect(generationOf()).toBe(2);
  });

  test.each<[string, () => void]>([
    ['the routes', () => manifest({ routes: [{ host: 'acme.example', path: '/site' }] })],
    ['the drain time', () => manifest({ drainMs: 1_000 })],
    ['the time to start', () => manifest({ startTimeoutMs: 1_000 })],
    ['the idle time', () => manifest({ idleMs: 'never' })],
    ['the number of workers', () => manifest({ workers: { min: 4, max: 4 } })],
    ['the processors of the plan', () => want({ limits: { cpu: 2 } })],
    ['more memory of the plan', () => want({ limits: { memoryBytes: 512 * megabytes } })],
    ['the domains', () => want({ text: 'domains: [acme.example, www.acme.example]' })],
    ['another app', () => want({ folders: { site: '1:1', shop: '1:2' } })],
    ['a stop and a start', () => [true, false].forEach((stopped) => picture.setStopped(site, stopped))],
    ['a broken manifest', () => tell(site, { problems: [badManifest] })],
  ])('stays with %s', (_, change) => {
    want();
    manifest();
    expect(generationOf()).toBe(1);
    change();
    expect(generationOf()).toBe(1);
  });

  test('never comes again when a change is taken back', () => {
    want();
    const generations = ['a.js', 'b.js', 'a.js'].map((entry) => {
      manifest({ entry });
      return generationOf();
    });
    expect(generations).toEqual([1, 2, 3]);
  });

  test('of one app is not that of another', () => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    manifest();
    manifest({}, shop);
    expect([generationOf(), generationOf(shop)]).toEqual([1, 1]);
    picture.replaceWorkers(shop);
    expect([generationOf(), generationOf(shop)]).toEqual([1, 2]);
    manifest({ env: { A: '1' } }, shop);
    expect([generationOf(), generationOf(shop)]).toEqual([1, 3]);
  });

  test('of an app that nobody knows does not grow, and is no trouble', () => {
    want();
    picture.replaceWorkers(shop);
    expect(picture.specs()).toEqual([]);
  });
});

describe('what is wanted', () => {
  const keys = (): (string | undefined)[] => {
    const wanted = picture.wanted(false, []);
    return [wanted?.limitsKey, wanted?.routesKey, wanted?.configureKey];
  };

  function changedKeys(change: () => void): boolean[] {
    const before = keys();
    change();
    return keys().map((key, at) => key !== before[at]);
  }

  test.each<[string, boolean[], () => void]>([
    ['nothing', [false, false, false], () => want()],
    ['the processors', [true, false, true], () => want({ limits: { cpu: 2 } })],
    ['less memory', [true, false, true], () => want({ limits: { memoryBytes: 64 * megabytes } })],
    ['more memory', [true, false, false], () => want({ limits: { memoryBytes: 512 * megabytes } })],
    ['the disk', [true, false, true], () => want({ limits: { diskBytes: 512 * megabytes } })],
    ['the size of bodies', [true, true, false], () => want({ text: 'domains: [acme.example]\nlimits: { bodySize: 1K }' })],
    ['the rate of requests', [true, true, false], () => want({ text: 'domains: [acme.example]\nlimits: { requestsPerSecond: 1 }' })],
    ['the redirect to https', [false, true, false], () => want({ text: 'domains: [acme.example]\ntls: { redirect: false }' })],
    ['the file of a certificate', [false, false, false], () => want({ text: `domains: [acme.example]\n${ownCertificate}` })],
    ['a domain', [false, true, false], () => want({ text: 'domains: [acme.example, b.example]' })],
    ['the name on error pages', [false, true, false], () => want({ text: 'domains: [acme.example]\nbranding: { name: Acme }' })],
    ['a route', [false, true, false], () => manifest({ routes: [{ host: 'acme.example', path: '/x' }] })],
    ['the compression of an app', [false, true, false], () => manifest({ compress: false })],
    ['the entry', [false, false, true], () => manifest({ entry: 'other.js' })],
    ['the health check', [false, false, true], () => manifest({ health: { path: '/up', intervalMs: 1_000 } })],
    ['a restart', [false, false, true], () => picture.replaceWorkers(site)],
    ['a stop', [false, false, true], () => picture.setStopped(site, true)],
    ['an app less', [false, true, true], () => want({ folders: {} })],
  ])('differs, when %s changed, in limits, routes and configuration: %j', (_, expected, change) => {
    want();
    manifest();
    expect(changedKeys(change)).toEqual(expected);
  });

  test('has routes to the app on every domain, and URLs of it', () => {
    const domains = 'domains: [acme.example, { name: www.acme.example, redirectTo: acme.example }]\n';
    want({ text: `${domains}branding: { name: Acme }\ntls: { hsts: 1h, certificate: a.pem, key: a.key }` });
    manifest();
    expect(picture.routes()).toEqual({
      tenant: acme,
      hosts: [
        { host: 'acme.example', paths: [{ prefix: '/', app: site }] },
        { host: 'www.acme.example', redirectTo: 'acme.example' },
      ],
      limits: starterPlan.requests,
      tls: { redirect: true, hstsSeconds: 3_600 },
      grants: [],
      brandName: 'Acme',
    });
    expect(picture.urlsOf(site)).toEqual([{ host: 'acme.example', path: '/' }]);
    expect(picture.urlsOf(shop)).toEqual([]);
  });
});

describe('a stop by the operator', () => {
  test('is told to the host, stays over a restart, and leaves the routes', () => {
    want();
    manifest();
    const routes = picture.routes();
    picture.setStopped(site, true);
    expect(picture.specs()).toMatchObject([{ app: site, desired: 'stopped' }]);
    restart();
    want();
    expect(picture.specs()).toMatchObject([{ app: site, desired: 'stopped', generation: 1 }]);
    expect(picture.routes()).toEqual(routes);
    picture.setStopped(site, false);
    expect(picture.specs()).toMatchObject([{ app: site, desired: 'running' }]);
  });

  test('is of one app, and outlives a new manifest', () => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    for (const app of [site, shop]) manifest({}, app);
    picture.setStopped(site, true);
    manifest({ entry: 'other.js' });
    expect(picture.specs().map(({ app, desired }) => [app, desired])).toEqual([
      [site, 'stopped'],
      [shop, 'running'],
    ]);
  });
});

describe('a problem', () => {
  test('of the files, of a manifest and of the routes is shown', () => {
    const ofFiles: Problem = { code: 'TENANTD_E_YAML', message: 'broken', fix: 'mend it' };
    want({ problems: [ofFiles] });
    tell(site, { manifest: manifestOf({ routes: [{ host: 'foreign.example', path: '/' }] }), problems: [badManifest] });
    expect(picture.problems()).toEqual([ofFiles, badManifest, expect.objectContaining({ code: 'TENANTD_E_FOREIGN_HOST', app: site })]);
  });

  test('of a manifest leaves the last good one running, also over a restart', () => {
    want();
    manifest({ entry: 'good.js' });
    tell(site, { problems: [badManifest] });
    expect(picture.problems()).toEqual([badManifest]);
    expect(picture.apps().get(site)?.order.manifest.entry).toBe('good.js');
    restart();
    want();
    expect(picture.apps().get(site)?.order.manifest.entry).toBe('good.js');
  });

  test('of a manifest is gone when it was mended', () => {
    want();
    tell(site, { problems: [badManifest] });
    manifest();
    expect(picture.problems()).toEqual([]);
  });

  test('of an app that is gone is not shown', () => {
    want();
    tell(site, { problems: [badManifest] });
    want({ folders: {} });
    expect(picture.problems()).toEqual([]);
  });

  test('is there for a stored manifest that today is none: it is read again', () => {
    store.setApp(acme, site, { manifest: { kind: 'node', entry: '/etc/passwd' }, generationKey: '', generation: 4, release: 'local' });
    want();
    expect([picture.specs(), picture.wanted(false, [])?.appsWithoutManifest]).toEqual([[], [site]]);
    manifest();
    expect(generationOf()).toBe(5);
  });
});

describe('a state store that can not be written', () => {
  const alter = (statement: string): void => {
    const database = new DatabaseSync(file);
    database.exec(statement);
    database.close();
  };

  test('leaves the app running as it is, with a problem, until it can be written again', () => {
    want();
    manifest();
    expect(generationOf()).toBe(1);
    alter("CREATE TRIGGER is_full BEFORE UPDATE ON apps BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END");
    want({ limits: { memoryBytes: 64 * megabytes } });
    expect(picture.specs()).toMatchObject([{ app: site, desired: 'running', generation: 1 }]);
    expect(picture.problems()).toMatchObject([{ code: 'TENANTD_E_STATE', app: site, message: expect.stringContaining('disk is full') }]);
    alter('DROP TRIGGER is_full');
    want({ limits: { memoryBytes: 64 * megabytes } });
    expect([generationOf(), picture.problems()]).toEqual([2, []]);
  });
});

describe('a manifest is to be read', () => {
  const toRead = (): unknown => {
    const wanted = picture.wanted(false, []);
    return [wanted?.appsWithoutManifest, wanted?.staleApps];
  };

  test('before anything else where there is none', () => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    expect(picture.wanted(false, [])?.appsWithoutManifest).toEqual([site, shop]);
  });

  test('later where there is one from before', () => {
    store.setApp(acme, site, { manifest: manifestOf(), generationKey: '', generation: 1, release: 'local' });
    want();
    expect(toRead()).toEqual([[], [site]]);
  });

  test('once: not again when it was read, good or bad', () => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    picture.takeStale([site, shop]);
    manifest();
    tell(shop, { problems: [badManifest] });
    expect(toRead()).toEqual([[], []]);
  });

  test('again when it changed, was bad and is said to be changed, or the folder is another', () => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    picture.takeStale([site, shop]);
    manifest();
    tell(shop, { problems: [badManifest] });
    picture.markStale([site]);
    expect(toRead()).toEqual([[], [site]]);
    picture.takeStale([site]);
    picture.markStale([shop]);
    expect(toRead()).toEqual([[shop], [shop]]);
    picture.takeStale([shop]);
    want({ folders: { site: '1:3', shop: '1:2' } });
    expect(toRead()).toEqual([[site], [site]]);
  });

  test('again when it changed while it was read', () => {
    want();
    picture.takeStale([site]);
    picture.markStale([site]);
    manifest();
    expect(toRead()).toEqual([[], [site]]);
  });

  test('of all apps when all are to be looked at', () => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    picture.takeStale([site, shop]);
    for (const app of [site, shop]) manifest({}, app);
    picture.markStale();
    expect(toRead()).toEqual([[], [site, shop]]);
  });

  test('never of an app that is not there, whatever a host says', () => {
    want();
    picture.takeStale([site]);
    manifest();
    picture.markStale([shop]);
    expect(toRead()).toEqual([[], []]);
    want({ folders: { site: '1:1', shop: '1:2' } });
    picture.takeStale([shop]);
    manifest({}, shop);
    want();
    picture.markStale([shop]);
    expect(toRead()).toEqual([[], []]);
  });
});

describe('secrets', () => {
  const putSecret = (app: AppName | '', revision: string): void =>
    store.secrets.put(
      { tenant: acme, version: 1, machineKeyId: 'id', wrapped: Buffer.alloc(1) },
      { app, name: 'A', revision, keyVersion: 1, sealed: Buffer.alloc(1), setAt: '', setBy: '' },
    );

  beforeEach(() => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    manifest({}, site);
    manifest({}, shop);
  });

  test('that were held count when they are released, each app by itself', () => {
    const before = [generationOf(site), generationOf(shop)].map(Number);
    picture.holdSecrets();
    putSecret('', '1');
    want({ folders: { site: '1:1', shop: '1:2' } });
    expect([generationOf(site), generationOf(shop), picture.heldApps()]).toEqual([...before, [site, shop]]);
    picture.releaseSecrets(site);
    expect([generationOf(site), generationOf(shop), picture.heldApps()]).toEqual([Number(before[0]) + 1, before[1], [shop]]);
    picture.releaseSecrets(shop);
    expect([generationOf(shop), picture.heldApps()]).toEqual([Number(before[1]) + 1, []]);
  });

  test('that are of one app hold that one alone, and a hold in between keeps the older', () => {
    const before = [generationOf(site), generationOf(shop)].map(Number);
    picture.holdSecrets();
    putSecret(site, '1');
    picture.holdSecrets();
    expect(picture.heldApps()).toEqual([site]);
    picture.releaseSecrets(site);
    expect([generationOf(site), generationOf(shop)]).toEqual([Number(before[0]) + 1, before[1]]);
  });

  test('of a static app change nothing', () => {
    manifest({ kind: 'static', root: 'public' }, shop);
    const before = generationOf(shop);
    putSecret('', '1');
    want({ folders: { site: '1:1', shop: '1:2' } });
    expect(generationOf(shop)).toBe(before);
  });
});

describe('a release', () => {
  const candidate = {
    release: '20261121-133405-x7k2',
    manifest: manifestOf({ entry: 'next.js', routes: [{ host: 'acme.example', path: '/next' }] }),
  };
  const appOf = () => picture.apps().get(site);
  beforeEach(() => {
    want();
    manifest();
    generationOf();
  });

  test('that is tried is what workers are started from, while requests are for the one before', () => {
    expect(picture.tryRelease(site, candidate)).toBe(2);
    expect(appOf()).toMatchObject({ order: { release: candidate.release }, spec: { generation: 2 }, served: { release: 'local' } });
    expect(picture.urlsOf(site)).toEqual([{ host: 'acme.example', path: '/' }]);
    expect(picture.triedGeneration(site)).toBe(2);
  });

  test('that is dropped leaves the one before as it was, and its generation to nobody', () => {
    picture.tryRelease(site, candidate);
    picture.dropRelease(site);
    expect(appOf()).toMatchObject({ order: { release: 'local' }, spec: { generation: 1 } });
    expect(picture.triedGeneration(site)).toBeUndefined();
    expect(picture.tryRelease(site, candidate)).toBe(3);
  });

  test('that is the current one stays so, with its generation, over a restart', () => {
    picture.tryRelease(site, candidate);
    const commit = { calls: 0 };
    picture.commitRelease(site, () => void (commit.calls += 1));
    const current = (): void => expect(appOf()).toMatchObject({ served: { release: candidate.release }, spec: { generation: 2 } });
    current();
    expect(commit.calls).toBe(1);
    expect(picture.urlsOf(site)).toEqual([{ host: 'acme.example', path: '/next' }]);
    restart();
    const desired = desiredOf();
    picture.setDesired({ ...desired, apps: [{ app: site, folderId: '9:9', release: candidate.release }] });
    current();
    expect(picture.wanted(false, [])?.appsWithoutManifest).toEqual([]);
  });

  test('that can not be made the current one on the disk is not', () => {
    picture.tryRelease(site, candidate);
    const commit = (): void => {
      throw new Error('the disk is full');
    };
    expect(() => picture.commitRelease(site, commit)).toThrow('the disk is full');
    picture.dropRelease(site);
    expect(appOf()).toMatchObject({ order: { release: 'local' }, spec: { generation: 1 } });
    expect(store.appOf(acme, site)).toMatchObject({ release: 'local', generation: 1 });
  });

  test('that the disk names and the store does not is taken by what was stored with it', () => {
    const row = { id: candidate.release, createdAt: 'then', createdBy: 'operator', bytes: 1, files: 1, manifest: candidate.manifest };
    store.releases.put(acme, site, row);
    restart();
    picture.setDesired({ ...desiredOf(), apps: [{ app: site, folderId: '9:9', release: candidate.release }] });
    expect(appOf()).toMatchObject({ served: { release: candidate.release }, spec: { generation: 2 } });
  });

  test('that nothing is known of is read first', () => {
    picture.setDesired({ ...desiredOf(), apps: [{ app: site, folderId: '9:9', release: candidate.release }] });
    expect(picture.wanted(false, [])?.appsWithoutManifest).toEqual([site]);
    tell(site, { manifest: candidate.manifest });
    expect(store.appOf(acme, site)?.release).toBe(candidate.release);
  });

  test('of an app that was not there yet makes it one', () => {
    picture.tryRelease(shop, { ...candidate, manifest: manifestOf({ routes: [{ host: 'acme.example', path: '/shop' }] }) });
    expect(picture.urlsOf(shop)).toEqual([]);
    picture.commitRelease(shop, () => undefined);
    expect(picture.urlsOf(shop)).toEqual([{ host: 'acme.example', path: '/shop' }]);
    expect(picture.desired()?.apps.map(({ app }) => app)).toEqual([shop, site]);
  });

  test('of workers from before the restart leaves their generation to nobody', () => {
    picture.noteGeneration(site, 7);
    expect(picture.tryRelease(site, candidate)).toBe(8);
  });
});

describe('a tenant of which all apps sleep', () => {
  beforeEach(() => {
    want({ folders: { site: '1:1', shop: '1:2' } });
    manifest({ routes: [{ host: 'acme.example', path: '/' }] });
    manifest({ routes: [{ host: 'acme.example', path: '/shop' }] }, shop);
  });
  const isAwake = (isHeld = false): boolean | undefined => picture.wanted(isHeld, [])?.awake;

  test('is not to be up, unless somebody holds it', () => {
    picture.setAsleep(site, 5);
    expect(isAwake()).toBe(true);
    picture.setAsleep(shop, 6);
    expect([isAwake(), isAwake(true)]).toEqual([false, true]);
    expect(picture.specs().map(({ desired }) => desired)).toEqual(['stopped', 'stopped']);
  });

  test('sleeps on over a restart, and wakes with one of them', () => {
    for (const app of [site, shop]) picture.setAsleep(app, 5);
    restart();
    want({ folders: { site: '1:1', shop: '1:2' } });
    expect([isAwake(), picture.asleepSince(site)]).toEqual([false, 5]);
    picture.wake(shop);
    expect([isAwake(), picture.wanted(false, [shop, site])?.woken]).toEqual([true, [shop]]);
  });

  test('forgets that one slept once it was awake for a while', () => {
    picture.setAsleep(site, 5);
    picture.wake(site);
    expect(store.lifecycle.asleepSince(acme, site)).toBe(5);
    picture.rememberAwake(site);
    expect(store.lifecycle.asleepSince(acme, site)).toBeUndefined();
    picture.setAsleep(site, 6);
    picture.rememberAwake(site);
    expect(store.lifecycle.asleepSince(acme, site)).toBe(6);
  });

  test('may have some that the operator stopped; all of them stopped is not asleep', () => {
    for (const app of [site, shop]) picture.setStopped(app, true);
    expect(isAwake()).toBe(true);
    picture.setAsleep(shop, 5);
    expect(isAwake()).toBe(false);
  });

  test('is up while a release of one is tried', () => {
    for (const app of [site, shop]) picture.setAsleep(app, 5);
    picture.tryRelease(site, { release: '20261121-133405-x7k2', manifest: manifestOf() });
    expect(isAwake()).toBe(true);
  });
});
