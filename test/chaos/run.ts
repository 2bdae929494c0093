import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { AppStatus } from '../../src/protocol/control.ts';
import { prepareTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { startClients } from './clients.ts';
import { compareFootprints, type Footprint, footprintOf, type Growth, leftovers } from './footprint.ts';
import { kills } from './kills.ts';
import { Ledger } from './ledger.ts';
import { mendAll, mischief } from './mischief.ts';
import { deployTo, operations, releasesTooMany, settleApps } from './operations.ts';
import { createRandom } from './random.ts';
import { type ChaosTenant, chaosTenants } from './tenants.ts';
import { judge, type Verdict } from './verdict.ts';
import { type Action, createTurns, restartDaemon, type World } from './world.ts';

export interface ChaosOptions {
  seed: number;
  seconds: number;
  /** That take steps at the same time. */
  actors: number;
  /** Between steps, at most. */
  paceMs: number;
  requestsPerSecond: number;
  /** Attacks from inside every sandbox, too. */
  withAttacks: boolean;
  signal: AbortSignal;
  tell(line: string): void;
}

export interface ChaosResult {
  verdict: Verdict;
  ledger: Ledger;
  growth: Growth[];
  before: Footprint;
  after: Footprint;
  /** Of a system that was stopped. */
  left: string[];
  complaints: string[];
  daemonLog: string;
}

/** Room for six workers at once, of some dozen threads each: what ends at a limit is no work of chaos. */
const plans = 'plans: { starter: { memory: 256M, cpu: 1, processes: 256, disk: 64M, requestsPerSecond: 0 } }';
const config = 'edge: { processes: 2 }';
const warmUpMs = 3_000;
const quietLimitMs = 90_000;
const stillMs = 1_000;
/** Of actions, while which the daemon is killed. */
const shareOfCuts = 0.25;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const tenants = chaosTenants();
  await using daemon = await prepareTestDaemon({
    ...{ https: true, plans, config },
    tenants: Object.fromEntries(tenants.map(({ name, files }) => [name, files])),
  });
  await daemon.start();
  await untilUp(daemon, tenants);
  const complaints: string[] = [];
  const tasks: Promise<unknown>[] = [];
  let versions = 0;
  const world: World = {
    ...{ daemon, tenants, ledger: new Ledger(), random: createRandom(options.seed) },
    ...{ soleHolder: createTurns(), daemonLife: { isOldAtMs: 0 } },
    complain: (what) => void complaints.push(what),
    behind: (task) => void tasks.push(task.catch((error: unknown) => complaints.push(String(error)))),
    nextVersion: () => `v${String(++versions).padStart(4, '0')}`,
  };

  await load(world, options, async () => {
    // What the first deploy makes for good is no leak.
    const touched = tenants.filter(({ isTouched }) => isTouched);
    for (const half of [touched.slice(0, touched.length >> 1), touched.slice(touched.length >> 1)])
      await Promise.all(half.map((tenant) => deployTo(world, tenant)));
    await delay(warmUpMs);
  });
  const before = await quietFootprint(world);
  options.tell(`${tenants.length} tenants run; ${options.seconds} s of chaos`);
  const chaos = load(world, options, async () => {
    await stepsUntilTheEnd(world, [...kills, ...mischief, ...operations], options);
    await Promise.all(tasks);
    mendAll(world);
    await settleApps(world);
  });
  // A failure is told with all that led to it.
  await chaos.catch((error: unknown) => complaints.push(`the run broke off: ${(error as Error).stack}`));
  const growth = await untilAsBefore(world, before);
  complaints.push(...(await releasesTooMany(world)), ...(await verify(daemon, options)));
  const after = footprintOf(daemon);
  const exitCode = await daemon.stop();
  if (exitCode !== 0) complaints.push(`the daemon ended with ${exitCode}`);
  const touched = new Set(tenants.filter(({ isTouched }) => isTouched).map(({ name }) => name));
  return {
    ...{ verdict: judge(world.ledger, touched), ledger: world.ledger, growth, before, after, complaints },
    ...{ left: leftovers(daemon), daemonLog: daemon.log() },
  };
}

async function untilUp(daemon: TestDaemon, tenants: readonly ChaosTenant[]): Promise<void> {
  const isUp = async (): Promise<boolean> => {
    const states = (await daemon.status()).tenants.flatMap(({ apps }) => apps.map(({ state }) => state));
    return states.length === tenants.length && states.every((state) => state === 'running' || state === 'sleeping');
  };
  await until(isUp, 'all tenants are up', 60_000, () => daemon.ctl('status').then(({ stdout }) => stdout));
}

async function load(world: World, { requestsPerSecond, seed }: ChaosOptions, meanwhile: () => Promise<unknown>): Promise<void> {
  const { daemon, tenants, ledger } = world;
  const ca = readFileSync(`${daemon.directory}/state/local-ca.pem`, 'utf8');
  const ports = { http: daemon.port, https: daemon.httpsPort };
  const clients = startClients({ tenants, ports, ca, ledger, requestsPerSecond, random: createRandom(seed + 1) });
  try {
    await meanwhile();
  } finally {
    await clients.stop();
  }
}

/** Several at a time, each one step after another. */
async function stepsUntilTheEnd(world: World, actions: readonly Action[], options: ChaosOptions): Promise<void> {
  const endMs = performance.now() + options.seconds * 1_000;
  let step = 0;
  const act = async (): Promise<void> => {
    while (performance.now() < endMs && !options.signal.aborted) {
      await takeStep(world, world.random.weighted(actions), ++step);
      await delay(world.random.below(options.paceMs));
      if (step % 20 === 0) options.tell(`step ${step}, ${world.ledger.requests} requests`);
    }
  };
  await Promise.all(Array.from({ length: options.actors }, act));
}

async function takeStep(world: World, action: Action, step: number): Promise<void> {
  const isCut = action.mayBeCut && world.random.chance(shareOfCuts) && performance.now() > world.daemonLife.isOldAtMs;
  world.ledger.step(`step ${step}: ${action.name}${isCut ? ', and kill the daemon meanwhile' : ''}`);
  if (isCut) await cut(world, action);
  else await action.run(world);
}

/** What it answers then counts for nothing; that it ends does. */
async function cut(world: World, action: Action): Promise<void> {
  const deaf: World = { ...world, complain: () => {} };
  const running = action.run(deaf).catch(() => {});
  await delay(world.random.below(800));
  await restartDaemon(world);
  await running;
}

/** Nothing is asked any more: what is to sleep sleeps, and what ended is gone. */
async function quietFootprint(world: World): Promise<Footprint> {
  await untilQuiet(world);
  let last = JSON.stringify(footprintOf(world.daemon).counts);
  const isStill = async (): Promise<boolean> => {
    await delay(stillMs);
    const before = last;
    last = JSON.stringify(footprintOf(world.daemon).counts);
    return last === before;
  };
  await until(isStill, 'nothing changes any more', quietLimitMs);
  return footprintOf(world.daemon);
}

async function untilQuiet({ daemon, tenants }: World): Promise<void> {
  const restless = async (): Promise<AppStatus[]> => {
    const apps = new Map((await daemon.status()).tenants.map(({ name, apps: [app] }) => [name, app]));
    return tenants.flatMap((tenant) => {
      const app = apps.get(tenant.name);
      return app && !isQuiet(tenant, app) ? [{ ...app, name: `${tenant.name}/${app.name}` }] : [];
    });
  };
  const explain = async (): Promise<string> => JSON.stringify(await restless(), undefined, 1);
  await until(async () => (await restless()).length === 0, 'everything is quiet', quietLimitMs, explain);
}

function isQuiet({ kind, workers, isSleepy }: ChaosTenant, app: AppStatus): boolean {
  if (isSleepy) return app.state === 'sleeping';
  const running = app.workers.filter(({ state }) => state === 'running').length;
  return app.state === 'running' && running === app.workers.length && running === (kind === 'static' ? 0 : (workers ?? 1));
}

/** What is still other than before when it should long be as before. */
async function untilAsBefore(world: World, before: Footprint): Promise<Growth[]> {
  const now = (): Growth[] => compareFootprints(before, footprintOf(world.daemon));
  try {
    await untilQuiet(world);
    await until(() => delay(stillMs).then(() => now().length === 0), 'all is as before', quietLimitMs);
  } catch (error) {
    world.complain((error as Error).message);
  }
  return now();
}

async function verify(daemon: TestDaemon, { withAttacks }: ChaosOptions): Promise<string[]> {
  const { code, stdout, stderr } = await daemon.ctl('verify', '--json', ...(withAttacks ? [] : ['--passive']));
  if (code === 0) return [];
  const { checks } = JSON.parse(stdout || '{"checks":[]}') as { checks: { ok: boolean }[] };
  return [`verify: ${JSON.stringify(checks.filter(({ ok }) => !ok)).slice(0, 2_000)}${stderr.slice(0, 500)}`];
}
