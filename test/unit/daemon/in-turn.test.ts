import { expect, test } from 'vitest';
import { createTurns } from '../../../src/daemon/in-turn.ts';

test('works come one after the other, in order, and a failure stops only itself', async () => {
  const inTurn = createTurns();
  const seen: string[] = [];
  const first = Promise.withResolvers<string>();
  const works = [
    inTurn(async () => {
      seen.push('one begins');
      await first.promise;
      seen.push('one ends');
    }),
    inTurn(() => Promise.reject(new Error('no'))),
    inTurn(async () => {
      seen.push('three');
      return 3;
    }),
  ];
  const settled = Promise.allSettled(works);
  first.resolve('go on');
  expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(seen).toEqual(['one begins', 'one ends', 'three']);
});
