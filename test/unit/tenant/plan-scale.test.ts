import { describe, expect, test } from 'vitest';
import { type LoadSample, lookAtScaleMs, planScale, type Scale } from '../../../src/tenant/plan-scale.ts';

const bounds = { least: 1, most: 8 };

/** A look a second, each over so many seconds. `ready: 'all'`: workers are ready as soon as they are asked for. */
interface Piece {
  seconds: number;
  load: Partial<Omit<LoadSample, 'ready'>> | 'failing';
  ready?: number;
}

/** The target after each piece. */
function follow(pieces: Piece[], from: Scale = { target: 1 }, within = bounds): number[] {
  let scale = from;
  let nowMs = 0;
  return pieces.map(({ seconds, load, ready }) => {
    for (let second = 0; second < seconds; second += 1) {
      const sample = load === 'failing' ? undefined : { open: 0, waiting: 0, ...load, ready: ready ?? scale.target };
      scale = planScale(scale, sample, within, nowMs);
      nowMs += 1_000;
    }
    return scale.target;
  });
}

const idle = { open: 0, loop: { busy: 0.01, lateMs: 0 } };
const pressed = { open: 40, loop: { busy: 0.95, lateMs: 20 } };
const busy = (share: number, open = 40): Piece['load'] => ({ open, loop: { busy: share, lateMs: 0 } });

describe('the number of workers', () => {
  test.each<[string, Piece[], number[]]>([
    ['stays when nothing happens', [{ seconds: 300, load: idle }], [1]],
    [
      'stays at one look that is bad',
      [
        { seconds: 1, load: pressed },
        { seconds: 9, load: idle },
        { seconds: 1, load: pressed },
      ],
      [1, 1, 1],
    ],
    ['goes up at the second bad look in a row', [{ seconds: 2, load: pressed }], [2]],
    ['goes up by half, up to the ceiling', [2, 1, 1, 1, 1, 60].map((seconds) => ({ seconds, load: pressed })), [2, 3, 5, 8, 8, 8]],
    [
      'waits until those asked for are ready',
      [
        { seconds: 30, load: pressed, ready: 1 },
        { seconds: 1, load: pressed },
      ],
      [2, 3],
    ],
    ['goes up when requests wait', [{ seconds: 2, load: { ...idle, open: 1, waiting: 1 } }], [2]],
    ['goes up when timers are late', [{ seconds: 2, load: { open: 9, loop: { busy: 0.3, lateMs: 150 } } }], [2]],
    ['stays for one request at a time, however heavy', [{ seconds: 60, load: busy(1, 1) }], [1]],
    ['stays for many idle connections', [{ seconds: 60, load: busy(0.02, 5_000) }], [1]],
    [
      'of programs without an event loop goes by what is open',
      [
        { seconds: 2, load: { open: 4 } },
        { seconds: 60, load: { open: 7 } },
      ],
      [2, 2],
    ],
    ['of those stays below that', [{ seconds: 60, load: { open: 3 } }], [1]],
    [
      'stays while the app is failing, both ways',
      [
        { seconds: 2, load: pressed },
        { seconds: 600, load: 'failing' },
      ],
      [2, 2],
    ],
  ])('%s', (_, pieces, targets) => {
    expect(follow(pieces)).toEqual(targets);
  });

  test.each<[string, Piece[], number[]]>([
    [
      'goes down by one for each minute of calm, to the floor',
      [60, 1, 59, 1, 60, 600].map((seconds) => ({ seconds, load: idle })),
      [4, 3, 3, 2, 1, 1],
    ],
    [
      'counts the minute anew after each disturbance',
      [
        { seconds: 59, load: idle },
        { seconds: 1, load: busy(0.7) },
        { seconds: 60, load: idle },
        { seconds: 1, load: idle },
      ],
      [4, 4, 4, 3],
    ],
    ['stays between busy and calm', [{ seconds: 600, load: busy(0.5) }], [4]],
    [
      'goes down only if what is left would not be busy',
      [
        { seconds: 61, load: busy(0.37) },
        { seconds: 600, load: busy(0.37) },
      ],
      [3, 3],
    ],
    ['stays while requests wait', [{ seconds: 600, load: { ...idle, waiting: 1 } }], [4]],
    ['stays while timers are late', [{ seconds: 600, load: { loop: { busy: 0, lateMs: 60 } } }], [4]],
    [
      'of programs without an event loop goes down, too',
      [
        { seconds: 61, load: { open: 6 } },
        { seconds: 600, load: { open: 6 } },
      ],
      [3, 3],
    ],
    ['goes down with nothing told at all', [{ seconds: 181, load: {} }], [1]],
  ])('of four %s', (_, pieces, targets) => {
    expect(follow(pieces, { target: 4 })).toEqual(targets);
  });

  test('is within its bounds, also when they change', () => {
    expect(planScale({ target: 9 }, undefined, bounds, 0)).toEqual({ target: 8 });
    expect(planScale({ target: 1 }, undefined, { least: 3, most: 4 }, 0)).toEqual({ target: 3 });
    expect(follow([{ seconds: 60, load: pressed }], { target: 2 }, { least: 2, most: 2 })).toEqual([2]);
  });

  test('does not swing: what a step up leaves of the load does not lead down again', () => {
    for (let workers = 1; workers <= 8; workers += 1) {
      const after = planScale(
        { target: workers, pressedSinceMs: 0 },
        { open: 99, waiting: 0, loop: { busy: 0.8, lateMs: 0 }, ready: workers },
        bounds,
        1_000,
      );
      const spread = { open: 99, waiting: 0, loop: { busy: (0.8 * workers) / after.target, lateMs: 0 }, ready: after.target };
      let scale: Scale = { target: after.target };
      for (let second = 0; second <= 600; second += 1) scale = planScale(scale, spread, bounds, second * 1_000);
      expect([workers, scale.target]).toEqual([workers, after.target]);
    }
  });
});

describe('the next look', () => {
  test('is needed only while there are more workers than the least', () => {
    expect(lookAtScaleMs({ target: 1 }, bounds, 0)).toBeUndefined();
    expect(lookAtScaleMs({ target: 2 }, bounds, 1_000)).toBe(6_000);
    expect(lookAtScaleMs({ target: 2, calmSinceMs: 1_000 }, bounds, 30_000)).toBe(61_000);
  });
});
