import { setTimeout as delay } from 'node:timers/promises';
import type { TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';
import type { ChaosTenant } from './tenants.ts';

/** What actions act on. */
export interface World {
  readonly daemon: TestDaemon;
  readonly tenants: readonly ChaosTenant[];
  readonly ledger: Ledger;
  readonly random: Random;
  /** Of the daemon's users: against what was promised. */
  complain(what: string): void;
  /** Goes on behind the next steps; waited for at the end. */
  behind(task: Promise<unknown>): void;
  /** One after another: when neither the daemon nor the edge master holds the listening sockets, nobody does. */
  readonly soleHolder: Turns;
  /** One that never lives long enough to do anything proves nothing. */
  readonly daemonLife: { isOldAtMs: number };
  /** Counts up; for names of releases. */
  nextVersion(): string;
}

/** Runs one after another what is given to it. */
export interface Turns {
  <Result>(task: () => Promise<Result>): Promise<Result>;
  /** How many were begun, and ended. */
  readonly begun: () => number;
  readonly ended: () => number;
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  const counts = { begun: 0, ended: 0 };
  const take = <Result>(task: () => Promise<Result>): Promise<Result> => {
    const mine = last.then(() => {
      counts.begun += 1;
      return task().finally(() => (counts.ended += 1));
    });
    last = mine.catch(() => {}); // told to who asked for it
    return mine;
  };
  return Object.assign(take, { begun: () => counts.begun, ended: () => counts.ended });
}

export interface Action {
  name: string;
  weight: number;
  /** Says what it does; throws nothing but what ends the test. */
  run(world: World): Promise<void>;
  /** The daemon may be killed in the middle of it: by then it answers for nothing. */
  mayBeCut: boolean;
}

const leastLifeMs = 5_000;
const commandLimitMs = 90_000;

/** A command that must end as expected, unless what it went through excuses it (`mayFail`). */
export async function command(world: World, args: readonly string[], expected: 'done' | 'refused' | 'either'): Promise<number> {
  const restartsBefore = world.soleHolder.ended();
  const ended = new AbortController();
  const late = delay(commandLimitMs, { code: -1, stdout: '', stderr: `no answer in ${commandLimitMs} ms` }, { signal: ended.signal });
  late.catch(() => {}); // it was in time
  const { code, stdout, stderr } = await Promise.race([world.daemon.ctl(...args), late]);
  ended.abort();
  const said = `${stdout}${stderr}`.trim();
  const isExpected = { done: code === 0, refused: code === 1, either: code === 0 || code === 1 || code === 3 }[expected];
  world.ledger.step(`  tenantctl ${args.join(' ')}: ${code}${code === 0 ? '' : ` ${said.replaceAll(/\s+/g, ' ').slice(0, 300)}`}`);
  // A daemon that is killed meanwhile answers nothing.
  const wasCut = world.soleHolder.begun() > restartsBefore;
  if (!isExpected && !(wasCut && code === 3)) world.complain(`tenantctl ${args.join(' ')} ended with ${code}: ${said.slice(0, 1_000)}`);
  return code;
}

/** A daemon that is killed is followed by another, at once. */
export async function restartDaemon(world: World, meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  await world.soleHolder(async () => {
    await delay(Math.max(0, world.daemonLife.isOldAtMs - performance.now()));
    await world.daemon.kill();
    await meanwhile();
    await world.daemon.start();
    world.daemonLife.isOldAtMs = performance.now() + leastLifeMs;
  });
}

export async function untilEdgesServe(world: World): Promise<void> {
  await until(async () => (await world.daemon.status()).edge.processes.length > 0, 'an edge serves', 30_000);
}

export function pickTouched(world: World, isWanted: (tenant: ChaosTenant) => boolean = () => true): ChaosTenant {
  return world.random.pick(world.tenants.filter((tenant) => tenant.isTouched && isWanted(tenant)));
}
