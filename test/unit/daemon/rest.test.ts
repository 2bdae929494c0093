import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { starterPlan } from '../../../src/config/plans.ts';
import { parseTenantConfig } from '../../../src/config/tenant-config.ts';
import { createRest, type Rest } from '../../../src/daemon/rest.ts';
import { openStore } from '../../../src/daemon/store.ts';
import { createTenantPicture, type TenantPicture } from '../../../src/daemon/tenant-picture.ts';
import { manifestOf } from './manifest-of.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const [site, shop] = ['site', 'shop'] as [AppName, AppName];

let nowMs: number;
let serving: Set<AppName>;
let changes: AppName[];
/** What the edges say, and what happens while they are asked. */
let edges: { agree: boolean; meanwhile: () => void };
let isBusy: boolean;
let picture: TenantPicture;
let rest: Rest;

function want(idle: string): void {
  const context = { tenant: acme, plans: new Map([['starter', starterPlan]]), defaultPlan: 'starter' };
  const { config } = parseTenantConfig(`domains: [acme.example]\nidle: ${idle}`, 'tenant.yaml', context);
  if (!config) throw new Error('the file of the test is broken');
  const apps = [site, shop].map((app) => ({ app, folderId: '1:1', release: 'local' }));
  const none = { sharedBy: [], owners: new Map<string, TenantName>(), problems: [], suspended: false };
  picture.setDesired({ tenant: acme, config, domains: config.domains, apps, appsDir: '/apps', appsDirId: '1:0', ...none });
}

beforeEach(() => {
  nowMs = 1_000;
  serving = new Set([site, shop]);
  changes = [];
  edges = { agree: true, meanwhile: () => undefined };
  isBusy = false;
  const store = openStore(join(temporaryFolder(), 'state.db'), { first: 200_000, count: 10, isTaken: () => false });
  onTestFinished(() => store.close());
  picture = createTenantPicture(store, acme);
  want('1s');
  picture.setManifests(
    new Map(
      [site, shop].map((app) => [app, { manifest: manifestOf({ routes: [{ host: 'acme.example', path: `/${app}` }] }), problems: [] }]),
    ),
  );
  rest = createRest({
    ...{ tenant: acme, picture, isServing: (app) => serving.has(app), isBusy: () => isBusy, nowMs: () => nowMs },
    edge: {
      async letSleep() {
        await Promise.resolve();
        edges.meanwhile();
        return edges.agree;
      },
    },
    onChange: (app) => void changes.push(app),
  });
});

const asleep = (): (number | undefined)[] => [site, shop].map((app) => picture.asleepSince(app));
const idleApps = (): string[] => rest.idle().map(({ app }) => app);

describe('an app is idle', () => {
  test('from when it was seen first, or used last', () => {
    expect(rest.idle()).toMatchObject([{ app: site, idleMs: 1_000, lastUsedAtMs: 1_000 }, { app: shop }]);
    nowMs = 1_200;
    rest.noteUse(site);
    nowMs = 1_300;
    expect(rest.idle()).toMatchObject([{ lastUsedAtMs: 1_200 }, { lastUsedAtMs: 1_000 }]);
  });

  test.each<[string, () => void]>([
    ['that is never to sleep', () => want('never')],
    ['that does not serve', () => serving.delete(site)],
    ['that sleeps', () => picture.setAsleep(site, 1)],
    ['that somebody holds', () => rest.hold(site)],
    ['of which a release is tried', () => (isBusy = true)],
  ])('but not one %s', (_, prepare) => {
    prepare();
    expect(idleApps()).not.toContain(site);
  });
});

describe('falling asleep', () => {
  test('is remembered with its time once all edges agreed', async () => {
    expect(await rest.fallAsleep(site)).toBe(true);
    expect(asleep()).toEqual([1_000, undefined]);
    expect(changes).toEqual([site]);
  });

  test('is given up when an edge has something open, and that counts as use', async () => {
    edges.agree = false;
    nowMs = 2_000;
    expect(await rest.fallAsleep(site)).toBe(false);
    expect(asleep()).toEqual([undefined, undefined]);
    expect(rest.idle()[0]?.lastUsedAtMs).toBe(2_000);
    // An edge that agreed alone sends on again what it holds.
    expect(changes).toEqual([site]);
  });

  test.each<[string, () => void]>([
    ['somebody comes', () => rest.wake(site)],
    ['somebody holds it', () => rest.hold(site)],
    ['a release is tried', () => (isBusy = true)],
    ['its worker ends', () => serving.delete(site)],
  ])('is given up when %s meanwhile', async (_, happen) => {
    edges.meanwhile = happen;
    expect(await rest.fallAsleep(site)).toBe(false);
    expect(asleep()).toEqual([undefined, undefined]);
  });

  test('is asked for once at a time', async () => {
    const both = [rest.fallAsleep(site), rest.fallAsleep(site)];
    expect(await Promise.all(both)).toEqual([true, false]);
  });
});

describe('an app that is woken', () => {
  test('is to be started at once, one time', () => {
    picture.setAsleep(site, 1);
    rest.wake(site);
    rest.wake(site);
    expect(rest.takeWoken()).toEqual([site]);
    expect(rest.takeWoken()).toEqual([]);
    expect(changes).toEqual([site]);
  });

  test('is nothing new when it was awake', () => {
    rest.wake(site);
    expect([rest.woken(), changes]).toEqual([[], []]);
  });

  test('stays awake until the last who holds it lets go; letting go twice is once', () => {
    const [first, second] = [rest.hold(site), rest.hold(site)];
    first();
    first();
    expect(rest.isHeld()).toBe(true);
    expect(idleApps()).not.toContain(site);
    nowMs = 3_000;
    second();
    expect(rest.isHeld()).toBe(false);
    expect(rest.idle()[0]?.lastUsedAtMs).toBe(3_000);
  });
});

test('a tenant that is held keeps its apps from nothing', async () => {
  const release = rest.hold();
  expect(rest.isHeld()).toBe(true);
  expect(await rest.fallAsleep(site)).toBe(true);
  release();
  expect(rest.isHeld()).toBe(false);
});
