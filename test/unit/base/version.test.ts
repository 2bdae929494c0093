import { expect, test } from 'vitest';
import { version } from '../../../src/base/version.ts';

test('source that no build went over calls itself dev', () => {
  expect(version).toBe('dev');
});
