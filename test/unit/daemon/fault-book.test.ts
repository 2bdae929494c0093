import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { createFaultBook, type FaultBook } from '../../../src/daemon/fault-book.ts';
import { keptFaults } from '../../../src/daemon/fault-rows.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const globex = 'globex' as TenantName;
const dayMs = 86_400_000;

let store: Store;
let book: FaultBook;
let nowMs: number;
let logged: { message: string }[];

beforeEach(() => {
  store = openStore(`${temporaryFolder()}/state.db`, { first: 1_000, count: 10, isTaken: () => false });
  nowMs = Date.UTC(2026, 10, 21, 12);
  open();
});

function open(): void {
  const { log, entries } = createRecordingLog();
  logged = entries;
  book = createFaultBook({ rows: store.faults, log, nowMs: () => nowMs });
  const opened = book;
  onTestFinished(() => opened.close());
}

function note(tenant: TenantName, more: Partial<Parameters<FaultBook['note']>[0]> = {}): void {
  book.note({ tenant, app: 'site', kind: 'memory', detail: 'at its limit', ...more });
}

const list = (tenant?: TenantName, sinceMs = 0, most = 1_000) => book.list(tenant, sinceMs, most);

describe('the fault journal', () => {
  test('has who, what, when and how often', () => {
    note(acme, { processes: [{ name: 'node', count: 2, memoryBytes: 5, killed: true }] });
    const at = '2026-11-21T12:00:00.000Z';
    const processes = [{ name: 'node', count: 2, memoryBytes: 5, killed: true }];
    expect(list(acme)).toEqual([
      { tenant: 'acme', app: 'site', kind: 'memory', firstAt: at, lastAt: at, count: 1, detail: 'at its limit', processes },
    ]);
    expect(list(globex)).toEqual([]);
  });

  test('folds the same again into one row, with first and last time, the number, and the last words', () => {
    for (const detail of ['once', 'twice', 'last']) {
      note(acme, { detail, count: 10 });
      nowMs += 599_000;
    }
    expect(list(acme)).toMatchObject([
      { firstAt: '2026-11-21T12:00:00.000Z', lastAt: '2026-11-21T12:19:58.000Z', count: 30, detail: 'last' },
    ]);
  });

  test.each([
    ['after ten minutes', () => void (nowMs += 600_000), {}],
    ['of another app', () => {}, { app: 'shop' }],
    ['of another kind', () => {}, { kind: 'crash' as const }],
  ])('has a row of its own %s', (_, wait, more) => {
    note(acme);
    wait();
    note(acme, more);
    expect(list(acme).map(({ count }) => count)).toEqual([1, 1]);
  });

  test('goes on with a row after a restart of the daemon, and with none that is over', () => {
    note(acme);
    book.close();
    open();
    note(acme);
    nowMs += 1_000;
    expect(list(acme)).toMatchObject([{ count: 2 }]);
    book.close();
    nowMs += 600_000;
    open();
    note(acme);
    expect(list(acme).map(({ count }) => count)).toEqual([1, 2]);
  });

  test('keeps the newest of each tenant, and takes nothing from another', () => {
    note(globex);
    for (let times = 0; times < keptFaults.rows + 20; times++) {
      note(acme, { detail: String(times) });
      book.list(acme, 0, 1);
      nowMs += 700_000;
    }
    expect(list(acme)).toHaveLength(keptFaults.rows);
    expect(list(acme)[0]?.detail).toBe(String(keptFaults.rows + 19));
    expect(list(globex)).toHaveLength(1);
  });

  test('forgets what is older than its days', () => {
    note(globex);
    book.list(undefined, 0, 1);
    nowMs += (keptFaults.days + 1) * dayMs;
    note(acme);
    expect(list().map(({ tenant }) => tenant)).toEqual(['acme']);
  });

  test('lists the newest first, since a time, so many, of one tenant or all', () => {
    for (const tenant of [acme, globex]) {
      note(tenant);
      nowMs += 60_000;
      note(tenant, { kind: 'crash' });
      nowMs += 60_000;
    }
    expect(list().map(({ tenant, kind }) => `${tenant} ${kind}`)).toEqual(['globex crash', 'globex memory', 'acme crash', 'acme memory']);
    expect(list(undefined, nowMs - 130_000)).toHaveLength(2);
    expect(list(undefined, 0, 1)).toMatchObject([{ tenant: 'globex', kind: 'crash' }]);
    expect([...book.newest(nowMs - 130_000)]).toMatchObject([['globex', { kind: 'crash' }]]);
    expect([...book.newest(0).keys()].toSorted()).toEqual(['acme', 'globex']);
  });

  test('shows words of a tenant as one line of plain characters, of bounded length', () => {
    note(acme, { detail: `evil\n\u001b[31m\u202e ${'x'.repeat(1_000)}` });
    const [fault] = list(acme);
    expect(fault?.detail).toMatch(/^evil\\x0a\\x1b\[31m\\u202e x+\.\.\.$/);
    expect(fault?.detail.length).toBe(300);
  });

  test('writes marks together with what was counted from them', () => {
    book.setMarks((tenant) => `marks of ${tenant}`);
    note(acme);
    expect(book.marksOf(acme)).toBeUndefined();
    list();
    expect([book.marksOf(acme), book.marksOf(globex)]).toEqual(['marks of acme', undefined]);
  });

  test('is not written any more for a tenant that is gone', () => {
    note(acme);
    book.forget(acme);
    expect(list()).toEqual([]);
  });

  test('says few words in the log, however much is noted', () => {
    for (let times = 0; times < 1_000; times++) note(acme, { app: `app-${times}` });
    expect(logged.length).toBeLessThan(30);
  });

  test('takes no time of the future from anybody', () => {
    note(acme, { firstAtMs: nowMs + dayMs, lastAtMs: nowMs + dayMs });
    expect(list(acme)).toMatchObject([{ firstAt: '2026-11-21T12:00:00.000Z', lastAt: '2026-11-21T12:00:00.000Z' }]);
  });
});
