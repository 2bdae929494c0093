import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StallWatch } from '../../../src/base/stall-watch.ts';

const minuteMs = 60_000;

let clock: { now: number; idle: number; work: number; queued: number; faults: number };
let looking: boolean;
let culprits: string[];
let watch: StallWatch;
let sockets: Socket[];

beforeEach(() => {
  clock = { now: 1_000, idle: 0, work: 0, queued: 0, faults: 0 };
  looking = false;
  culprits = [];
  sockets = [];
  watch = new StallWatch({
    readings: {
      ...{ nowMs: () => clock.now, idleMs: () => clock.idle, workMs: () => clock.work, queuedMs: () => clock.queued },
      majorFaults: () => clock.faults,
    },
    setLooking: (wanted) => (looking = wanted),
    soon: (call) => call(),
    onCulprit: (owner) => culprits.push(owner),
  });
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
});

/** What the event loop calls back for. */
function ownedBy(owner: string, end?: () => void): object {
  const socket = connect({ port: 9, host: '127.0.0.1' }).on('error', () => {});
  sockets.push(socket);
  watch.own(socket, owner, end);
  return Reflect.get(socket, '_handle') as object;
}

function passTime(ms: number, as: Partial<Record<'idle' | 'work' | 'queued' | 'faults', number>> = {}): void {
  clock.now += ms;
  for (const kind of ['idle', 'work', 'queued', 'faults'] as const) clock[kind] += as[kind] ?? 0;
}

function tickLate(ms: number, as: Parameters<typeof passTime>[1] = {}): void {
  watch.tick();
  passTime(250 + ms, as);
  watch.tick();
}

/** Something runs because of `resource`, `ms` after what ran before. */
function run(resource: object, ms: number, as: Parameters<typeof passTime>[1] = {}): void {
  watch.leave();
  passTime(ms, as);
  watch.enter(() => resource);
  watch.leave();
}

describe('a watch over who holds up the process', () => {
  test('looks closely after a late tick, and no more when nothing came of it for long', () => {
    watch.tick();
    expect(looking).toBe(false);
    tickLate(200);
    expect(looking).toBe(true);
    tickLate(0);
    expect(looking).toBe(true);
    passTime(11 * minuteMs, { queued: 11 * minuteMs });
    watch.tick();
    expect(looking).toBe(false);
  });

  test('does not look closely because others had the processor', () => {
    tickLate(2_000, { queued: 1_990 });
    expect(looking).toBe(false);
  });

  test('names whose data came right after the third stall, and ends what it owns', () => {
    const ended: string[] = [];
    const bad = ownedBy('bad', () => ended.push('bad'));
    ownedBy('bad', () => ended.push('bad, another'));
    ownedBy('good', () => ended.push('good'));
    tickLate(200);
    for (let strikes = 0; strikes < 2; strikes++) run(bad, 200);
    expect(culprits).toEqual([]);
    run(bad, 200);
    expect(culprits).toEqual(['bad']);
    expect(ended).toEqual(['bad', 'bad, another']);
  });

  test.for([
    ['waiting for events', { idle: 1_900 }],
    ['work of its own, as collecting garbage', { work: 1_900 }],
    ['waiting for a processor', { queued: 1_900 }],
    ['waiting for memory from a disk', { faults: 1 }],
    ['a bit of everything', { idle: 650, work: 650, queued: 600 }],
  ] as const)('takes %s for no stall', ([, as]) => {
    const slow = ownedBy('slow');
    tickLate(200);
    for (let times = 0; times < 20; times++) run(slow, 2_000, as);
    expect(culprits).toEqual([]);
  });

  test('forgets a strike after some minutes', () => {
    const rare = ownedBy('rare');
    tickLate(200);
    for (let times = 0; times < 20; times++) {
      run(rare, 200);
      passTime(6 * minuteMs, { idle: 6 * minuteMs });
      watch.tick();
    }
    expect(culprits).toEqual([]);
  });

  test('condemns nobody on a machine that hangs now and then, however busy somebody is', () => {
    const busy = ownedBy('busy');
    const others = {};
    tickLate(200);
    for (let times = 0; times < 20; times++) {
      run(others, 500);
      run(busy, 500);
    }
    expect(culprits).toEqual([]);
  });

  test('counts what hung while something ran as nobody’s', () => {
    const busy = ownedBy('busy');
    tickLate(200);
    for (let times = 0; times < 20; times++) {
      watch.enter(() => ({}));
      passTime(500);
      watch.leave();
      run(busy, 500);
    }
    expect(culprits).toEqual([]);
  });

  test('counts what closing a connection took as its owner’s', () => {
    tickLate(200);
    for (let times = 0; times < 3; times++) {
      const socket = connect({ port: 9, host: '127.0.0.1' }).on('error', () => {});
      // As the kernel would: the close takes its time.
      const destroy = socket.destroy.bind(socket);
      socket.destroy = (error) => {
        passTime(300);
        return destroy(error);
      };
      watch.own(socket, 'bad');
      watch.enter(() => ({}));
      socket.destroy();
      watch.leave();
    }
    expect(culprits).toEqual(['bad']);
  });
});
