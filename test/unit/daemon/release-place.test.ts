import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { starterPlan } from '../../../src/config/plans.ts';
import { currentOf, roomBeside, toPrune } from '../../../src/daemon/release-place.ts';
import type { ReleaseRow } from '../../../src/daemon/release-rows.ts';

const row = (id: string, bytes = 10, files = 1): ReleaseRow => ({ id, createdAt: '', createdBy: '', bytes, files, manifest: null });
const rows = ['e', 'd', 'c', 'b', 'a'].map((id) => row(id));
const ample = { bytes: 1e9, entries: 1e6 };
const prune = (keep: number, room = ample, needed: string[] = []) =>
  toPrune(rows, keep, room, (id) => needed.includes(id)).map(({ id }) => id);

describe('what goes', () => {
  test('is nothing while there are no more than are kept', () => expect(prune(5)).toEqual([]));
  test('are the oldest', () => expect(prune(3)).toEqual(['a', 'b']));
  test('are not those that are needed', () => expect(prune(2, ample, ['b', 'd'])).toEqual(['a', 'c', 'e']));
  test('are more where there is less room', () => expect(prune(5, { bytes: 25, entries: 100 })).toEqual(['a', 'b', 'c']));
  test('are more where there may be fewer files', () => expect(prune(5, { bytes: 100, entries: 4 })).toEqual(['a']));
});

test('room is what the plan gives and others leave, and never less than nothing', () => {
  const plan = { ...starterPlan, diskBytes: 1_000, files: 100 };
  expect(roomBeside([row('x', 300, 30), row('y', 100, 10)], plan, 1e9)).toEqual({ bytes: 600, entries: 60 });
  expect(roomBeside([row('x', 300, 30)], plan, 50)).toEqual({ bytes: 50, entries: 70 });
  expect(roomBeside([row('x', 3_000, 300)], plan, 1e9)).toEqual({ bytes: 0, entries: 0 });
});

describe('the current release', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tenantd-place-'));
    mkdirSync(join(dir, 'releases/20261121-133405-x7k2'), { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('is the one that the link leads to', () => {
    symlinkSync('releases/20261121-133405-x7k2', join(dir, 'current'));
    expect(currentOf({ dir })).toBe('20261121-133405-x7k2');
  });

  test.each(['releases/20261121-133405-gone', '/etc', 'releases', '..'])('is the folder itself with a link to %s', (target) => {
    symlinkSync(target, join(dir, 'current'));
    expect(currentOf({ dir })).toBe('local');
  });

  test('is the folder itself without a link, or with something else there', () => {
    expect(currentOf({ dir })).toBe('local');
    mkdirSync(join(dir, 'current'));
    expect(currentOf({ dir })).toBe('local');
  });
});
