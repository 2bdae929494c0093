/** Choices that a seed repeats. */
export interface Random {
  /** From 0 to below 1. */
  next(): number;
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  chance(share: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** By weight. */
  weighted<Item extends { weight: number }>(items: readonly Item[]): Item;
}

/** mulberry32: 32 bits of state, enough for a test's choices. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (share) => next() < share,
    pick: (items) => only(items[below(items.length)]),
    weighted(items) {
      let left = next() * items.reduce((sum, { weight }) => sum + weight, 0);
      return only(items.find(({ weight }) => (left -= weight) < 0) ?? items.at(-1));
    },
  };
}

function only<Item>(item: Item | undefined): Item {
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
