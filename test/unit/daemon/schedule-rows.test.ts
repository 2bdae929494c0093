import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import {
  type Claim,
  createScheduleRows,
  isFailure,
  isJudged,
  type ScheduleRows,
  scheduleTables,
} from '../../../src/daemon/schedule-rows.ts';
import { wrapDatabase } from '../../../src/daemon/state-database.ts';

const [acme, globex] = ['acme', 'globex'] as TenantName[] as [TenantName, TenantName];
const site = 'site' as AppName;
const digest = { tenant: acme, app: site, name: 'digest' };
const timing = '0 7 * * * UTC';

let rows: ScheduleRows;
beforeEach(() => {
  const database = new DatabaseSync(':memory:');
  database.exec(scheduleTables);
  rows = createScheduleRows(wrapDatabase(database));
});

function claim(dueAtMs: number, changes: Partial<Claim['run']> = {}, ref = digest): boolean {
  return rows.claim([{ ...ref, timing, run: { dueAtMs, cause: 'time', outcome: 'waiting', ...changes } }])[0] ?? false;
}

function runAll(count: number, from = 1): void {
  for (let due = from; due < from + count; due++) {
    claim(due);
    rows.begin(digest, due, { startedAtMs: due, timeoutMs: 1 });
    rows.end(digest, due, { outcome: 'done', endedAtMs: due });
  }
}

const dues = (): number[] => rows.history(acme, site, 'digest', 1_000).map(({ dueAtMs }) => dueAtMs);

describe('a run', () => {
  test('is claimed once, whatever became of it', () => {
    expect([claim(7), claim(7), claim(8)]).toEqual([true, false, true]);
    rows.end(digest, 7, { outcome: 'failed', endedAtMs: 9 });
    expect(claim(7)).toBe(false);
    expect(rows.run(digest, 7)?.outcome).toBe('failed');
  });

  test('of another tenant, app or schedule is another', () => {
    claim(7);
    expect(claim(7, {}, { ...digest, tenant: globex })).toBe(true);
    expect(claim(7, {}, { ...digest, app: 'api' as AppName })).toBe(true);
    expect(claim(7, {}, { ...digest, name: 'other' })).toBe(true);
    expect(rows.history(globex, site, undefined, 10)).toHaveLength(1);
  });

  test('begins once, and ends once', () => {
    const times = { startedAtMs: 8, timeoutMs: 300 };
    expect(rows.begin(digest, 7, times)).toBe(false);
    claim(7);
    expect([rows.begin(digest, 7, times), rows.begin(digest, 7, times)]).toEqual([true, false]);
    rows.end(digest, 7, { outcome: 'failed', endedAtMs: 9, status: 500, durationMs: 12, detail: 'answered 500' });
    rows.end(digest, 7, { outcome: 'done', endedAtMs: 10 });
    expect(rows.run(digest, 7)).toEqual({
      ...{ dueAtMs: 7, cause: 'time', outcome: 'failed', startedAtMs: 8, timeoutMs: 300, endedAtMs: 9 },
      ...{ status: 500, durationMs: 12, detail: 'answered 500' },
    });
    expect(rows.begin(digest, 7, times)).toBe(false);
  });

  test('is open until it ends', () => {
    claim(7);
    claim(8, { outcome: 'skipped', endedAtMs: 8 });
    claim(9, {}, { ...digest, tenant: globex });
    rows.begin(digest, 7, { startedAtMs: 7, timeoutMs: 1 });
    expect(rows.open().map(({ tenant, dueAtMs, outcome }) => [tenant, dueAtMs, outcome])).toEqual([
      [acme, 7, 'running'],
      [globex, 9, 'waiting'],
    ]);
    rows.end(digest, 7, { outcome: 'lost', endedAtMs: 9 });
    expect(rows.open()).toHaveLength(1);
  });
});

describe('claims', () => {
  test('are all stored, or none', () => {
    const good = { ...digest, timing, run: { dueAtMs: 7, cause: 'time', outcome: 'waiting' } } as const;
    const bad = { ...good, run: { ...good.run, dueAtMs: 1.5 } };
    expect(() => rows.claim([good, bad])).toThrow('cannot store REAL value');
    expect(rows.open()).toEqual([]);
    expect(rows.claim([good, good])).toEqual([true, false]);
  });

  test('say how far a schedule was handled; those of a person do not', () => {
    claim(7);
    claim(100, { cause: 'manual' });
    expect(rows.of(acme)).toEqual([{ ...digest, timing, handledMs: 7 }]);
    claim(5);
    expect(rows.of(acme)).toMatchObject([{ handledMs: 5 }]);
  });
});

describe('the last run that counts', () => {
  test('comes with its schedule, also when others were skipped since', () => {
    runAll(1);
    claim(2);
    rows.end(digest, 2, { outcome: 'failed', endedAtMs: 3, detail: 'no' });
    claim(4, { outcome: 'skipped', endedAtMs: 4 });
    expect(rows.of(acme)).toMatchObject([{ handledMs: 4, judged: { dueAtMs: 2, outcome: 'failed', detail: 'no' } }]);
    expect(rows.of(globex)).toEqual([]);
  });

  test('is kept, however many were skipped since', () => {
    claim(1);
    rows.end(digest, 1, { outcome: 'timeout', endedAtMs: 2 });
    for (let due = 2; due < 300; due++) claim(due, { outcome: 'skipped', endedAtMs: due });
    expect(rows.of(acme)).toMatchObject([{ judged: { dueAtMs: 1, outcome: 'timeout' } }]);
    expect(dues()).toHaveLength(101);
  });

  test.each([
    ['waiting', false, false],
    ['running', false, false],
    ['done', true, false],
    ['failed', true, true],
    ['timeout', true, true],
    ['lost', true, true],
    ['skipped', false, false],
    ['missed', false, false],
  ] as const)('%s: it counts %s, as a failure %s', (outcome, judged, failure) => {
    expect([isJudged(outcome), isFailure(outcome)]).toEqual([judged, failure]);
  });
});

describe('of history', () => {
  test('a hundred runs of each schedule are kept, the newest first', () => {
    runAll(250);
    claim(7, {}, { ...digest, name: 'other' });
    expect(dues()).toEqual(Array.from({ length: 100 }, (_, index) => 250 - index));
    expect(rows.history(acme, site, undefined, 1_000)).toHaveLength(101);
    expect(rows.history(acme, site, 'digest', 3)).toHaveLength(3);
  });

  test('what was written last is the newest, wherever the clock was', () => {
    runAll(50, 1_000);
    runAll(60, 1);
    expect(dues().slice(0, 2)).toEqual([60, 59]);
    expect(dues()).toHaveLength(100);
    expect(dues().at(-1)).toBe(1_010);
  });

  test('what still runs is kept, however long', () => {
    claim(1);
    rows.begin(digest, 1, { startedAtMs: 1, timeoutMs: 1 });
    runAll(200, 2);
    expect(rows.open()).toHaveLength(1);
    expect(dues().at(-1)).toBe(1);
  });

  test('few schedules are kept that their app has no more', () => {
    const names = Array.from({ length: 100 }, (_, index) => ({ ...digest, name: `s${index}` }));
    for (const [index, ref] of names.entries()) {
      rows.note([{ ...ref, timing, handledMs: index }], [ref]);
      claim(index, { outcome: 'missed', endedAtMs: 1 }, ref);
    }
    rows.note([{ ...digest, timing, handledMs: 1_000 }], [digest]);
    expect(
      rows
        .of(acme)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['digest', ...Array.from({ length: 16 }, (_, index) => `s${index + 84}`)].toSorted());
    expect(rows.history(acme, site, undefined, 1_000)).toHaveLength(16);
  });

  test('schedules of other apps and tenants are not those that an app has no more', () => {
    const others = [
      { ...digest, tenant: globex },
      { ...digest, app: 'api' as AppName },
    ];
    for (const ref of others) rows.note([{ ...ref, timing, handledMs: 1 }], [ref]);
    rows.note([{ ...digest, timing, handledMs: 1 }], [digest]);
    expect([rows.of(acme), rows.of(globex)].map(({ length }) => length)).toEqual([2, 1]);
  });
});
