import { describe, expect, test } from 'vitest';
import type { AppName } from '../../../src/base/ids.ts';
import { type ActualTenant, nextStep, type Step, type WantedTenant } from '../../../src/daemon/plan.ts';

const site = 'site' as AppName;

const wantedTenant: WantedTenant = {
  awake: true,
  woken: [],
  limitsKey: 'wanted',
  egressKey: 'wanted',
  routesKey: 'wanted',
  configureKey: 'wanted',
  appsDirId: 'wanted',
  appsWithoutManifest: [],
  staleApps: [],
};

const nothing: ActualTenant = {
  prepared: false,
  leftovers: false,
  limitsKey: '',
  egressKey: '',
  routesKey: '',
  configureKey: '',
  host: 'absent',
  hostAppsDirId: '',
  workers: 0,
  sessions: 0,
};

const all: ActualTenant = {
  prepared: true,
  leftovers: true,
  limitsKey: 'wanted',
  egressKey: 'wanted',
  routesKey: 'wanted',
  configureKey: 'wanted',
  host: 'connected',
  hostAppsDirId: 'wanted',
  workers: 2,
  sessions: 1,
};

const keys = ['', 'old', 'wanted'];

/** Every start there can be: what is prepared has left something, too. */
const everyActual: ActualTenant[] = combinations({
  ground: [
    { prepared: false, leftovers: false },
    { prepared: false, leftovers: true },
    { prepared: true, leftovers: true },
  ],
  limitsKey: keys,
  egressKey: ['', 'wanted'],
  routesKey: keys,
  configureKey: keys,
  host: ['absent', 'waiting', 'starting', 'connected'] as const,
  hostAppsDirId: keys,
  workers: [0, 2],
  sessions: [0, 1],
}).map(({ ground, ...rest }) => Object.assign(rest, ground));

const everyWanted: WantedTenant[] = combinations({
  awake: [true],
  woken: [[]],
  limitsKey: ['wanted'],
  egressKey: ['wanted'],
  routesKey: ['wanted'],
  configureKey: ['wanted'],
  appsDirId: ['wanted'],
  appsWithoutManifest: [[], [site]],
  staleApps: [[], [site]],
});

const ways = {
  up: everyWanted.flatMap((wanted) => everyActual.map((actual) => travel(wanted, actual))),
  down: everyActual.map((actual) => travel(undefined, actual)),
};

describe('a tenant that is wanted', () => {
  test('is there in at most thirteen steps, whatever was there before', () => {
    const faults = ways.up.filter(({ end, steps }) => !isThere(end) || steps.length > 13);
    expect(faults).toEqual([]);
  });

  test('needs no step when all is as wanted', () => {
    expect(nextStep(wantedTenant, all)).toBeUndefined();
    expect(nextStep(wantedTenant, { ...all, workers: 0 })).toBeUndefined();
  });

  test('takes a step only where something differs', () => {
    const idle = everyActual.filter((actual) => nextStep(wantedTenant, actual) === undefined);
    const explained = idle.filter(
      ({ host, prepared, limitsKey, egressKey, routesKey, configureKey, hostAppsDirId }) =>
        prepared &&
        limitsKey === 'wanted' &&
        egressKey === 'wanted' &&
        routesKey === 'wanted' &&
        (host === 'waiting' || (hostAppsDirId === 'wanted' && (host === 'starting' || configureKey === 'wanted'))),
    );
    expect(idle.length).toBeGreaterThan(0);
    expect(idle).toEqual(explained);
  });

  test('is made from nothing in this order', () => {
    const wanted = { ...wantedTenant, appsWithoutManifest: [site], staleApps: [site] };
    expect(travel(wanted, nothing).steps).toEqual([
      ...['prepare', 'set-egress', 'start-host', 'read-manifests', 'publish-routes', 'configure-host'],
    ]);
  });

  test.each<[string, Step['do'], (moment: Moment) => boolean]>([
    ['has its host started only when it is prepared', 'start-host', ({ actual }) => actual.prepared],
    ['has its host started only below its limits', 'start-host', ({ actual }) => actual.limitsKey === 'wanted'],
    [
      'has its host told what to run only when its routes are known',
      'configure-host',
      ({ actual, wanted }) => actual.routesKey === wanted?.routesKey,
    ],
    ['has its host started only when what it may reach is open', 'start-host', ({ actual }) => actual.egressKey === 'wanted'],
    ['gets something to reach only in a network of its own', 'set-egress', ({ actual }) => actual.prepared],
    ['gets limits only when it is prepared', 'set-limits', ({ actual }) => actual.prepared],
    ['has manifests read only below its limits', 'read-manifests', ({ actual }) => actual.prepared && actual.limitsKey === 'wanted'],
    ['gets routes only when each app was looked at', 'publish-routes', ({ wanted }) => wanted?.appsWithoutManifest.length === 0],
    ['configures only a host that is connected', 'configure-host', ({ actual }) => actual.host === 'connected'],
    ['configures only a host of its apps folder', 'configure-host', ({ actual }) => actual.hostAppsDirId === 'wanted'],
    ['loses only a host that sees another apps folder', 'stop-host', ({ actual }) => actual.hostAppsDirId !== 'wanted'],
    ['has only a living host stopped', 'stop-host', ({ actual }) => ['starting', 'connected'].includes(actual.host)],
  ])('%s', (_, step, isReady) => {
    const moments = ways.up.flatMap((journey) => journey.moments.filter((moment) => moment.step === step));
    expect(moments.length).toBeGreaterThan(0);
    expect(moments.filter((moment) => !isReady(moment))).toEqual([]);
  });

  test('never loses its workers or its routes on the way', () => {
    const steps = new Set(ways.up.flatMap((journey) => journey.steps));
    expect([...steps].sort()).toEqual([
      'configure-host',
      'prepare',
      'publish-routes',
      'read-manifests',
      'set-egress',
      'set-limits',
      'start-host',
      'stop-host',
    ]);
  });

  test('takes up a host that runs already instead of starting another', () => {
    const found: ActualTenant = { ...nothing, leftovers: true, host: 'connected', hostAppsDirId: 'wanted', workers: 2 };
    expect(travel(wantedTenant, found).steps).toEqual(['prepare', 'set-egress', 'publish-routes', 'configure-host']);
  });

  test('gets its new limits and routes while its host waits out a backoff, and nothing more', () => {
    const start: ActualTenant = { ...all, host: 'waiting', limitsKey: 'old', routesKey: 'old', configureKey: '' };
    const limited = { ...start, limitsKey: 'wanted' };
    expect(nextStep(wantedTenant, start)).toEqual({ do: 'set-limits' });
    expect(nextStep(wantedTenant, limited)).toEqual({ do: 'publish-routes' });
    expect(nextStep(wantedTenant, { ...limited, routesKey: 'wanted' })).toBeUndefined();
  });

  test('gets a new host when its apps folder is another one', () => {
    expect(travel({ ...wantedTenant, appsDirId: 'other' }, all).steps).toEqual(['stop-host', 'start-host', 'configure-host']);
  });

  test('may reach something else without a new start', () => {
    expect(travel(wantedTenant, { ...all, egressKey: 'old' }).steps).toEqual(['set-egress']);
  });

  test('tells its host of changed apps without a new start', () => {
    expect(travel(wantedTenant, { ...all, configureKey: 'old' }).steps).toEqual(['configure-host']);
  });

  test('serves what is stored before it looks at manifests again', () => {
    const wanted = { ...wantedTenant, staleApps: [site] };
    expect(travel(wanted, nothing).steps).toEqual([
      ...['prepare', 'set-egress', 'publish-routes', 'start-host', 'configure-host', 'read-manifests'],
      ...['publish-routes', 'configure-host'],
    ]);
  });

  test('reads exactly the manifests that are asked for', () => {
    const wanted = { ...wantedTenant, appsWithoutManifest: [site], staleApps: ['shop' as AppName, site] };
    expect(nextStep(wanted, all)).toEqual({ do: 'read-manifests', apps: [site] });
    expect(nextStep({ ...wanted, appsWithoutManifest: [] }, all)).toEqual({ do: 'read-manifests', apps: ['shop', site] });
  });
});

describe('a tenant that is not wanted', () => {
  test('is gone in at most five steps, whatever was there', () => {
    const faults = ways.down.filter(({ end, steps }) => !isGone(end) || steps.length > 5);
    expect(faults).toEqual([]);
  });

  test('goes in this order: routes, sessions, workers, host, the rest', () => {
    expect(travel(undefined, all).steps).toEqual(['withdraw-routes', 'end-sessions', 'stop-workers', 'stop-host', 'dismantle']);
  });

  test.each<[string, Step['do'], (moment: Moment) => boolean]>([
    ['has its workers stopped only when nothing is sent to them', 'stop-workers', ({ actual }) => actual.routesKey === ''],
    ['has its host stopped only when no worker is left', 'stop-host', ({ actual }) => actual.routesKey === '' && actual.workers === 0],
    [
      'is dismantled only when nothing of it runs',
      'dismantle',
      ({ actual }) => actual.workers + actual.sessions === 0 && actual.host === 'absent',
    ],
  ])('%s', (_, step, isReady) => {
    const moments = ways.down.flatMap((journey) => journey.moments.filter((moment) => moment.step === step));
    expect(moments.length).toBeGreaterThan(0);
    expect(moments.filter((moment) => !isReady(moment))).toEqual([]);
  });

  test('is nothing to do for where nothing was', () => {
    expect(nextStep(undefined, nothing)).toBeUndefined();
  });

  test('is dismantled when only leftovers of an earlier daemon are there', () => {
    expect(travel(undefined, { ...nothing, leftovers: true }).steps).toEqual(['dismantle']);
  });

  test('does not wait for a host that is in its backoff, or not yet connected', () => {
    expect(nextStep(undefined, { ...nothing, leftovers: true, host: 'waiting' })).toEqual({ do: 'stop-host' });
    expect(nextStep(undefined, { ...nothing, leftovers: true, host: 'starting' })).toEqual({ do: 'stop-host' });
  });
});

test('no step leaves things as they were, or changes what it was given', () => {
  const moments = [...ways.up, ...ways.down].flatMap((journey) => journey.moments);
  const idle = moments.filter(({ before, after }) => before === after);
  expect(idle).toEqual([]);
});

interface Moment {
  step: Step['do'];
  wanted: WantedTenant | undefined;
  actual: ActualTenant;
  before: string;
  after: string;
}

interface Journey {
  steps: Step['do'][];
  moments: Moment[];
  end: { wanted: WantedTenant | undefined; actual: ActualTenant };
}

/** Takes steps, and lets happen what comes by itself, until neither is left. */
function travel(firstWanted: WantedTenant | undefined, firstActual: ActualTenant): Journey {
  let state: Journey['end'] = { wanted: firstWanted, actual: firstActual };
  const journey: Journey = { steps: [], moments: [], end: state };
  for (let turns = 0; turns < 30; turns++) {
    journey.end = state;
    const { wanted, actual } = state;
    const step = nextStep(wanted && Object.freeze(wanted), Object.freeze(actual));
    const next: Journey['end'] | undefined = step ? afterStep(step, wanted, actual) : afterEvent(wanted, actual);
    if (!next) return journey;
    if (step) {
      journey.steps.push(step.do);
      journey.moments.push({ step: step.do, wanted, actual, before: JSON.stringify(state), after: JSON.stringify(next) });
    }
    state = next;
  }
  return journey;
}

/** What each step leaves behind, as the daemon's own steps do. */
function afterStep(step: Step, wanted: WantedTenant | undefined, actual: ActualTenant): Journey['end'] {
  if (!wanted) return { wanted, actual: { ...actual, ...effectDown(step) } };
  if (step.do === 'start-woken') return { wanted: { ...wanted, woken: [] }, actual: { ...actual, workers: actual.workers + 1 } };
  if (step.do !== 'read-manifests') return { wanted, actual: { ...actual, ...(isDown(step) ? effectDown(step) : effectUp(step, wanted)) } };
  const unread = (apps: readonly AppName[]): AppName[] => apps.filter((app) => !step.apps.includes(app));
  const { appsWithoutManifest, staleApps } = wanted;
  const lists = { appsWithoutManifest: unread(appsWithoutManifest), staleApps: unread(staleApps) };
  return { wanted: { ...wanted, ...lists, routesKey: 'read', configureKey: 'read' }, actual };
}

/** A step that leads to sleep, too. A host that has to be another is stopped by one of those. */
function isDown(step: Step): boolean {
  return ['end-sessions', 'stop-workers', 'stop-host', 'dismantle'].includes(step.do);
}

function effectUp(step: Step, wanted: WantedTenant): Partial<ActualTenant> {
  if (step.do === 'prepare') return { prepared: true, leftovers: true, limitsKey: wanted.limitsKey };
  if (step.do === 'set-limits') return { limitsKey: wanted.limitsKey };
  if (step.do === 'set-egress') return { egressKey: wanted.egressKey };
  if (step.do === 'publish-routes') return { routesKey: wanted.routesKey };
  if (step.do === 'start-host') return { host: 'starting', hostAppsDirId: wanted.appsDirId, configureKey: '' };
  if (step.do === 'configure-host') return { configureKey: wanted.configureKey };
  if (step.do === 'stop-host') return { host: 'absent', configureKey: '' };
  throw new Error(`${step.do} on the way up`);
}

function effectDown(step: Step): Partial<ActualTenant> {
  if (step.do === 'withdraw-routes') return { routesKey: '' };
  if (step.do === 'end-sessions') return { sessions: 0 };
  if (step.do === 'stop-workers') return { workers: 0 };
  if (step.do === 'stop-host') return { host: 'absent', configureKey: '' };
  if (step.do === 'dismantle') return { prepared: false, leftovers: false, limitsKey: '', configureKey: '' };
  throw new Error(`${step.do} on the way down`);
}

/** A host that was started connects; one that waits may be tried again. */
function afterEvent(wanted: WantedTenant | undefined, actual: ActualTenant): Journey['end'] | undefined {
  if (actual.host === 'starting') return { wanted, actual: { ...actual, host: 'connected', configureKey: '' } };
  if (actual.host === 'waiting') return { wanted, actual: { ...actual, host: 'absent' } };
  return undefined;
}

function isThere({ wanted, actual }: Journey['end']): boolean {
  return (
    wanted !== undefined &&
    actual.prepared &&
    actual.host === 'connected' &&
    actual.limitsKey === wanted.limitsKey &&
    actual.egressKey === wanted.egressKey &&
    actual.routesKey === wanted.routesKey &&
    actual.configureKey === wanted.configureKey &&
    actual.hostAppsDirId === wanted.appsDirId &&
    wanted.appsWithoutManifest.length + wanted.staleApps.length === 0
  );
}

function isGone({ actual }: Journey['end']): boolean {
  return (
    actual.routesKey === '' && actual.workers + actual.sessions === 0 && actual.host === 'absent' && !actual.leftovers && !actual.prepared
  );
}

function combinations<Fields extends object>(domains: { [Field in keyof Fields]: readonly Fields[Field][] }): Fields[] {
  return Object.entries(domains).reduce(
    (partial, [name, values]) =>
      partial.flatMap((fields) => (values as unknown[]).map((value) => Object.assign({}, fields, { [name]: value }))),
    [{}] as object[],
  ) as Fields[];
}

describe('a tenant that sleeps', () => {
  const asleep = { ...wantedTenant, awake: false };
  const ways = everyActual.map((actual) => travel(asleep, actual));

  test('has nothing but its routes in the end, whatever was there before', () => {
    const faults = ways.filter(
      ({ end }) => end.actual.leftovers || end.actual.prepared || end.actual.host !== 'absent' || end.actual.workers > 0,
    );
    expect(faults).toEqual([]);
    expect(new Set(ways.map(({ end }) => end.actual.routesKey))).toEqual(new Set(['wanted']));
  });

  test('never loses its routes on the way', () => {
    const taken = ways.flatMap(({ steps }) => steps);
    expect(taken).not.toContain('withdraw-routes');
    expect(taken).not.toContain('start-host');
  });

  test('has its host told first that its workers are to end', () => {
    const steps = travel(asleep, { ...all, sessions: 0, configureKey: 'old' }).steps;
    expect(steps).toEqual(['configure-host', 'stop-workers', 'stop-host', 'dismantle']);
  });
});

test('an app for which somebody waits is started before the host, as soon as its surroundings are there', () => {
  const { steps } = travel({ ...wantedTenant, woken: [site] }, { ...nothing, routesKey: 'wanted' });
  expect(steps.slice(0, 4)).toEqual(['prepare', 'set-egress', 'start-woken', 'start-host']);
});
