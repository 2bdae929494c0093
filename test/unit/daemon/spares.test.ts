import { expect, onTestFinished, test } from 'vitest';
import { createSpares } from '../../../src/daemon/spares.ts';

/** Numbers, made in the order of these; `made` resolves when so many were. */
function numbers(count: number, refillAfterMs = 0) {
  let last = 0;
  const discarded: number[] = [];
  const waiting = new Map<number, () => void>();
  let broken = false;
  const spares = createSpares({
    ...{ count, refillAfterMs },
    async make(wanted) {
      if (broken) throw new Error('out of order');
      const made = Array.from({ length: wanted }, () => (last += 1));
      waiting.get(last)?.();
      await Promise.resolve();
      return made;
    },
    discard: (thing) => void discarded.push(thing),
  });
  onTestFinished(() => spares.close());
  const untilMade = (number: number): Promise<void> =>
    new Promise<void>((resolve) => (last >= number ? resolve() : void waiting.set(number, resolve))).then(
      () => new Promise((resolve) => setImmediate(resolve)),
    );
  return { spares, discarded, untilMade, setBroken: (is: boolean) => (broken = is) };
}

test('spares are taken one after the other, each once, and made again when the last was taken', async () => {
  const { spares, untilMade } = numbers(2);
  await untilMade(2);
  const taken = [await spares.take(), await spares.take()];
  await untilMade(4);
  taken.push(await spares.take(), await spares.take());
  expect(new Set(taken)).toEqual(new Set([1, 2, 3, 4]));
});

test('who comes when none is ready gets one that is made now', async () => {
  const { spares } = numbers(1, 60_000);
  expect(new Set([await spares.take(), await spares.take(), await spares.take()]).size).toBe(3);
});

test('what can not be made is told to who needs it, and tried again for the next', async () => {
  const { spares, setBroken } = numbers(1, 60_000);
  setBroken(true);
  await expect(spares.take()).rejects.toThrow('out of order');
  setBroken(false);
  expect(await spares.take()).toBeGreaterThan(0);
});

test('one that has gone bad while it lay there is not given out', async () => {
  let bad = 0;
  const { promise: filled, resolve } = Promise.withResolvers<void>();
  const spares = createSpares({
    ...{ count: 3, refillAfterMs: 60_000 },
    make: async (wanted) => (setImmediate(resolve), Array.from({ length: wanted }, (_, index) => index + 1)),
    discard: () => {},
    isUsable: (thing) => thing > bad,
  });
  onTestFinished(() => spares.close());
  await filled;
  bad = 2;
  expect(await spares.take()).toBe(3);
});

test('what nobody took is given back at the end, also what is being made then', async () => {
  const first = numbers(3);
  await first.untilMade(3);
  await first.spares.close();
  expect(first.discarded).toEqual([1, 2, 3]);
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const discarded: string[] = [];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const spares = createSpares({
    ...{ count: 1, refillAfterMs: 0 },
    make: () => (begin(), promise),
    discard: (thing: string) => void discarded.push(thing),
  });
  await begun;
  const closed = spares.close();
  resolve(['late']);
  await closed;
  expect(discarded).toEqual(['late']);
});
