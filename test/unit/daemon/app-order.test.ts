import { describe, expect, test } from 'vitest';
import type { AppName } from '../../../src/base/ids.ts';
import { type AppManifest, appManifestSchema } from '../../../src/config/manifest.ts';
import { type Plan, starterPlan } from '../../../src/config/plans.ts';
import { clampToPlan, generationKeyOf, nodeOptionsOf, toAppSpec, toWorkerSettings } from '../../../src/daemon/app-order.ts';
import { manifestOf } from './manifest-of.ts';

const site = 'site' as AppName;
const mebibyte = 1 << 20;
const planOf = (limits: Partial<Plan>): Plan => ({ ...starterPlan, ...limits });

describe('an app below its plan', () => {
  test.each([
    [0, 128, 1],
    [1, 128, 1],
    [4, 128, 4],
    [16, 1_000_000, 16],
    [64, 1_000_000, 16],
    [64, 64, 8],
    [64, 16, 2],
    [64, 1, 1],
  ])('that asks for %i workers with %i processes gets %i', (min, processes, workers) => {
    const manifest = manifestOf({ workers: { min, max: Math.max(min, 1) } });
    expect(clampToPlan(manifest, planOf({ processes })).workers).toBe(workers);
  });

  test.each([
    [16, 32, 4],
    [64, 48, 16],
    [256, 192, 64],
    [65_536, 49_152, 16_384],
  ])('of %i MiB has a heap of %i MiB and a /tmp of %i MiB', (memory, heapMegabytes, tmpMegabytes) => {
    const order = clampToPlan(manifestOf(), planOf({ memoryBytes: memory * mebibyte }));
    expect(order).toMatchObject({ heapMegabytes, tmpBytes: tmpMegabytes * mebibyte });
  });

  test.each([1, 1_000, 16_777_217, 2 ** 40 + 12_345])('of %i bytes has whole numbers, and at least a MiB of /tmp', (memoryBytes) => {
    const { heapMegabytes, tmpBytes, workers } = clampToPlan(manifestOf(), planOf({ memoryBytes }));
    expect([heapMegabytes, tmpBytes, workers].map(Number.isSafeInteger)).toEqual([true, true, true]);
    expect(tmpBytes).toBeGreaterThanOrEqual(mebibyte);
  });

  test('keeps its manifest as it is', () => {
    const manifest = Object.freeze(manifestOf({ workers: { min: 64, max: 64 } }));
    expect(clampToPlan(manifest, starterPlan).manifest).toBe(manifest);
  });
});

describe('the key of a generation', () => {
  const keyOf = (changes: Partial<AppManifest> = {}, plan: Partial<Plan> = {}, folderId = '1:2', secrets = ''): string =>
    generationKeyOf(clampToPlan(manifestOf(changes), planOf(plan)), folderId, secrets);

  test('is the same for the same', () => {
    expect(keyOf()).toBe(keyOf());
    expect(keyOf({ env: { A: '1' } })).toBe(keyOf({ env: { A: '1' } }));
  });

  test('is another for other secrets', () => {
    expect(new Set([keyOf(), keyOf({}, {}, '1:2', 'A=1'), keyOf({}, {}, '1:2', 'A=2')]).size).toBe(3);
  });

  test.each<[string, Partial<AppManifest>, Partial<Plan>?, string?]>([
    ['entry', { entry: 'other.js' }],
    ['kind and command', { kind: 'command', command: ['node', 'server.js'] }],
    ['environment', { env: { A: '1' } }],
    ['kind of sandbox', { sandbox: 'strict' }],
    ['health check', { health: { path: '/healthz', intervalMs: 5_000 } }],
    ['memory', {}, { memoryBytes: 512 * mebibyte }],
    ['folder', {}, {}, '1:3'],
  ])('is another for another %s', (_, changes, plan = {}, folderId = '1:2') => {
    expect(keyOf(changes, plan, folderId)).not.toBe(keyOf());
  });

  test.each<[string, Partial<AppManifest>, Partial<Plan>?]>([
    ['routes', { routes: [{ host: 'acme.example', path: '/' }] }],
    ['drain time', { drainMs: 1 }],
    ['time to start', { startTimeoutMs: 1 }],
    ['idle time', { idleMs: 'never' }],
    ['number of workers', { workers: { min: 3, max: 3 } }],
    ['share of processors and number of processes', {}, { cpu: 4, processes: 1_000 }],
    ['size of request bodies', {}, { requests: { ...starterPlan.requests, bodySizeBytes: 1 } }],
  ])('is the same for another %s', (_, changes, plan = {}) => {
    expect(keyOf(changes, plan)).toBe(keyOf());
  });

  test('tells apart what could be read as the same', () => {
    const keys = [
      keyOf({ kind: 'command', command: ['a b'] }),
      keyOf({ kind: 'command', command: ['a', 'b'] }),
      keyOf({ kind: 'command', command: ['a,b'] }),
      keyOf({ env: { A: '1,B=2' } }),
      keyOf({ env: { A: '1', B: '2' } }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('what a host and a worker are told', () => {
  const current = { generation: 3, stopped: false };

  test('of a Node app', () => {
    const order = clampToPlan(manifestOf({ health: { path: '/up', intervalMs: 1_000 }, env: { SECRET: 'x' } }), starterPlan);
    expect(toAppSpec(site, order, current)).toEqual({
      ...{ app: site, kind: 'node', desired: 'running', generation: 3, workers: 1, maxWorkers: 1, startTimeoutMs: 30_000 },
      health: { path: '/up', intervalMs: 1_000 },
    });
    expect(toWorkerSettings(order)).toEqual({ kind: 'node', entry: 'server.js' });
  });

  test('of one without a health path: when its silence means that it hangs, later where it has less than a processor', () => {
    const hungAfterMs = (cpu: number): number | undefined =>
      toAppSpec(site, clampToPlan(manifestOf(), { ...starterPlan, cpu }), current).hungAfterMs;
    expect([4, 1, 0.5, 0.1].map(hungAfterMs)).toEqual([60_000, 60_000, 120_000, 600_000]);
  });

  test('of one whose number of workers is its load to say, as far as the plan goes', () => {
    const order = clampToPlan(manifestOf({ workers: { min: 2, max: 60 } }), { ...starterPlan, processes: 64 });
    expect(toAppSpec(site, order, current)).toMatchObject({ workers: 2, maxWorkers: 8 });
    expect(toWorkerSettings(order)).toMatchObject({ reportLoad: true });
    const scaled = clampToPlan(order.manifest, starterPlan, 'local', 3);
    expect(toAppSpec(site, scaled, current)).toMatchObject({ workers: 3, maxWorkers: 3 });
    // It tells its load all the same: the next word of the operator, or another plan, may ask for it.
    expect(toWorkerSettings(scaled)).toMatchObject({ reportLoad: true });
  });

  test('of where a release lies in its app', () => {
    const order = clampToPlan(manifestOf({ kind: 'static', root: 'public' }), starterPlan, '20261121-133405-x7k2');
    expect(toAppSpec(site, order, current)).toMatchObject({ staticRoot: 'releases/20261121-133405-x7k2/public' });
  });

  test('of a command', () => {
    const order = clampToPlan(manifestOf({ kind: 'command', command: ['python3', 'app.py'] }), starterPlan);
    expect(toAppSpec(site, order, { generation: 1, stopped: true })).toMatchObject({ kind: 'command', desired: 'stopped' });
    expect(toWorkerSettings(order)).toEqual({ kind: 'command', command: ['python3', 'app.py'] });
  });

  test('of a static app, which has no worker', () => {
    const order = clampToPlan(manifestOf({ kind: 'static', root: 'public' }), starterPlan);
    expect(toAppSpec(site, order, current)).toMatchObject({ kind: 'static', staticRoot: 'public' });
    expect(toWorkerSettings(order)).toBeUndefined();
  });

  test('of the memory that Node may use, and in a strict sandbox of nothing but its own folders', () => {
    const optionsOf = (changes: Partial<AppManifest>): string[] => nodeOptionsOf(site, clampToPlan(manifestOf(changes), starterPlan));
    expect(optionsOf({})).toEqual(['--max-old-space-size=192', '--max-semi-space-size=4']);
    expect(optionsOf({ sandbox: 'strict' })).toEqual([
      ...['--max-old-space-size=192', '--max-semi-space-size=4', '--permission', '--allow-net'],
      ...['/apps/site', '/opt/tenantd/lib', '/data', '/tmp', '/run/secrets'].map((path) => `--allow-fs-read=${path}`),
      ...['/data', '/tmp', '/run/secrets'].map((path) => `--allow-fs-write=${path}`),
    ]);
    expect(optionsOf({ kind: 'command', command: ['a'], sandbox: 'strict' })).toEqual([
      '--max-old-space-size=192',
      '--max-semi-space-size=4',
    ]);
  });

  test.each([
    [16, 1],
    [64, 1],
    [512, 8],
    [8_192, 16],
  ])('of a young generation that is a small part of %d megabytes', (memory, megabytes) => {
    const plan = planOf({ memoryBytes: memory * mebibyte });
    expect(nodeOptionsOf(site, clampToPlan(manifestOf(), plan))).toContain(`--max-semi-space-size=${megabytes}`);
  });

  test('comes from manifests that pass the schema', () => {
    const manifests = [manifestOf(), manifestOf({ kind: 'command', command: ['a'] }), manifestOf({ kind: 'static', root: '.' })];
    expect(manifests.map((manifest) => appManifestSchema.safeParse(manifest).data)).toEqual(manifests);
  });
});
