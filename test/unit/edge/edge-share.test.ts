import { expect, test } from 'vitest';
import { edgeShare } from '../../../src/edge/edge-share.ts';

test.each([
  [64, 1, 64],
  [64, 4, 16],
  [65, 4, 17],
  [1, 4, 1],
  [0, 4, 0],
])('of %d, each of %d edges has %d', (total, processes, share) => {
  expect(edgeShare(total, processes)).toBe(share);
});
