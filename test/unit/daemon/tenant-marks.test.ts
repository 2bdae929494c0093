import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { type Mark, toTenantMark } from '../../../src/daemon/tenant-marks.ts';
import { temporaryFolder } from './temporary-folder.ts';

const [acme, globex] = ['acme', 'globex'] as [TenantName, TenantName];
const suspended: Mark = { mark: 'suspended', sinceMs: 1_000, by: 'operator', reason: 'not paid' };
const removing: Mark = { mark: 'removing', sinceMs: 2_000, by: 'operator', untilMs: 9_000 };

let file: string;
let store: Store;

function open(): Store {
  return openStore(file, { first: 200_000, count: 5, isTaken: () => false });
}

beforeEach(() => {
  file = join(temporaryFolder(), 'state.db');
  store = open();
  onTestFinished(() => store.close());
});

test('marks are kept over a restart, each of its tenant', () => {
  store.marks.set(acme, suspended);
  store.marks.set(globex, removing);
  store.close();
  store = open();
  expect(store.marks.of(acme)).toEqual(suspended);
  expect(store.marks.all()).toEqual(
    new Map([
      [acme, suspended],
      [globex, removing],
    ]),
  );
});

test('the mark that is nearest to the end counts, and what was before is there when it is taken back', () => {
  store.marks.set(acme, suspended);
  store.marks.set(acme, removing);
  expect(store.marks.of(acme)).toEqual(removing);
  store.marks.set(acme, { mark: 'purging', sinceMs: 3_000, by: 'operator' });
  expect([store.marks.of(acme)?.mark, store.marks.has(acme, 'removing')]).toEqual(['purging', true]);
  store.marks.remove(acme, 'purging');
  store.marks.remove(acme, 'removing');
  expect(store.marks.of(acme)).toEqual(suspended);
  store.marks.remove(acme, 'suspended');
  expect([store.marks.of(acme), store.marks.all().size]).toEqual([undefined, 0]);
});

test('people are told of a mark in words and times', () => {
  expect(toTenantMark(suspended)).toEqual({ state: 'suspended', since: '1970-01-01T00:00:01.000Z', by: 'operator', reason: 'not paid' });
  expect(toTenantMark(removing)).toMatchObject({ state: 'removing', until: '1970-01-01T00:00:09.000Z' });
  expect(toTenantMark({ mark: 'purging', sinceMs: 0, by: 'x' })).toEqual({ state: 'removing', since: '1970-01-01T00:00:00.000Z', by: 'x' });
});
