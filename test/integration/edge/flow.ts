import { expect } from 'vitest';

/** Answers `read()` once it has stopped growing. */
export async function settled(read: () => number): Promise<number> {
  let before = -1;
  const isStill = (): boolean => {
    const still = read() === before;
    before = read();
    return still && before > 0;
  };
  await expect.poll(isStill, { interval: 300, timeout: 10_000 }).toBe(true);
  return before;
}
