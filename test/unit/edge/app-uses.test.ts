import { describe, expect, test } from 'vitest';
import { AppUses, joinUses, maxUsesTold } from '../../../src/edge/app-uses.ts';
import { appTarget } from './app-fixture.ts';

describe('uses', () => {
  test('over what fits into one message are told the next time', () => {
    const uses = new AppUses();
    for (let app = 0; app < maxUsesTold + 1; app++) {
      const target = appTarget(`app${app}`, uses);
      target.noteBegin(undefined);
      target.noteEnd(undefined);
    }
    expect(uses.take()).toHaveLength(maxUsesTold);
    expect(uses.take()).toEqual([{ tenant: 'acme', app: `app${maxUsesTold}`, open: 0, waiting: 0 }]);
    expect(uses.take()).toEqual([]);
  });

  test('that stay open push nobody out', () => {
    const uses = new AppUses();
    for (let app = 0; app < maxUsesTold; app++) appTarget(`open${app}`, uses).noteBegin(undefined);
    appTarget('last', uses).noteBegin(undefined);
    const told = [...uses.take(), ...uses.take()].map(({ app }) => app);
    expect(told).toContain('last');
  });

  test('of several edges are added up', () => {
    const acme = { tenant: 'acme', app: 'site' };
    const joined = joinUses([
      { ...acme, open: 1, waiting: 2 },
      { tenant: 'globex', app: 'site', open: 5, waiting: 0 },
      { ...acme, open: 3, waiting: 0 },
    ]);
    expect(joined).toEqual([
      { ...acme, open: 4, waiting: 2 },
      { tenant: 'globex', app: 'site', open: 5, waiting: 0 },
    ]);
  });
});
